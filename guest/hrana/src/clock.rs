//! When a statement has to end, as SQLite's progress handler asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const NEVER: u64 = u64::MAX;

/// A handle: clones share the deadline. It measures what really passes, unlike the clock of the
/// environment, which may be put back.
#[derive(Clone)]
pub struct Deadline {
    since: Instant,
    /// Microseconds after `since`.
    at: Arc<AtomicU64>,
}

impl Deadline {
    pub fn never() -> Deadline {
        Deadline {
            since: Instant::now(),
            at: Arc::new(AtomicU64::new(NEVER)),
        }
    }

    pub fn set(&self, at: Instant) {
        let after = at.saturating_duration_since(self.since);
        self.at.store(after.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn clear(&self) {
        self.at.store(NEVER, Ordering::Relaxed);
    }

    pub fn has_passed(&self) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at != NEVER && self.since.elapsed().as_micros() as u64 >= at
    }
}
