//! What happened, for people: a line an event, with the simulated time.

use crate::time::Clock;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle: clones write the same trace.
#[derive(Clone)]
pub struct Trace {
    clock: Clock,
    show: bool,
    digest: Arc<Mutex<DefaultHasher>>,
}

impl Trace {
    /// `show`: on stdout, as it happens.
    pub fn new(clock: Clock, show: bool) -> Trace {
        Trace {
            clock,
            show,
            digest: Arc::default(),
        }
    }

    fn digesting(&self) -> MutexGuard<'_, DefaultHasher> {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note(&self, text: impl FnOnce() -> String) {
        let (at, text) = (self.clock.elapsed_us(), text());
        (at, &text).hash(&mut *self.digesting());
        if self.show {
            println!("{:>12.6} {text}", at as f64 / 1e6);
        }
    }

    /// Two runs of one seed have the same.
    pub fn digest(&self) -> u64 {
        self.digesting().finish()
    }
}
