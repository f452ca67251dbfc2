//! How fast a replica is read that nobody waits for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A request waits at most so long for shipping: an app that never pauses must not keep its replica
/// from being verified.
const YIELD_MOST: Duration = Duration::from_secs(1);
/// How often is looked whether shipping is done.
const LOOK: Duration = Duration::from_millis(10);

/// Shared by all requests of one proof.
pub struct Pace {
    bytes_per_second: u64,
    /// Something is being shipped.
    is_busy: Box<dyn Fn() -> bool + Send + Sync>,
    /// When what was read so far may have been read.
    until: Mutex<Option<Instant>>,
}

impl Pace {
    pub fn new(bytes_per_second: u64, is_busy: impl Fn() -> bool + Send + Sync + 'static) -> Pace {
        Pace {
            bytes_per_second: bytes_per_second.max(1),
            is_busy: Box::new(is_busy),
            until: Mutex::new(None),
        }
    }

    /// Before a request: lets shipping go first.
    pub async fn begin(&self) {
        let latest = Instant::now() + YIELD_MOST;
        while (self.is_busy)() && Instant::now() < latest {
            sleep(LOOK).await;
        }
    }

    /// After so many bytes: waits as long as they should have taken.
    pub async fn spend(&self, bytes: usize) {
        let time = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let until = {
            let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let next = until.map_or(now, |until| until.max(now)) + time;
            *until = Some(next);
            next
        };
        sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;

    #[tokio::test]
    async fn requests_side_by_side_share_the_bandwidth() {
        let pace = Pace::new(1000, || false);
        let began = Instant::now();
        join_all((0..4).map(|_| pace.spend(50))).await;
        assert!(began.elapsed() >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn shipping_goes_first_but_not_for_ever() {
        let pace = Pace::new(1000, || true);
        let began = Instant::now();
        pace.begin().await;
        assert!(began.elapsed() >= YIELD_MOST);
    }
}
