//! Whether a call tries again, and how long it waits: waits with full jitter, a limit on tries and
//! on the time of all tries together, and what the store itself asks for.

use std::time::{Duration, Instant};

use crate::failure::{Again, Failure, Kind};
use crate::limits::{Patience, time_to_move};

/// The tries of one call.
#[derive(Debug)]
pub struct Tries {
    patience: Patience,
    began: Instant,
    deadline: Instant,
    failed: u32,
    /// Some try may have taken effect.
    doubt: bool,
}

/// What to do after a failed try.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    TryAfter(Duration),
    /// The failure as the caller is to hear of it.
    GiveUp(Failure),
}

impl Tries {
    pub fn new(patience: Patience, body_bytes: u64, now: Instant) -> Tries {
        let deadline = now + patience.call + time_to_move(body_bytes);
        Tries {
            patience,
            began: now,
            deadline,
            failed: 0,
            doubt: false,
        }
    }

    /// By when the call must be over. An answer's large body moves it.
    pub fn deadline(&mut self) -> &mut Instant {
        &mut self.deadline
    }

    /// `luck` is evenly distributed over 0..1.
    pub fn next(&mut self, failure: Failure, now: Instant, luck: f64) -> Next {
        self.failed += 1;
        self.doubt |= failure.doubt;
        let wait = match failure.again {
            Again::No => return self.give_up(failure, now),
            Again::Yes => self.wait(failure.kind).mul_f64(luck),
            // A little later than asked, and not all callers at the same time.
            Again::After(asked) => asked + self.wait(failure.kind).mul_f64(luck),
        };
        if self.failed >= self.patience.tries || now + wait >= self.deadline {
            return self.give_up(failure, now);
        }
        Next::TryAfter(wait)
    }

    /// The longest wait after this many failures; half of it on the average.
    fn wait(&self, kind: Kind) -> Duration {
        let mean = match kind {
            Kind::Throttled => self.patience.wait_first_throttled,
            _ => self.patience.wait_first,
        };
        let doublings = self.failed.min(16);
        (mean * (1 << doublings)).min(self.patience.wait_most)
    }

    fn give_up(&self, failure: Failure, now: Instant) -> Next {
        let mut text = failure.text;
        if self.failed > 1 {
            let seconds = now.duration_since(self.began).as_secs_f64();
            text = format!("{text}; tried {} times in {seconds:.1} s", self.failed);
        }
        if let Again::After(asked) = failure.again {
            text = format!("{text}; the store asked to wait {} s", asked.as_secs());
        }
        Next::GiveUp(Failure {
            text,
            doubt: self.doubt,
            ..failure
        })
    }
}

/// `Retry-After` in seconds or as a date.
pub fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(header)
        .ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries() -> (Tries, Instant) {
        let now = Instant::now();
        (Tries::new(Patience::USUAL, 0, now), now)
    }

    fn throttled() -> Failure {
        Failure {
            again: Again::Yes,
            ..Failure::certain(Kind::Throttled, "slow down")
        }
    }

    #[test]
    fn waits_double_up_to_their_limit() {
        let (mut tries, now) = tries();
        let waits: Vec<Next> = (0..7)
            .map(|_| tries.next(Failure::unsent("no"), now, 1.0))
            .collect();
        let expected = [200, 400, 800, 1600, 3200, 5000, 5000]
            .map(|ms| Next::TryAfter(Duration::from_millis(ms)));
        assert_eq!(waits, expected);
        assert!(matches!(
            tries.next(Failure::unsent("no"), now, 1.0),
            Next::GiveUp(_)
        ));
    }

    #[test]
    fn jitter_is_full_and_throttling_waits_longer() {
        let (mut tries, now) = tries();
        assert_eq!(
            tries.next(throttled(), now, 0.0),
            Next::TryAfter(Duration::ZERO)
        );
        assert_eq!(
            tries.next(throttled(), now, 0.5),
            Next::TryAfter(Duration::from_secs(1))
        );
    }

    #[test]
    fn what_no_repeat_mends_is_not_repeated() {
        let (mut tries, now) = tries();
        let denied = Failure::certain(Kind::Denied, "no");
        assert_eq!(tries.next(denied.clone(), now, 0.5), Next::GiveUp(denied));
    }

    #[test]
    fn the_time_limit_ends_the_call_before_a_wait_that_would_pass_it() {
        let (mut tries, now) = tries();
        let late = now + Patience::USUAL.call - Duration::from_millis(10);
        assert!(matches!(
            tries.next(Failure::unsent("no"), late, 1.0),
            Next::GiveUp(_)
        ));
    }

    #[test]
    fn a_large_body_has_more_time() {
        let now = Instant::now();
        let mut large = Tries::new(Patience::USUAL, 64 << 20, now);
        assert_eq!(
            *large.deadline(),
            now + Patience::USUAL.call + Duration::from_secs(256)
        );
    }

    #[test]
    fn the_store_is_waited_for_as_long_as_it_asks_or_not_at_all() {
        let (mut tries, now) = tries();
        let asked = |seconds| Failure {
            again: Again::After(Duration::from_secs(seconds)),
            ..throttled()
        };
        assert_eq!(
            tries.next(asked(3), now, 0.0),
            Next::TryAfter(Duration::from_secs(3))
        );
        let Next::GiveUp(failure) = tries.next(asked(60), now, 0.0) else {
            panic!()
        };
        assert!(
            failure.text.contains("asked to wait 60 s"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn doubt_of_an_early_try_is_not_forgotten() {
        let (mut tries, now) = tries();
        tries.next(Failure::unanswered("cut"), now, 0.0);
        let refused = Failure::certain(Kind::PreconditionFailed, "412");
        let Next::GiveUp(failure) = tries.next(refused, now, 0.0) else {
            panic!()
        };
        assert!(failure.doubt);
        assert!(failure.text.contains("tried 2 times"), "{}", failure.text);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: jiff::Timestamp = "2026-11-22T14:00:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Sun, 22 Nov 2026 14:00:09 GMT", now),
            Some(Duration::from_secs(9))
        );
        assert_eq!(
            retry_after("Sun, 22 Nov 2026 13:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", now), None);
    }
}
