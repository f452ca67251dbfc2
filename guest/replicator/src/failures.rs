//! The engine's errors in the words of the world.

use crate::exports::seawall::replicator::replicator as wit;
use engine::rebuild::RebuildError;
use engine::replica::Error;
use engine::restore::generations::GenerationError;
use engine::restore::{PlanError, RestoreError};

pub fn not_rebuilt(error: RebuildError) -> wit::Error {
    match error {
        RebuildError::Restore(error) => not_restored(error),
        RebuildError::File { .. } => wit::Error::Database(error.to_string()),
        RebuildError::Holes { .. } | RebuildError::CannotFollow | RebuildError::Integrity(_) => {
            wit::Error::Replica(error.to_string())
        }
    }
}

pub fn not_restored(error: RestoreError) -> wit::Error {
    match error {
        RestoreError::Plan(PlanError::Empty) | RestoreError::Generation(GenerationError::Empty) => {
            wit::Error::Nothing(error.to_string())
        }
        // Somebody reads the file: the next step may find it free.
        RestoreError::Sqlite(_) => wit::Error::Busy(error.to_string()),
        error => failure(error.into()),
    }
}

/// What a failure means for the host.
pub fn failure(error: Error) -> wit::Error {
    let text = error.to_string();
    match error {
        Error::Fenced { .. } => wit::Error::Fenced(text),
        Error::Store(_) => wit::Error::Store(text),
        Error::Denied(_) => wit::Error::Denied(text),
        Error::Busy(_) => wit::Error::Busy(text),
        Error::Replica(_) | Error::Object { .. } | Error::NoFencing => wit::Error::Replica(text),
        Error::NotADatabase
        | Error::WalOfAnotherDatabase { .. }
        | Error::PageSize { .. }
        | Error::File { .. }
        | Error::Wal(_)
        | Error::Sqlite(_)
        | Error::NotAsShipped { .. }
        | Error::Encode { .. } => wit::Error::Database(text),
    }
}
