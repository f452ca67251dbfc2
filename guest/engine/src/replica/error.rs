//! What can go wrong while a database is replicated, and what that means for the caller.

use crate::ltx::{EncodeError, HeaderError};
use crate::ports::{FileError, FileKind, ObjectError};
use crate::restore::RestoreError;
use crate::units::{PageSize, Pgno, Txid};
use crate::wal::WalError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stop for good.
    #[error(
        "another writer owns this replica: TXID {txid} was written by {author}, not by us. \
         Nothing of theirs was overwritten; what this machine committed since is only here"
    )]
    Fenced { txid: Txid, author: String },
    /// What was committed waits in the WAL.
    #[error("{0}")]
    Store(ObjectError),
    #[error("{0}")]
    Denied(ObjectError),
    /// Soon it will work.
    #[error("{0}")]
    Busy(String),
    #[error("not a SQLite database: the file does not begin with SQLite's header")]
    NotADatabase,
    #[error(
        "the WAL has pages of {wal} bytes, the database of {database}: it belongs to another \
         database. Nothing was touched; remove or restore the right -wal file"
    )]
    WalOfAnotherDatabase { wal: u32, database: u32 },
    #[error(
        "the database has pages of {database} bytes, the replica of {replica}. An LTX replica \
         cannot change its page size: give the database a new replica path"
    )]
    PageSize {
        database: PageSize,
        replica: PageSize,
    },
    #[error("{kind}: {error}")]
    File { kind: FileKind, error: FileError },
    #[error("{0}")]
    Wal(#[from] WalError),
    #[error("SQLite: {0}")]
    Sqlite(rusqlite::Error),
    #[error("{0}")]
    Replica(RestoreError),
    #[error("object {key}: {what}")]
    Object { key: String, what: String },
    #[error(
        "page {pgno} of the database is not what was shipped as of TXID {txid}: the file was \
         changed outside of SQLite, or the disk is failing. Nothing was merged or deleted; check \
         the database with PRAGMA integrity_check, and the replica with `seawall restore`"
    )]
    NotAsShipped { pgno: Pgno, txid: Txid },
    #[error("cannot encode TXID {txid}: {what}")]
    Encode { txid: Txid, what: String },
    #[error(
        "this store ignores conditional writes, so that two writers would overwrite each other \
         unnoticed, and `require-fencing` is on"
    )]
    NoFencing,
}

impl Error {
    pub fn file(kind: FileKind) -> impl Fn(FileError) -> Error {
        move |error| match error {
            FileError::Busy => Error::Busy(format!("{kind}: another process is in the way")),
            error => Error::File { kind, error },
        }
    }

    pub fn encode(txid: Txid) -> impl Fn(EncodeError) -> Error {
        move |error| Error::Encode {
            txid,
            what: error.to_string(),
        }
    }

    pub fn header(key: &str) -> impl Fn(HeaderError) -> Error + '_ {
        move |error| Error::Object {
            key: key.to_owned(),
            what: error.to_string(),
        }
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Error {
        match error {
            ObjectError::Denied(_) | ObjectError::Invalid(_) | ObjectError::NotFound(_) => {
                Error::Denied(error)
            }
            error => Error::Store(error),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed,
            ) => Error::Busy("the database is locked by another process".to_owned()),
            Some(ErrorCode::NotADatabase) => Error::NotADatabase,
            _ => Error::Sqlite(error),
        }
    }
}

impl From<RestoreError> for Error {
    fn from(error: RestoreError) -> Error {
        match error {
            RestoreError::List { source, .. } | RestoreError::Object { source, .. }
                if matches!(source, ObjectError::Denied(_)) =>
            {
                Error::Denied(source)
            }
            RestoreError::List { source, .. } => Error::Store(source),
            RestoreError::Object { source, .. } if !matches!(source, ObjectError::NotFound(_)) => {
                Error::Store(source)
            }
            error => Error::Replica(error),
        }
    }
}
