//! How far a replica is behind, now and over the last hour.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Looks are at most this far apart while nothing is committed: what was current so lately is.
const CURRENT: Duration = Duration::from_secs(1);
/// One point for so long.
const SLOT_SECONDS: u64 = 10;
/// An hour.
const SLOTS: usize = 360;

/// Seconds since `current`; 0 when that was a moment ago.
pub fn seconds(current: Instant, now: Instant) -> f64 {
    let behind = now.saturating_duration_since(current);
    if behind <= CURRENT {
        return 0.0;
    }
    behind.as_secs_f64()
}

/// The largest lag in each ten seconds of the last hour.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Point>);

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Ten seconds each, since 1970.
    slot: u64,
    pub seconds: f64,
}

impl Point {
    /// When the ten seconds began.
    pub fn at(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.slot * SLOT_SECONDS)
    }
}

impl History {
    pub fn note(&mut self, now: SystemTime, seconds: f64) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let slot = now.as_secs() / SLOT_SECONDS;
        // A clock that was set back goes on in the slot that is there.
        match self.0.back_mut().filter(|last| last.slot >= slot) {
            Some(last) => last.seconds = last.seconds.max(seconds),
            None => self.0.push_back(Point { slot, seconds }),
        }
        let oldest = slot.saturating_sub(SLOTS as u64 - 1);
        while self.0.len() > SLOTS || self.0.front().is_some_and(|first| first.slot < oldest) {
            self.0.pop_front();
        }
    }

    /// Oldest first.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn a_point_is_the_largest_of_its_ten_seconds() {
        let mut history = History::default();
        for (second, lag) in [(0, 0.5), (3, 2.0), (9, 1.0), (10, 0.0)] {
            history.note(at(second), lag);
        }
        let points: Vec<_> = history.points().map(|p| (p.at(), p.seconds)).collect();
        assert_eq!(points, [(at(0), 2.0), (at(10), 0.0)]);
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = History::default();
        for second in 0..8000 {
            history.note(at(second), 1.0);
        }
        assert_eq!(history.points().count(), SLOTS);
        history.note(at(20_000), 1.0);
        assert_eq!(history.points().count(), 1);
    }

    #[test]
    fn what_was_current_a_moment_ago_is_not_behind() {
        let now = Instant::now();
        assert_eq!(seconds(now, now + Duration::from_millis(999)), 0.0);
        assert_eq!(seconds(now, now + Duration::from_millis(1500)), 1.5);
        assert_eq!(seconds(now + CURRENT, now), 0.0);
    }
}
