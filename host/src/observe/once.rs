//! Tells in the log that something fails, once, and that it works again, once.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub struct Once {
    what: &'static str,
    failing: AtomicBool,
}

impl Once {
    /// `what` completes "… failed".
    pub fn new(what: &'static str) -> Once {
        Once {
            what,
            failing: AtomicBool::new(false),
        }
    }

    pub fn tell<E: Display>(&self, outcome: Result<(), E>) {
        let what = self.what;
        let failed = outcome.is_err();
        let failed_before = self.failing.swap(failed, Ordering::Relaxed);
        match outcome {
            Err(error) if !failed_before => {
                tracing::warn!("{what} failed: {error}. It is tried again; replication goes on");
            }
            Err(error) => tracing::debug!("{what} failed: {error}"),
            Ok(()) if failed_before => tracing::info!("{what} works again"),
            Ok(()) => {}
        }
    }
}
