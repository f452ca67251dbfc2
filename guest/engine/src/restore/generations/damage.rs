//! What can be wrong with a file of a Litestream 0.3 backup, and what keeps its bytes from becoming
//! pages.

use crate::ports::FileError;
use crate::restore::generations::inflate::InflateError;
use crate::restore::generations::replay::Tail;
use crate::restore::pages::TooLarge;
use crate::units::{PageSize, UnitError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupDamage {
    #[error(transparent)]
    Inflate(#[from] InflateError),
    #[error("what it holds is no SQLite database")]
    NotADatabase,
    #[error("the database in it: {0}")]
    PageSize(#[from] UnitError),
    #[error("the database in it has {found} bytes, no whole number of pages of {page_size} bytes")]
    Length { page_size: PageSize, found: u64 },
    #[error("the WAL does not begin with a valid header")]
    WalHeader,
    #[error("the WAL's pages have {found} bytes, those of the database {expected}")]
    WalPageSize { expected: PageSize, found: u32 },
    #[error("{tail}, and yet another WAL follows: transactions are missing")]
    WalTail { tail: Tail },
    #[error("it is not what it was when it was read before")]
    Changed,
}

/// Why bytes did not become pages of the database.
#[derive(Debug)]
pub enum Failure {
    Damage(BackupDamage),
    File(FileError),
    TooLarge(TooLarge),
}

impl From<BackupDamage> for Failure {
    fn from(damage: BackupDamage) -> Self {
        Failure::Damage(damage)
    }
}

impl From<InflateError> for Failure {
    fn from(damage: InflateError) -> Self {
        Failure::Damage(damage.into())
    }
}

impl From<UnitError> for Failure {
    fn from(damage: UnitError) -> Self {
        Failure::Damage(damage.into())
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Failure::File(error)
    }
}

impl From<TooLarge> for Failure {
    fn from(error: TooLarge) -> Self {
        Failure::TooLarge(error)
    }
}
