//! What a listing shows to be missing.
//!
//! Pure. Objects are deleted in the order of their transactions, so that a level without a gap keeps
//! none; a gap after an object that is old enough to go may be what a deletion left that failed
//! half way, and is no loss as long as other levels hold it.

use crate::replica::levels::schedule::Schedule;
use crate::restore::plan::{Listed, Listing};
use crate::restore::proof::course::{Role, course, leads};
use crate::units::{Level, Txid};

/// Each names the transactions and the level. The same for the same listing at another time, as far
/// as the same is missing.
pub fn absent(listing: &Listing, schedule: &Schedule, now_ms: u64) -> Vec<String> {
    let objects = listing.objects();
    let snapshots = objects.iter().filter(|object| object.name.is_snapshot());
    let Some(oldest) = snapshots.map(|object| object.name.max).min() else {
        return vec![
            "no object holds the whole database: the snapshots are missing, and nothing can be \
             restored"
                .to_owned(),
        ];
    };
    let gaps = gaps(objects);
    let mut found: Vec<String> = gaps
        .iter()
        .map(|(first, last)| {
            format!(
                "{} missing at every level: no moment from there on can be restored before the \
                 next snapshot",
                txids(*first, *last)
            )
        })
        .collect();
    for level in Level::all().filter(|level| *level < Level::SNAPSHOT) {
        let mut of_level: Vec<&Listed> = objects
            .iter()
            .filter(|object| object.name.level == level)
            .collect();
        of_level.sort_by_key(|object| object.name);
        let kept_ms = kept_ms(level, schedule);
        let is_kept = |object: &Listed| {
            let age = now_ms.saturating_sub(object.modified_ms);
            kept_ms.is_none_or(|kept| age < kept)
        };
        let newest = of_level.iter().map(|object| object.name.max).max();
        let bases = |object: &&&Listed| {
            let name = object.name;
            level != Level::SHIPPED && name.max < oldest && Some(name.max) != newest
        };
        if let Some(first) = of_level.iter().filter(bases).find(|object| is_kept(object)) {
            found.push(format!(
                "the snapshot that {} is based on is missing",
                listing.layout().key(&first.name)
            ));
        }
        let mut reached: Option<&Listed> = None;
        for object in of_level {
            let name = object.name;
            if let Some(before) = reached.filter(|before| name.min > before.name.max.next()) {
                let (first, last) = (before.name.max.next(), Txid(name.min.0 - 1));
                let told = |gap: &(Txid, Txid)| gap.0 <= first && last <= gap.1;
                if is_kept(before) && !gaps.iter().any(told) {
                    found.push(format!(
                        "{} missing at level {level}, between {} and {}: other levels hold what \
                         changed, but the moments in between cannot be restored",
                        txids(first, last),
                        listing.layout().key(&before.name),
                        listing.layout().key(&name),
                    ));
                }
            }
            if reached.is_none_or(|before| before.name.max < name.max) {
                reached = Some(object);
            }
        }
    }
    found
}

fn txids(first: Txid, last: Txid) -> String {
    if first == last {
        format!("TXID {first} is")
    } else {
        format!("TXIDs {first} to {last} are")
    }
}

/// The transactions after which nothing leads on, up to where the next object begins.
fn gaps(objects: &[Listed]) -> Vec<(Txid, Txid)> {
    let mut gaps = Vec::new();
    let mut reached: Option<Txid> = None;
    // Where the first of the objects begins that nothing leads to.
    let mut stranded: Option<Txid> = None;
    for step in course(objects, None) {
        let name = step.object.name;
        match (step.role, reached) {
            (Role::Alone, Some(_)) => {
                stranded = Some(stranded.map_or(name.min, |min| min.min(name.min)));
            }
            (Role::Begin, Some(txid)) => {
                let next = stranded.take().unwrap_or(name.max.next());
                gaps.push((txid.next(), Txid(next.0 - 1)));
            }
            // A coarser object holds what leads to them.
            (Role::Apply, _) => stranded = None,
            _ => {}
        }
        if leads(step.role) {
            reached = Some(name.max);
        }
    }
    if let (Some(txid), Some(next)) = (reached, stranded) {
        gaps.push((txid.next(), Txid(next.0 - 1)));
    }
    gaps
}

/// How long an object of a level is kept at least; `None`: for ever.
fn kept_ms(level: Level, schedule: &Schedule) -> Option<u64> {
    let keeps_moments = level == Level::MERGED || usize::from(level.get()) == schedule.levels.len();
    let kept = match keeps_moments {
        true => schedule.snapshot_retention,
        false => schedule.shipped_retention,
    };
    (schedule.retention && kept > 0).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ltx::{Layout, ObjectName};

    const MINUTE: u64 = 60_000;

    fn schedule() -> Schedule {
        Schedule {
            levels: vec![30_000, 300_000, 3_600_000],
            snapshot: 1440 * MINUTE,
            snapshot_retention: 1440 * MINUTE,
            shipped_retention: 5 * MINUTE,
            retention_check: 15_000,
            retention: true,
        }
    }

    /// Level, first and last TXID; all came at the beginning of time.
    fn absent_at(objects: &[(u8, u64, u64)], now_ms: u64) -> Vec<String> {
        let listed = |&(level, min, max): &(u8, u64, u64)| Listed {
            name: ObjectName {
                level: Level::new(level).unwrap(),
                min: Txid(min),
                max: Txid(max),
            },
            size: 1,
            modified_ms: 0,
        };
        let objects = objects.iter().map(listed).collect();
        absent(
            &Listing::of(Layout::Hexadecimal, objects),
            &schedule(),
            now_ms,
        )
    }

    const WHOLE: [(u8, u64, u64); 6] = [
        (9, 1, 1),
        (1, 2, 3),
        (1, 4, 5),
        (1, 6, 7),
        (0, 7, 7),
        (0, 8, 8),
    ];

    #[test]
    fn in_a_whole_replica_nothing_is_missing() {
        assert_eq!(absent_at(&WHOLE, 0), [""; 0]);
        assert_eq!(absent_at(&WHOLE, 9999 * MINUTE), [""; 0]);
    }

    #[test]
    fn each_object_that_something_needs_is_missed() {
        for gone in [0, 1, 2, 3] {
            let mut left = WHOLE.to_vec();
            let (level, min, max) = left.remove(gone);
            if level == 1 && max == 7 {
                left.retain(|object| *object != (0, 7, 7));
            }
            let found = absent_at(&left, MINUTE);
            assert_eq!(found.len(), 1, "{level} {min} {max}: {found:?}");
        }
    }

    #[test]
    fn a_gap_is_named_once_and_with_its_bounds() {
        let found = absent_at(&[(9, 1, 1), (1, 2, 3), (1, 6, 7)], 0);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("TXIDs 0000000000000004 to 0000000000000005 are missing"),
            "{found:?}"
        );
    }

    #[test]
    fn a_gap_at_one_level_is_missed_though_another_covers_it_as_long_as_it_is_kept() {
        let covered = [(9, 1, 1), (1, 2, 3), (1, 6, 7), (3, 2, 7)];
        assert_eq!(absent_at(&covered, 60 * MINUTE).len(), 1);
        assert_eq!(absent_at(&covered, 1440 * MINUTE), [""; 0]);
        let shipped = [(9, 1, 1), (0, 2, 2), (0, 4, 4), (0, 5, 5), (1, 2, 5)];
        assert_eq!(absent_at(&shipped, MINUTE).len(), 1);
        assert_eq!(absent_at(&shipped, 5 * MINUTE), [""; 0]);
    }

    #[test]
    fn without_its_snapshot_a_level_has_no_base() {
        let found = absent_at(&[(1, 2, 3), (1, 4, 5), (1, 6, 9), (9, 1, 7)], MINUTE);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("0001/0000000000000002-0000000000000003.ltx"));
        assert_eq!(absent_at(&[(0, 2, 2)], 0).len(), 1);
    }
}
