//! When `compact` is called next. Pure: told what happened, asked for a moment.

use std::time::Duration;
use tokio::time::Instant;

/// After a failure it is tried again after this long; the wait doubles up to [`RETRY_MOST`].
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(60);
/// Between two calls: what is due at once again and again must not keep a processor busy.
const PAUSE: Duration = Duration::from_millis(50);
/// Something due later than this is looked at again meanwhile, as the wall clock may be set.
const LOOK: Duration = Duration::from_secs(60);

/// What the next call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Something is shipped.
    Shipment,
    Moment(Instant),
    /// Unix time in milliseconds.
    Clock(u64),
}

#[derive(Debug)]
pub struct Schedule {
    next: Next,
    under_way: bool,
    /// Something was shipped while a call was under way.
    again: bool,
    /// The wait after the last failure; zero: the last call succeeded.
    backoff: Duration,
}

impl Schedule {
    /// Nothing is due before something is shipped, or [`Schedule::ask`] says so.
    pub fn new() -> Schedule {
        Schedule {
            next: Next::Shipment,
            under_way: false,
            again: false,
            backoff: Duration::ZERO,
        }
    }

    /// The replica has something new, or is open now: what is due must be asked for again. A wait
    /// after a failure goes on.
    pub fn ask(&mut self, now: Instant) {
        if self.under_way {
            self.again = true;
        } else if self.backoff.is_zero() {
            self.next = Next::Moment(now);
        }
    }

    /// When to call, and whether that is a call or only another look at the clock; None: not now.
    pub fn wake(&self, now: Instant, unix_ms: u64) -> Option<(Instant, bool)> {
        if self.under_way {
            return None;
        }
        match self.next {
            Next::Shipment => None,
            Next::Moment(moment) => Some((moment, true)),
            Next::Clock(due_ms) => {
                let wait = Duration::from_millis(due_ms.saturating_sub(unix_ms));
                Some(if wait > LOOK {
                    (now + LOOK, false)
                } else {
                    (now + wait, true)
                })
            }
        }
    }

    pub fn begins(&mut self) {
        self.under_way = true;
        self.again = false;
    }

    /// `due_ms`: as `compact` answered.
    pub fn succeeded(&mut self, now: Instant, unix_ms: u64, due_ms: Option<u64>) {
        self.under_way = false;
        self.backoff = Duration::ZERO;
        self.next = match due_ms {
            _ if self.again => Next::Moment(now + PAUSE),
            None => Next::Shipment,
            Some(due_ms) if due_ms <= unix_ms => Next::Moment(now + PAUSE),
            Some(due_ms) => Next::Clock(due_ms),
        };
    }

    pub fn failed(&mut self, now: Instant) {
        self.under_way = false;
        self.backoff = (self.backoff * 2).clamp(RETRY, RETRY_MOST);
        self.next = Next::Moment(now + self.backoff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000_000_000;

    fn called(schedule: &mut Schedule, now: Instant, due_ms: Option<u64>) {
        schedule.begins();
        schedule.succeeded(now, NOW_MS, due_ms);
    }

    #[test]
    fn nothing_is_called_while_nothing_is_due_or_shipped() {
        let now = Instant::now();
        let mut schedule = Schedule::new();
        assert_eq!(schedule.wake(now, NOW_MS), None);
        called(&mut schedule, now, None);
        assert_eq!(schedule.wake(now, NOW_MS), None);
        schedule.ask(now);
        assert_eq!(schedule.wake(now, NOW_MS), Some((now, true)));
    }

    #[test]
    fn a_call_is_made_when_the_clock_says_so_and_the_clock_may_be_set() {
        let now = Instant::now();
        let mut schedule = Schedule::new();
        called(&mut schedule, now, Some(NOW_MS + 3_600_000));
        assert_eq!(schedule.wake(now, NOW_MS), Some((now + LOOK, false)));
        let almost = NOW_MS + 3_599_000;
        let second = Duration::from_secs(1);
        assert_eq!(schedule.wake(now, almost), Some((now + second, true)));
    }

    #[test]
    fn a_shipment_during_a_call_asks_again_after_it() {
        let now = Instant::now();
        let mut schedule = Schedule::new();
        schedule.begins();
        assert_eq!(schedule.wake(now, NOW_MS), None);
        schedule.ask(now);
        schedule.succeeded(now, NOW_MS, None);
        assert_eq!(schedule.wake(now, NOW_MS), Some((now + PAUSE, true)));
    }

    #[test]
    fn failures_are_tried_again_ever_more_rarely_whatever_is_shipped() {
        let now = Instant::now();
        let mut schedule = Schedule::new();
        let mut waits = Vec::new();
        for _ in 0..9 {
            schedule.begins();
            schedule.failed(now);
            schedule.ask(now);
            let (moment, calls) = schedule.wake(now, NOW_MS).unwrap();
            assert!(calls);
            waits.push((moment - now).as_millis());
        }
        assert_eq!(
            waits,
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        called(&mut schedule, now, None);
        schedule.ask(now);
        assert_eq!(schedule.wake(now, NOW_MS), Some((now, true)));
    }
}
