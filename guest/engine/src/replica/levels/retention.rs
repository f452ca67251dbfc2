//! What of the replica has expired.
//!
//! Pure. Every moment in the last `snapshot_retention` stays restorable: the newest snapshot that
//! is older than that stays, with everything after it. Merged objects of level 0 go after
//! `shipped_retention`, and so do those of the levels between the first, which keeps the points in
//! time, and the last, which makes restoring fast. The newest object of a level never goes.

use super::holdings::{Held, Holdings};
use super::schedule::Schedule;
use crate::ltx::ObjectName;
use crate::mutants::{self, Mutant};
use crate::units::Level;

/// An object that may go, and one that holds what it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    pub name: ObjectName,
    pub cover: ObjectName,
}

/// What has expired, and when something expires next if nothing is shipped until then.
pub fn expired(
    holdings: &Holdings,
    schedule: &Schedule,
    now_ms: u64,
) -> (Vec<Expired>, Option<u64>) {
    let mut found = Vec::new();
    let mut next: Option<u64> = None;
    if !schedule.retention {
        return (found, next);
    }
    let mut judge = |expired: Expired, held: &Held, at: u64| {
        if held.stuck {
        } else if at <= now_ms {
            found.push(expired);
        } else {
            next = Some(next.map_or(at, |next| next.min(at)));
        }
    };

    let base = base(holdings, schedule, now_ms);
    let snapshots: Vec<_> = holdings.level(Level::SNAPSHOT).collect();
    for pair in snapshots.windows(2) {
        let [(name, held), (newer, newer_held)] = pair else {
            continue;
        };
        let at = newer_held
            .time_ms
            .saturating_add(schedule.snapshot_retention);
        let cover = base.filter(|base| base.max >= newer.max).unwrap_or(**newer);
        judge(
            Expired {
                name: **name,
                cover,
            },
            held,
            at,
        );
    }
    for level in [Level::SHIPPED].into_iter().chain(schedule.merged_levels()) {
        let for_ever = level == Level::SHIPPED && schedule.shipped_retention == 0;
        let newest = holdings.newest(level).map(|(name, _)| *name);
        let others = holdings
            .level(level)
            .filter(|(name, _)| Some(**name) != newest && !for_ever);
        for (name, held) in others {
            let before_base = base.filter(|base| name.max <= base.max);
            let merged = merged_at(holdings, schedule, name, held);
            if let Some((cover, at)) = before_base.map(|base| (base, now_ms)).or(merged) {
                judge(Expired { name: *name, cover }, held, at);
            }
        }
    }
    (found, next)
}

/// The oldest snapshot that is still needed, if there is an older moment to forget.
fn base(holdings: &Holdings, schedule: &Schedule, now_ms: u64) -> Option<ObjectName> {
    let horizon = now_ms.checked_sub(schedule.snapshot_retention)?;
    holdings
        .level(Level::SNAPSHOT)
        .filter(|(_, held)| held.time_ms <= horizon)
        .map(|(name, _)| *name)
        .max_by_key(|name| name.max)
}

/// Which object of the next level holds this one, and when this one may go for that.
fn merged_at(
    holdings: &Holdings,
    schedule: &Schedule,
    name: &ObjectName,
    held: &Held,
) -> Option<(ObjectName, u64)> {
    let above = match name.level {
        Level::SHIPPED => Level::MERGED,
        Level::MERGED => return None,
        level => Level::new(level.get() + 1).ok()?,
    };
    let is_level = above.get() as usize <= schedule.levels.len();
    if schedule.shipped_retention == 0 || !is_level {
        return None;
    }
    let at = held.time_ms.saturating_add(schedule.shipped_retention);
    if mutants::is(Mutant::DeletesUnmerged) {
        return Some((*name, held.time_ms));
    }
    Some((cover(holdings, name, above)?, at))
}

/// An object of `level` that holds all of `name`, or a snapshot where that level begins after it.
fn cover(holdings: &Holdings, name: &ObjectName, level: Level) -> Option<ObjectName> {
    let holds = |other: &ObjectName| other.min <= name.min && name.max <= other.max;
    let merged = holdings.level(level).map(|(name, _)| *name).find(holds);
    let level_begins_after = holdings
        .level(level)
        .next()
        .is_none_or(|(first, _)| first.min > name.max);
    // Level 1 begins after the first snapshot, and so that holds what was shipped before.
    let only_in_snapshot = name.level == Level::SHIPPED && level_begins_after;
    merged.or_else(|| {
        let mut snapshots = holdings.level(Level::SNAPSHOT).map(|(name, _)| *name);
        only_in_snapshot.then(|| snapshots.find(holds)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Txid;

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 1440 * MINUTE;

    fn schedule() -> Schedule {
        Schedule {
            levels: vec![MINUTE / 2, 5 * MINUTE, 60 * MINUTE],
            snapshot: DAY,
            snapshot_retention: DAY,
            shipped_retention: 5 * MINUTE,
            retention_check: MINUTE / 4,
            retention: true,
        }
    }

    /// Level, TXIDs and time of each.
    fn holdings(objects: &[(u8, u64, u64, u64)]) -> Holdings {
        let mut holdings = Holdings::default();
        for &(level, min, max, time_ms) in objects {
            let held = Held {
                size: 1,
                time_ms,
                verified: true,
                stuck: false,
            };
            holdings.add(name(level, min, max), held);
        }
        holdings
    }

    fn name(level: u8, min: u64, max: u64) -> ObjectName {
        ObjectName {
            level: Level::new(level).unwrap(),
            min: Txid(min),
            max: Txid(max),
        }
    }

    fn gone(holdings: &Holdings, now_ms: u64) -> Vec<(u8, u64, u64)> {
        let (found, _) = expired(holdings, &schedule(), now_ms);
        found
            .iter()
            .map(|expired| {
                let name = expired.name;
                (name.level.get(), name.min.0, name.max.0)
            })
            .collect()
    }

    #[test]
    fn shipped_objects_go_when_they_are_merged_and_old_enough() {
        let holdings = holdings(&[
            (9, 1, 1, 0),
            (0, 1, 1, 0),
            (0, 2, 2, 10),
            (0, 3, 3, 20),
            (0, 4, 4, 30),
            (1, 2, 3, 40),
        ]);
        assert_eq!(gone(&holdings, 5 * MINUTE), [(0, 1, 1)]);
        let (_, next) = expired(&holdings, &schedule(), 5 * MINUTE);
        assert_eq!(next, Some(5 * MINUTE + 10));
        // TXID 4 is not merged, however old it is.
        assert_eq!(gone(&holdings, DAY / 2), [(0, 1, 1), (0, 2, 2), (0, 3, 3)]);
    }

    #[test]
    fn the_newest_shipped_object_stays_though_it_is_merged() {
        let holdings = holdings(&[(9, 1, 1, 0), (0, 2, 2, 0), (0, 3, 3, 0), (1, 2, 3, 0)]);
        assert_eq!(gone(&holdings, DAY / 2), [(0, 2, 2)]);
    }

    #[test]
    fn what_was_shipped_before_the_first_snapshot_goes_too() {
        let holdings = holdings(&[
            (9, 1, 3, 0),
            (0, 1, 1, 0),
            (0, 2, 2, 0),
            (0, 3, 3, 0),
            (0, 4, 4, 0),
            (0, 5, 5, 0),
            (1, 4, 5, 0),
        ]);
        let shipped = [(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 4)];
        assert_eq!(gone(&holdings, DAY / 2), shipped);
    }

    #[test]
    fn without_levels_shipped_objects_go_with_the_snapshots() {
        let unmerged = Schedule {
            levels: Vec::new(),
            ..schedule()
        };
        let objects = [
            (9, 1, 2, 0),
            (0, 1, 1, 0),
            (0, 2, 2, 0),
            (0, 3, 3, 0),
            (0, 4, 4, 0),
        ];
        let holdings = holdings(&objects);
        assert_eq!(expired(&holdings, &unmerged, DAY - 1).0, []);
        let found = expired(&holdings, &unmerged, DAY).0;
        let gone: Vec<u64> = found.iter().map(|expired| expired.name.max.0).collect();
        assert_eq!(gone, [1, 2]);
    }

    #[test]
    fn without_a_cover_nothing_goes() {
        let holdings = holdings(&[(0, 1, 1, 0), (0, 2, 2, 0), (0, 3, 3, 0), (1, 3, 3, 0)]);
        assert_eq!(gone(&holdings, DAY / 2), []);
    }

    #[test]
    fn the_first_level_keeps_the_points_in_time_and_the_second_goes() {
        let holdings = holdings(&[
            (9, 1, 1, 0),
            (1, 2, 3, 0),
            (1, 4, 5, 0),
            (1, 6, 7, 0),
            (2, 2, 3, 0),
            (2, 4, 5, 0),
            (2, 6, 7, 0),
            (3, 2, 5, 0),
        ]);
        assert_eq!(gone(&holdings, DAY / 2), [(2, 2, 3), (2, 4, 5)]);
    }

    #[test]
    fn what_is_needed_for_any_moment_of_the_window_stays() {
        let objects = [
            (9, 1, 1, 0),
            (9, 1, 5, DAY),
            (9, 1, 9, 2 * DAY),
            (1, 2, 5, DAY / 2),
            (1, 6, 9, DAY + DAY / 2),
            (3, 2, 5, DAY / 2),
            (3, 6, 9, DAY + DAY / 2),
        ];
        // Half a day before the third snapshot's day has passed: the second is the base.
        let gone_then = gone(&holdings(&objects), 2 * DAY + DAY / 2);
        assert_eq!(gone_then, [(9, 1, 1), (1, 2, 5), (3, 2, 5)]);
        let gone_after = gone(&holdings(&objects), 3 * DAY);
        assert_eq!(gone_after, [(9, 1, 1), (9, 1, 5), (1, 2, 5), (3, 2, 5)]);
    }

    #[test]
    fn a_clock_that_jumps_ahead_takes_nothing_that_the_newest_state_needs() {
        let objects = [(9, 1, 1, 0), (9, 1, 5, DAY), (1, 6, 9, DAY), (0, 9, 9, DAY)];
        assert_eq!(gone(&holdings(&objects), 999 * DAY), [(9, 1, 1)]);
    }

    #[test]
    fn with_retention_off_everything_stays() {
        let holdings = holdings(&[(9, 1, 1, 0), (9, 1, 2, 0), (0, 1, 1, 0), (0, 2, 2, 0)]);
        let keep = Schedule {
            retention: false,
            ..schedule()
        };
        assert_eq!(expired(&holdings, &keep, 999 * DAY), (Vec::new(), None));
    }

    #[test]
    fn every_expired_object_has_a_cover_that_holds_it() {
        let holdings = holdings(&[
            (9, 1, 1, 0),
            (9, 1, 8, DAY),
            (0, 1, 1, 0),
            (0, 2, 2, 0),
            (0, 8, 8, 0),
            (1, 2, 4, 0),
            (1, 5, 8, 0),
            (2, 2, 4, 0),
            (2, 5, 8, 0),
            (3, 2, 8, 0),
        ]);
        let (found, _) = expired(&holdings, &schedule(), 3 * DAY);
        assert_eq!(found.len(), 5);
        for expired in found {
            assert!(holdings.get(&expired.cover).is_some());
            assert!(expired.cover.min <= expired.name.min && expired.name.max <= expired.cover.max);
        }
    }
}
