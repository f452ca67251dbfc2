//! How long the machine stood still while something was timed: what a busy host takes away counts
//! against nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);

pub struct Stalls {
    lost_ms: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    watch: Option<JoinHandle<()>>,
}

impl Stalls {
    /// From now on.
    pub fn watch() -> Stalls {
        let (lost_ms, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (lost, stop) = (Arc::clone(&lost_ms), Arc::clone(&over));
        let watch = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                thread::sleep(TICK);
                let late = began.elapsed().saturating_sub(TICK);
                lost.fetch_add(late.as_millis() as u64, Ordering::Relaxed);
            }
        });
        Stalls {
            lost_ms,
            over,
            watch: Some(watch),
        }
    }

    /// By how much a thread that only sleeps came too late, in all.
    pub fn lost(&self) -> Duration {
        Duration::from_millis(self.lost_ms.load(Ordering::Relaxed))
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(watch) = self.watch.take() {
            // It only sleeps.
            let _ = watch.join();
        }
    }
}
