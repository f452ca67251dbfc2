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
        let is_news = self.is_news(outcome.is_err());
        match outcome {
            Err(error) if is_news => {
                tracing::warn!("{what} failed: {error}. It is tried again; replication goes on");
            }
            Err(error) => tracing::debug!("{what} failed: {error}"),
            Ok(()) if is_news => tracing::info!("{what} works again"),
            Ok(()) => {}
        }
    }

    fn is_news(&self, failed: bool) -> bool {
        self.failing.swap(failed, Ordering::Relaxed) != failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_is_news() {
        let once = Once::new("it");
        let failed = [false, true, true, true, false, false, true];
        let news = failed.map(|failed| once.is_news(failed));
        assert_eq!(news, [false, true, false, false, true, false, true]);
    }
}
