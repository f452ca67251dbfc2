//! Why a restore did not succeed: which object, which check, what was expected and found.

use crate::ltx::order::OrderError;
use crate::ltx::{DecodeError, FrameError, HeaderError, IndexError, ObjectName};
use crate::ports::{FileError, ObjectError};
use crate::restore::generations::{BackupDamage, GenerationError};
use crate::restore::moment::Moment;
use crate::restore::pages::TooLarge;
use crate::restore::plan::PlanError;
use crate::units::{PageSize, Pgno, Txid};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
    #[error("listing {prefix}: {source}")]
    List { prefix: String, source: ObjectError },
    #[error("reading {key}: {source}")]
    Object { key: String, source: ObjectError },
    #[error("{key} is damaged: {damage}")]
    Damaged { key: String, damage: Damage },
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(
        "timestamp does not exist: nothing is there from before {wanted}. The replica can be \
         restored to its transactions from {oldest} to {newest}"
    )]
    TimeUnavailable {
        wanted: Moment,
        oldest: Moment,
        newest: Moment,
    },
    #[error(
        "the file is at transaction {from}, and the replica ends at {target}: it was replaced by \
         another one. Restore the file anew"
    )]
    Replaced { from: Txid, target: Txid },
    #[error(
        "the position beside the followed file is not a TXID of 16 hex digits: {0:?}. Restore the \
         file anew"
    )]
    Position(String),
    #[error("somebody has changed the database")]
    Changed,
    /// A reader keeps the followed file locked, or it is none of SQLite's.
    #[error("writing the followed file: {0}")]
    Sqlite(String),
    #[error("writing the database: {0}")]
    File(#[from] FileError),
    /// Every object was sound by itself, but together they are not what its writer had.
    #[error(
        "the restored database amounts to checksum {found:016x}, but {key} says {expected:016x}"
    )]
    DatabaseChecksum {
        key: String,
        expected: u64,
        found: u64,
    },
}

impl From<rusqlite::Error> for RestoreError {
    fn from(error: rusqlite::Error) -> RestoreError {
        RestoreError::Sqlite(error.to_string())
    }
}

impl RestoreError {
    /// Whether a planned object is gone: retention or another writer deleted it since the listing.
    pub fn is_vanished(&self) -> bool {
        let gone = |source: &ObjectError| matches!(source, ObjectError::NotFound(_));
        matches!(self, RestoreError::Object { source, .. } if gone(source))
    }

    /// Whether an object is damaged or gone, and asking again is of no use.
    pub fn is_the_objects_fault(&self) -> bool {
        matches!(self, RestoreError::Damaged { .. }) || self.is_vanished()
    }

    /// Whether a plan on a new listing may do better. That holds for a gap too: levels are listed
    /// one beside the other, so an object that was merged meanwhile may be in neither listing.
    pub fn is_worth_a_new_listing(&self) -> bool {
        self.is_vanished() || matches!(self, RestoreError::Plan(PlanError::Gap { .. }))
    }
}

/// What is wrong with an object. Offsets are bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error(transparent)]
    File(#[from] DecodeError),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("page index: {0}")]
    Index(#[from] IndexError),
    #[error("page index: {0}")]
    IndexOrder(#[from] OrderError),
    #[error("{found} bytes at byte {offset} instead of {expected}: it is cut short")]
    Short {
        offset: u64,
        expected: u64,
        found: u64,
    },
    #[error("it holds {found}")]
    WrongName { found: ObjectName },
    #[error("its pages have {found} bytes, those of newer objects {expected}")]
    PageSize { expected: PageSize, found: PageSize },
    #[error("at byte {offset}: {source}")]
    Frame { offset: u64, source: FrameError },
    #[error("at byte {offset}: page {found}, where the index puts page {expected}")]
    WrongPage {
        offset: u64,
        expected: Pgno,
        found: Pgno,
    },
    #[error("at byte {offset}: page {found} after page {previous}")]
    Descending {
        offset: u64,
        previous: Pgno,
        found: Pgno,
    },
    #[error(
        "the frames from byte {offset} on hold {found} of the {expected} pages that the index puts there"
    )]
    Pages {
        offset: u64,
        expected: u32,
        found: u32,
    },
    #[error("it amounts to checksum {found:016x}, but carries {expected:016x}")]
    FileChecksum { expected: u64, found: u64 },
    /// Of a Litestream 0.3 backup.
    #[error(transparent)]
    Backup(#[from] BackupDamage),
}
