//! Plans for listings as they occur, and for all others against trying everything.

use proptest::prelude::*;

use crate::ltx::{Layout, ObjectName};
use crate::ports::Entry;
use crate::restore::{Listed, Listing, PlanError, Target, plan};
use crate::units::{Level, Txid};

fn listing(names: &[(u8, u64, u64)]) -> Listing {
    let entries: Vec<Entry> = names
        .iter()
        .map(|&(level, min, max)| Entry {
            key: Layout::Hexadecimal.key(&name((level, min, max))),
            size: 100,
            modified_ms: 0,
        })
        .collect();
    Listing::new(Layout::Hexadecimal, &entries)
}

fn name((level, min, max): (u8, u64, u64)) -> ObjectName {
    let level = Level::new(level).unwrap();
    let (min, max) = (Txid(min), Txid(max));
    ObjectName { level, min, max }
}

fn planned(
    names: &[(u8, u64, u64)],
    from: Option<u64>,
    target: Target,
) -> Result<Vec<(u8, u64, u64)>, PlanError> {
    let plan = plan(&listing(names), from.map(Txid), target)?;
    let plain = |object: &Listed| {
        let name = object.name;
        (name.level.get(), name.min.0, name.max.0)
    };
    Ok(plan.objects.iter().map(plain).collect())
}

const TYPICAL: [(u8, u64, u64); 8] = [
    (9, 1, 10),
    (2, 1, 12),
    (1, 9, 12),
    (1, 13, 14),
    (0, 13, 13),
    (0, 14, 14),
    (0, 15, 15),
    (0, 16, 16),
];

#[test]
fn the_newest_snapshot_comes_first_then_what_reaches_furthest() {
    assert_eq!(
        planned(&TYPICAL, None, Target::Latest),
        Ok(vec![(2, 1, 12), (1, 13, 14), (0, 15, 15), (0, 16, 16)])
    );
}

#[test]
fn a_target_leaves_out_whatever_goes_beyond_it() {
    assert_eq!(
        planned(&TYPICAL, None, Target::Txid(Txid(13))),
        Ok(vec![(2, 1, 12), (0, 13, 13)])
    );
    assert_eq!(
        planned(&TYPICAL, None, Target::Txid(Txid(10))),
        Ok(vec![(9, 1, 10)])
    );
}

#[test]
fn a_transaction_inside_a_merged_file_is_unavailable() {
    let (wanted, nearest, newest) = (Txid(11), Txid(10), Txid(16));
    assert_eq!(
        planned(&TYPICAL, None, Target::Txid(wanted)),
        Err(PlanError::TxidUnavailable {
            wanted,
            nearest,
            newest
        })
    );
}

#[test]
fn a_transaction_not_yet_shipped_is_unavailable() {
    let (wanted, nearest, newest) = (Txid(17), Txid(16), Txid(16));
    assert_eq!(
        planned(&TYPICAL, None, Target::Txid(wanted)),
        Err(PlanError::TxidUnavailable {
            wanted,
            nearest,
            newest
        })
    );
}

#[test]
fn an_empty_replica_says_so() {
    assert_eq!(planned(&[], None, Target::Latest), Err(PlanError::Empty));
    assert_eq!(planned(&[], Some(3), Target::Latest), Err(PlanError::Empty));
}

#[test]
fn a_gap_is_named() {
    let (after, next) = (Txid(2), Txid(4));
    assert_eq!(
        planned(&[(0, 1, 1), (0, 2, 2), (0, 4, 4)], None, Target::Latest),
        Err(PlanError::Gap { after, next })
    );
    let (after, next) = (Txid(0), Txid(2));
    assert_eq!(
        planned(&[(0, 2, 2), (0, 3, 3)], None, Target::Latest),
        Err(PlanError::Gap { after, next })
    );
}

#[test]
fn of_equals_the_one_of_the_higher_level_is_taken() {
    let names = [(0, 1, 1), (9, 1, 1), (1, 1, 1), (0, 2, 3), (1, 2, 3)];
    assert_eq!(
        planned(&names, None, Target::Latest),
        Ok(vec![(9, 1, 1), (1, 2, 3)])
    );
}

#[test]
fn a_database_goes_on_from_where_it_is() {
    assert_eq!(
        planned(&TYPICAL, Some(13), Target::Latest),
        Ok(vec![(1, 13, 14), (0, 15, 15), (0, 16, 16)])
    );
    assert_eq!(planned(&TYPICAL, Some(16), Target::Latest), Ok(vec![]));
    let (from, target) = (Txid(17), Txid(16));
    assert_eq!(
        planned(&TYPICAL, Some(17), Target::Latest),
        Err(PlanError::Behind { from, target })
    );
}

#[test]
fn a_database_takes_a_snapshot_only_if_nothing_else_leads_on() {
    let names = [(9, 1, 5), (0, 4, 4), (0, 5, 5), (0, 6, 6)];
    assert_eq!(
        planned(&names, Some(3), Target::Latest),
        Ok(vec![(0, 4, 4), (0, 5, 5), (0, 6, 6)])
    );
    assert_eq!(
        planned(&names, Some(2), Target::Latest),
        Ok(vec![(9, 1, 5), (0, 6, 6)])
    );
}

#[test]
fn the_newest_is_told_for_all_levels_and_for_the_shipped_ones() {
    let listing = listing(&[(9, 1, 8), (0, 6, 6), (0, 7, 7), (2, 1, 8)]);
    assert_eq!(listing.newest(), Some(name((9, 1, 8))));
    assert_eq!(listing.newest_shipped(), Some(name((0, 7, 7))));
}

#[test]
fn other_keys_of_the_bucket_are_left_out() {
    let foreign = Entry {
        key: "lock.json".into(),
        size: 1,
        modified_ms: 0,
    };
    assert!(Listing::new(Layout::Hexadecimal, [&foreign]).is_empty());
}

#[test]
fn a_long_line_of_objects_is_planned_at_once() {
    let names: Vec<_> = (1..=200_000).map(|txid| (0, txid, txid)).collect();
    let planned = planned(&names, None, Target::Latest).unwrap();
    assert_eq!(planned.len(), names.len());
}

/// Every transaction that a chain of objects can lead to, with the fewest objects needed.
fn reachable(names: &[(u8, u64, u64)], from: u64, goal: u64) -> Vec<Option<usize>> {
    let mut fewest = vec![None; goal as usize + 1];
    fewest[from as usize] = Some(0);
    for _ in 0..names.len() {
        for &(_, min, max) in names.iter().filter(|name| name.2 <= goal) {
            let first = (min - 1).min(max) as usize;
            let before = fewest[first..max as usize].iter().flatten().min().copied();
            if let Some(steps) = before.map(|steps| steps + 1) {
                let at = &mut fewest[max as usize];
                *at = Some(at.map_or(steps, |known: usize| known.min(steps)));
            }
        }
    }
    fewest
}

fn names() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    let name = (0..=9u8, 1..8u64, 0..4u64).prop_map(|(level, min, more)| (level, min, min + more));
    proptest::collection::vec(name, 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn the_plan_is_what_trying_everything_finds(
        names in names(),
        target in prop_oneof![Just(None), (1..12u64).prop_map(Some)],
        from in prop_oneof![Just(None), (1..9u64).prop_map(Some)],
    ) {
        let asked = target.map_or(Target::Latest, |txid| Target::Txid(Txid(txid)));
        let found = planned(&names, from, asked);
        let Some(newest) = names.iter().map(|name| name.2).max() else {
            prop_assert_eq!(found, Err(PlanError::Empty));
            return Ok(());
        };
        let (start, goal) = (from.unwrap_or(0), target.unwrap_or(newest));
        if start > goal {
            let (from, target) = (Txid(start), Txid(goal));
            prop_assert_eq!(found, Err(PlanError::Behind { from, target }));
            return Ok(());
        }
        let fewest = reachable(&names, start, goal);
        let furthest = (0..=goal).rev().find(|&txid| fewest[txid as usize].is_some()).unwrap();
        match found {
            Ok(chain) => {
                prop_assert_eq!(furthest, goal);
                let mut reached = start;
                for &(level, min, max) in &chain {
                    prop_assert!(names.contains(&(level, min, max)));
                    prop_assert!(min <= reached + 1 && max > reached);
                    reached = max;
                }
                prop_assert_eq!(reached, goal);
                if start == 0 {
                    let snapshot = names.iter().filter(|n| n.1 == 1 && n.2 <= goal).map(|n| n.2).max();
                    prop_assert_eq!(chain.first().map(|first| first.2), snapshot);
                }
                let increments: Vec<_> = names.iter().copied().filter(|name| name.1 > 1).collect();
                let without = reachable(&increments, start, goal)[goal as usize];
                let best = if start > 0 { without.or(fewest[goal as usize]) } else { fewest[goal as usize] };
                prop_assert_eq!(Some(chain.len()), best);
            }
            Err(PlanError::Gap { after, next }) => {
                prop_assert!(furthest < goal);
                prop_assert_eq!(after, Txid(furthest));
                let beyond = names.iter().filter(|n| n.2 <= goal && n.2 > furthest).map(|n| n.1).min();
                prop_assert_eq!(Some(next.0), beyond);
            }
            Err(PlanError::TxidUnavailable { wanted, nearest, newest: told }) => {
                prop_assert!(furthest < goal);
                prop_assert_eq!((wanted, nearest, told), (Txid(goal), Txid(furthest), Txid(newest)));
                prop_assert!(names.iter().all(|n| n.2 > goal || n.2 <= furthest));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
