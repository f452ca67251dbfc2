//! When a level is merged and a snapshot is taken.
//!
//! Pure. As with Litestream the clock is cut into windows of an interval's length; what was shipped
//! in one window is merged when the next one begins.

use super::Levels;
use crate::units::{Level, Txid};

/// Go counts time from the year 1: that is where windows of odd lengths are aligned.
const YEAR_1_TO_1970_MS: u64 = 62_135_596_800_000;

/// All in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Of levels 1, 2, …
    pub levels: Vec<u64>,
    pub snapshot: u64,
    /// Every moment in it can be restored.
    pub snapshot_retention: u64,
    /// How long merged objects of level 0 stay; 0: for ever.
    pub shipped_retention: u64,
    pub retention_check: u64,
    /// Whether anything is deleted at all.
    pub retention: bool,
}

impl Schedule {
    /// Litestream's own.
    pub fn usual() -> Schedule {
        const MINUTE: u64 = 60_000;
        const DAY: u64 = 24 * 60 * MINUTE;
        Schedule {
            levels: vec![MINUTE / 2, 5 * MINUTE, 60 * MINUTE],
            snapshot: DAY,
            snapshot_retention: DAY,
            shipped_retention: 5 * MINUTE,
            retention_check: MINUTE / 4,
            retention: true,
        }
    }

    /// The levels above 0, without the snapshots'.
    pub fn merged_levels(&self) -> impl DoubleEndedIterator<Item = Level> {
        (1..=self.levels.len() as u8).filter_map(|level| Level::new(level).ok())
    }

    /// When the current window of a level began: what is older is merged into it.
    pub fn window_start(&self, level: Level, now_ms: u64) -> Option<u64> {
        let interval = match level {
            Level::SNAPSHOT => self.snapshot,
            level => self.interval(level)?,
        };
        Some(window_end(now_ms, interval).saturating_sub(interval))
    }

    fn interval(&self, level: Level) -> Option<u64> {
        let at = (level.get() as usize).checked_sub(1)?;
        self.levels.get(at).copied()
    }
}

/// When the window ends that holds this moment.
fn window_end(time_ms: u64, interval_ms: u64) -> u64 {
    let interval = interval_ms.max(1);
    let since_year_1 = time_ms.saturating_add(YEAR_1_TO_1970_MS);
    let end = (since_year_1 / interval + 1).saturating_mul(interval);
    end.saturating_sub(YEAR_1_TO_1970_MS)
}

/// What shall be written now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// Levels 1 to this one are merged; 0: none.
    pub levels: u8,
    pub snapshot: bool,
}

impl Due {
    pub fn is_nothing(&self) -> bool {
        *self == Due::default()
    }
}

/// When level `level` is to be merged; `None`: not before something is shipped.
fn merge_time(levels: &Levels, schedule: &Schedule, level: Level) -> Option<u64> {
    let since = levels.pending(level)?.since_ms?;
    Some(window_end(since, schedule.interval(level)?))
}

/// When the next snapshot is to be taken.
fn snapshot_time(levels: &Levels, schedule: &Schedule, tip: Txid) -> Option<u64> {
    match levels.holdings.newest(Level::SNAPSHOT) {
        _ if tip == Txid::ZERO => None,
        None => Some(0),
        Some((newest, _)) if newest.max >= tip => None,
        Some(_) if levels.snapshot_wanted => Some(0),
        Some((_, held)) => Some(window_end(held.time_ms, schedule.snapshot)),
    }
}

/// What is due, and when something is due next if that is done.
pub fn due(levels: &Levels, schedule: &Schedule, tip: Txid, now_ms: u64) -> (Due, Option<u64>) {
    let snapshot_at = snapshot_time(levels, schedule, tip);
    let snapshot = snapshot_at.is_some_and(|at| at <= now_ms);
    // Levels stand on a snapshot: the first one comes before them.
    let founded = levels.holdings.newest(Level::SNAPSHOT).is_some();
    let times = schedule
        .merged_levels()
        .filter(|_| founded)
        .filter_map(|level| Some((level, merge_time(levels, schedule, level)?)));
    let mut due = Due {
        levels: 0,
        snapshot,
    };
    let mut next = snapshot_at.filter(|_| !snapshot);
    for (level, at) in times {
        if at <= now_ms {
            due.levels = due.levels.max(level.get());
        } else {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
    }
    (due, next)
}

#[cfg(test)]
mod tests {
    use super::super::holdings::{Held, Holdings};
    use super::*;
    use crate::ltx::ObjectName;

    fn schedule() -> Schedule {
        Schedule {
            levels: vec![30_000, 300_000],
            snapshot: 86_400_000,
            ..Schedule::default()
        }
    }

    /// A snapshot at TXID 1 of time 0, and shipped transactions at these times.
    fn levels(snapshot: bool, shipped_ms: &[u64]) -> (Levels, Txid) {
        let mut holdings = Holdings::default();
        let held = Held {
            size: 1,
            time_ms: 0,
            verified: true,
            stuck: false,
        };
        let first = ObjectName {
            level: Level::SNAPSHOT,
            min: Txid(1),
            max: Txid(1),
        };
        if snapshot {
            holdings.add(first, held);
        }
        let mut levels = Levels::new(holdings, Txid(1), &schedule());
        for (number, &time_ms) in shipped_ms.iter().enumerate() {
            let name = ObjectName::shipped(Txid(number as u64 + 2));
            levels.shipped(name, 1, time_ms, &[]);
        }
        (levels, Txid(shipped_ms.len() as u64 + 1))
    }

    fn due_at(shipped_ms: &[u64], now_ms: u64) -> (Due, Option<u64>) {
        let (levels, tip) = levels(true, shipped_ms);
        due(&levels, &schedule(), tip, now_ms)
    }

    #[test]
    fn windows_are_those_of_the_clock() {
        assert_eq!(window_end(30_000, 30_000), 60_000);
        assert_eq!(window_end(59_999, 30_000), 60_000);
        // Midnight in UTC.
        assert_eq!(window_end(1_795_650_000_000, 86_400_000) % 86_400_000, 0);
        // A week is counted from a Monday, 1 January of the year 1.
        let week = 7 * 86_400_000;
        assert_eq!(window_end(0, week), 4 * 86_400_000);
    }

    #[test]
    fn nothing_is_due_when_nothing_was_shipped() {
        assert_eq!(due_at(&[], 10_000_000_000), (Due::default(), None));
    }

    #[test]
    fn a_level_is_due_when_the_window_of_the_oldest_shipment_ends() {
        let none = Due::default();
        assert_eq!(due_at(&[45_000], 59_999), (none, Some(60_000)));
        let first = Due { levels: 1, ..none };
        assert_eq!(due_at(&[45_000, 59_000], 60_000), (first, Some(300_000)));
        let both = Due { levels: 2, ..none };
        let midnight = Some(86_400_000);
        assert_eq!(due_at(&[45_000], 300_000), (both, midnight));
    }

    #[test]
    fn a_snapshot_is_due_in_a_new_window_if_something_changed() {
        let (due, next) = due_at(&[45_000], 86_400_000);
        assert!(due.snapshot);
        assert_eq!(next, None);
    }

    #[test]
    fn the_first_snapshot_comes_at_once_and_before_the_levels() {
        let (levels, tip) = levels(false, &[45_000]);
        let only_snapshot = Due {
            levels: 0,
            snapshot: true,
        };
        assert_eq!(
            due(&levels, &schedule(), tip, 70_000),
            (only_snapshot, None)
        );
    }
}
