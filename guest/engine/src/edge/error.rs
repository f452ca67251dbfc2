//! Why something was not read or committed, and what that means for whoever asked.

use crate::ltx::EncodeError;
use crate::ports::ObjectError;
use crate::restore::RestoreError;
use crate::units::{PageSize, Txid};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// Nothing of the transaction took effect. Begin it again.
    #[error("another instance committed first (TXID {0}): the transaction was rolled back")]
    Conflict(Txid),
    /// Not to be tried again by itself: it may have taken effect.
    #[error(
        "whether TXID {txid} was committed is not known: {source}. The next transaction that begins will see it or not"
    )]
    UnknownOutcome { txid: Txid, source: ObjectError },
    /// The transaction had no effect.
    #[error("{0}")]
    Store(ObjectError),
    #[error("{0}")]
    Replica(RestoreError),
    /// The objects that an old snapshot was made of were merged and deleted.
    #[error("the snapshot that was read is no longer in the replica; begin the transaction again")]
    Gone,
    #[error("nothing may be written here")]
    ReadOnly,
    #[error("the transaction changes more than the {limit} bytes that are allowed at once")]
    TooLarge { limit: u64 },
    #[error("the database has pages of {0} bytes, and that cannot be changed")]
    PageSize(PageSize),
    #[error(
        "a sidecar ships to this replica and looks after it itself: its newest object comes from a WAL"
    )]
    Attended,
    #[error("the replica holds no database, and none may be created")]
    NoDatabase,
    #[error("cannot encode the transaction: {0}")]
    Encode(EncodeError),
    #[error("a transaction ended without its commit being seen; the connection is closed")]
    Bypassed,
}

impl From<RestoreError> for EdgeError {
    fn from(error: RestoreError) -> EdgeError {
        match error {
            RestoreError::List { source, .. } => EdgeError::Store(source),
            error if error.is_vanished() => EdgeError::Gone,
            RestoreError::Object { source, .. } => EdgeError::Store(source),
            error => EdgeError::Replica(error),
        }
    }
}

impl From<EncodeError> for EdgeError {
    fn from(error: EncodeError) -> EdgeError {
        EdgeError::Encode(error)
    }
}
