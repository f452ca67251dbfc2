//! Databases are opened a few at a time: opening reads, lists and may compare every page.

use super::Limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

/// A first upload may take hours; the others do not wait for it.
const AT_MOST: Duration = Duration::from_secs(5);

/// A database that is being opened. What comes after the opening may begin when this is dropped.
pub struct Opening {
    _turn: Option<OwnedSemaphorePermit>,
    pub until: Instant,
    done: watch::Sender<bool>,
}

impl Opening {
    /// Waits for its turn. `done` is told when the opening is over.
    pub async fn begin(limits: &Limits, done: watch::Sender<bool>) -> Opening {
        // The semaphore is never closed.
        let turn = Arc::clone(&limits.openings).acquire_owned().await.ok();
        Opening {
            _turn: turn,
            until: Instant::now() + AT_MOST,
            done,
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.done.send_replace(true);
    }
}
