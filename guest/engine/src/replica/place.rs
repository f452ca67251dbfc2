//! Up to where of the WAL everything is shipped.

use crate::wal::WalPosition;

/// Up to where the local database is known to be shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Not known: the database must be compared with what was shipped.
    Unknown,
    /// Everything, and the WAL is about to start anew.
    Start,
    /// Everything before this point of the WAL.
    At(WalPosition),
}
