// Writes to SQLite as HedgeDoc 1.10 does, and tells what was acknowledged.
//
//   node app.js --db FILE [--notes 6] [--interval-ms 1000] [--revisions-ms 3000]
//
// Each line on stdout is one JSON object, written at once:
//   {what: "start", notes, bad}                  the database is open and its notes are whole
//   {what: "note"|"revision"|"session"|"author"|"user", id, version, sha256, sent, at}
//                                                a commit that SQLite acknowledged
//   {what: "error", op, message, sent, at}       one that it refused
//   {what: "stop"}                               after SIGTERM: everything is saved
// `sent` and `at` are wall-clock milliseconds before the call and after its return. A commit with
// `at` before another's `sent` came first; else nothing is known of their order.
'use strict'

const crypto = require('crypto')
const fs = require('fs')
const { performance } = require('perf_hooks')
const Sequelize = require('sequelize')
const { define, MIGRATIONS } = require('./tables')

const options = { db: '', notes: 6, 'interval-ms': 1000, 'revisions-ms': 3000 }
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].slice(2)
  if (!(name in options)) throw new Error(`unknown option ${process.argv[i]}`)
  options[name] = name === 'db' ? process.argv[i + 1] : Number(process.argv[i + 1])
}

const now = () => performance.timeOrigin + performance.now()
const sha256 = text => crypto.createHash('sha256').update(text).digest('hex')
const say = line => fs.writeSync(1, JSON.stringify(line) + '\n')

// HedgeDoc's own settings: none but the file. Sequelize retries SQLITE_BUSY five times.
const sequelize = new Sequelize({
  dialect: 'sqlite', storage: options.db, logging: false
})
const { Meta, User, Note, Revision, Author, Session, Temp } = define(sequelize)

// Runs one write; tells its outcome. `record` says what has become durable.
async function write (op, call, record) {
  const sent = now()
  try {
    const result = await call()
    const at = now()
    const { id, version, text } = record(result)
    say({ what: op, id: String(id), version, sha256: sha256(text), sent, at })
  } catch (error) {
    say({ what: 'error', op, message: `${error.name}: ${error.message}`, sent, at: now() })
  }
}

// 5 to 90 kB; each knows its own version, so that a restored one can be told.
function content (version) {
  const size = 5000 + Math.floor(Math.random() ** 3 * 85000)
  const words = crypto.randomBytes(Math.ceil(size / 3)).toString('base64').match(/.{1,60}/g)
  return `version ${version}\n${words.join('\n')}`.slice(0, size)
}
const versionOf = text => Number(/^version (\d+)\n/.exec(text)[1])

async function createTables () {
  await sequelize.query('SAVEPOINT migrations')
  await sequelize.sync()
  await Meta.bulkCreate(MIGRATIONS.map(name => ({ name: `${name}.js` })), { ignoreDuplicates: true })
  await sequelize.query('RELEASE migrations')
}

async function start () {
  // As HedgeDoc after its migrations: it looks for the table, and trusts what it finds.
  const tables = await sequelize.getQueryInterface().showAllTables()
  if (!tables.includes('SequelizeMeta')) await createTables()
  const user = (await User.findOrCreate({ where: { profileid: 'u1' }, defaults: { history: '[]' } }))[0]
  const notes = await Note.findAll()
  const bad = notes.filter(note => sha256(note.content) !== note.title).length
  say({ what: 'start', notes: notes.length, bad })
  if (bad) process.exit(1)
  while (notes.length < options.notes) {
    const text = content(0)
    await write('note', async () => {
      const note = await Note.create({
        shortid: crypto.randomBytes(6).toString('hex'), permission: 'freely', ownerId: user.id,
        title: sha256(text), content: text, authorship: '[]'
      })
      notes.push(note)
      return note
    }, note => ({ id: note.id, version: 0, text }))
  }
  return { user, notes }
}

const saving = new Map()

// The dirty loop: the whole content of each note, all at once.
function save ({ user, notes }) {
  for (const note of notes) {
    if (saving.has(note.id)) continue
    const version = versionOf(note.content) + 1
    const text = content(version)
    const saved = write('note', () => note.update({
      title: sha256(text), content: text, authorship: '[]', lastchangeAt: Date.now(), lastchangeuserId: user.id
    }), () => ({ id: note.id, version, text })).then(() => saving.delete(note.id))
    saving.set(note.id, saved)
  }
  const history = JSON.stringify(notes.map(note => ({ id: note.shortid, time: Date.now() })))
  user.update({ history }).catch(error => say({ what: 'error', op: 'user', message: String(error), sent: 0, at: now() }))
  const sid = crypto.randomBytes(16).toString('hex')
  const data = JSON.stringify({ cookie: { originalMaxAge: 1209600000 }, sid })
  write('session', () => Session.create({ sid, data, expires: new Date(Date.now() + 1e9) }),
    () => ({ id: sid, version: 0, text: data }))
}

// A revision of each note, and an author in a transaction of its own on a second connection.
async function revise ({ notes }) {
  for (const note of notes) {
    const text = note.content
    await write('revision', () => Revision.create({ noteId: note.id, content: text, length: text.length }),
      revision => ({ id: revision.id, version: 0, text }))
  }
  const color = '#' + crypto.randomBytes(3).toString('hex')
  const where = { noteId: notes[0].id, userId: crypto.randomUUID() }
  await write('author', () => Author.findOrCreate({ where, defaults: { color } }),
    ([author]) => ({ id: author.id, version: 0, text: color }))
  const temporary = await Temp.create({ id: color, date: color.repeat(500) }).catch(() => null)
  if (temporary) await temporary.destroy().catch(() => null)
}

async function main () {
  const stopped = new Promise(resolve => process.once('SIGTERM', resolve))
  const state = await start()
  let revising = Promise.resolve()
  const timers = [
    setInterval(() => save(state), options['interval-ms']),
    setInterval(() => { revising = revising.then(() => revise(state)) }, options['revisions-ms'])
  ]
  await stopped
  timers.forEach(clearInterval)
  save(state)
  await revising
  await Promise.all(saving.values())
  await new Promise(resolve => setTimeout(resolve, 300))
  say({ what: 'stop' })
  process.exit(0)
}

main().catch(error => {
  say({ what: 'error', op: 'main', message: String(error.stack), sent: 0, at: now() })
  process.exit(1)
})
