// HedgeDoc 1.10's tables, as its models and migrations leave them.
'use strict'

const { DataTypes } = require('sequelize')

// Names only: that HedgeDoc's migrations have run is one row each.
const MIGRATIONS = [
  '20150504155329-create-users', '20150508114741-create-notes', '20150515125813-create-temp',
  '20150702001020-update-to-0_3_1', '20150915153700-change-notes-title-to-text',
  '20160112220142-note-add-lastchange', '20160420180355-note-add-alias', '20160515114000-user-add-tokens',
  '20160607060246-support-revision', '20160703062241-support-authorship',
  '20161009040430-support-delete-note', '20161201050312-support-email-signin',
  '20171009121200-longtext-for-mysql', '20180209120907-longtext-of-authorship',
  '20180306150303-fix-enum', '20180326103000-use-text-in-tokens', '20180525153000-user-add-delete-token',
  '20200321153000-fix-account-deletion', '20220901102800-convert-history-to-longtext'
]

function define (sequelize) {
  const key = { type: DataTypes.UUID, primaryKey: true, defaultValue: DataTypes.UUIDV4 }
  const Meta = sequelize.define('SequelizeMeta', {
    name: { type: DataTypes.STRING, primaryKey: true }
  }, { timestamps: false, tableName: 'SequelizeMeta' })
  const User = sequelize.define('User', {
    id: key,
    profileid: { type: DataTypes.STRING, unique: true },
    profile: DataTypes.TEXT,
    history: DataTypes.TEXT('long'),
    accessToken: DataTypes.TEXT,
    refreshToken: DataTypes.TEXT,
    deleteToken: { type: DataTypes.UUID, defaultValue: DataTypes.UUIDV4 },
    email: DataTypes.TEXT,
    password: DataTypes.TEXT
  })
  const Note = sequelize.define('Note', {
    id: key,
    shortid: { type: DataTypes.STRING, unique: true, allowNull: false },
    alias: { type: DataTypes.STRING, unique: true },
    permission: DataTypes.ENUM('freely', 'editable', 'limited', 'locked', 'protected', 'private'),
    viewcount: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 },
    title: DataTypes.TEXT,
    content: DataTypes.TEXT('long'),
    authorship: DataTypes.TEXT('long'),
    lastchangeAt: DataTypes.DATE,
    savedAt: DataTypes.DATE,
    ownerId: DataTypes.UUID,
    lastchangeuserId: DataTypes.UUID
  }, { paranoid: true })
  const Revision = sequelize.define('Revision', {
    id: key,
    noteId: DataTypes.UUID,
    patch: DataTypes.TEXT('long'),
    lastContent: DataTypes.TEXT('long'),
    content: DataTypes.TEXT('long'),
    length: DataTypes.INTEGER,
    authorship: DataTypes.TEXT('long')
  })
  const Author = sequelize.define('Author', {
    id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
    color: DataTypes.STRING,
    noteId: DataTypes.UUID,
    userId: DataTypes.UUID
  }, { indexes: [{ unique: true, fields: ['noteId', 'userId'] }] })
  const Session = sequelize.define('Session', {
    sid: { type: DataTypes.STRING(36), primaryKey: true },
    expires: DataTypes.DATE,
    data: DataTypes.TEXT
  })
  const Temp = sequelize.define('Temp', {
    id: { type: DataTypes.STRING, primaryKey: true },
    date: DataTypes.TEXT
  }, { tableName: 'Temp' })
  return { Meta, User, Note, Revision, Author, Session, Temp }
}

module.exports = { define, MIGRATIONS }
