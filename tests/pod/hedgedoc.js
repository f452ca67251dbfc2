// Stands where HedgeDoc's server stands in its image: takes its settings, answers its health check
// and writes where and as it does.
'use strict'

const fs = require('fs')
const http = require('http')
const os = require('os')

for (const name of ['CMD_DB_URL', 'CMD_DOMAIN', 'CMD_SESSION_SECRET']) {
  if (!process.env[name]) throw new Error(`${name} is not set`)
}
for (const place of [os.tmpdir(), './public/uploads']) fs.mkdtempSync(`${place}/hedgedoc-`)

http.createServer((request, response) => {
  response.statusCode = request.url === '/_health' ? 200 : 404
  response.end()
}).listen(3000)

const storage = process.env.CMD_DB_URL.replace(/^sqlite:\/\//, '')
process.argv.push('--db', storage, '--interval-ms', '100', '--revisions-ms', '500')
require('./app.js')
