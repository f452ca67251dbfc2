//! What is planned from listings, and which format is chosen.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Backups;
use super::*;
use crate::ltx::Layout;
use crate::ports::Entry;
use crate::restore::Listing;

fn entry(key: String, modified_ms: u64) -> Entry {
    let size = 1;
    Entry {
        key,
        size,
        modified_ms,
    }
}

fn snapshot(generation: u64, index: u32, modified_ms: u64) -> Entry {
    let key = format!("generations/{generation:016x}/snapshots/{index:08x}.snapshot.lz4");
    entry(key, modified_ms)
}

fn segment(generation: u64, index: u32, offset: u64, modified_ms: u64) -> Entry {
    let key = format!("generations/{generation:016x}/wal/{index:08x}_{offset:08x}.wal.lz4");
    entry(key, modified_ms)
}

fn ltx(level: u8, min: u64, max: u64, modified_ms: u64) -> Entry {
    entry(
        format!("{level:04x}/{min:016x}-{max:016x}.ltx"),
        modified_ms,
    )
}

#[test]
fn offsets_beyond_4_gib_are_planned_in_their_order() {
    let offsets = [0, 0xffff_ffff, 0x1_0000_0000, 0x10_0000_0000];
    let segments = offsets.iter().zip(2..);
    let segments = segments.map(|(&offset, time)| segment(1, 7, offset, time));
    let mut entries: Vec<Entry> = segments.chain([snapshot(1, 7, 1)]).collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    let planned = plan(&Backups::new(entries), None).unwrap();
    let planned: Vec<u64> = planned.segments.iter().map(|s| s.offset).collect();
    assert_eq!(planned, offsets);
}

#[test]
fn offsets_may_be_written_with_more_zeros() {
    let short = segment(1, 0, 0, 2);
    let key = "generations/0000000000000001/wal/00000000_0000000000000400.wal.lz4";
    let long = entry(key.to_owned(), 3);
    let backups = Backups::new([snapshot(1, 0, 1), short, long]);
    let plan = plan(&backups, None).unwrap();
    let keys: Vec<&str> = plan.entries().map(|entry| &entry.key[..]).collect();
    assert_eq!(keys[2], key);
    assert_eq!((plan.bytes(), plan.reached_ms()), (3, 3));
}

#[test]
fn the_last_wal_there_can_be_is_followed_by_none() {
    let last = u32::MAX;
    let backups = Backups::new([snapshot(1, last, 1), segment(1, last, 0, 2)]);
    assert_eq!(plan(&backups, None).unwrap().segments.len(), 1);
}

#[test]
fn segments_that_came_out_of_order_count_up_to_the_first_late_one() {
    let backups = Backups::new([
        snapshot(1, 0, 1),
        segment(1, 0, 0, 2),
        segment(1, 0, 9, 5),
        segment(1, 0, 10, 3),
    ]);
    assert_eq!(plan(&backups, Some(4)).unwrap().segments.len(), 1);
    assert_eq!(plan(&backups, Some(5)).unwrap().segments.len(), 3);
}

#[test]
fn the_format_with_the_newest_object_is_chosen() {
    let backups = Backups::new([snapshot(1, 0, 10), segment(1, 0, 0, 20)]);
    for (newest, chosen) in [(19, true), (20, false), (21, false)] {
        let entries = [ltx(9, 1, 4, 5), ltx(0, 5, 5, newest)];
        let ltx = Listing::new(Layout::Hexadecimal, &entries);
        assert_eq!(backups.are_chosen_over(&ltx, None), chosen, "{newest}");
    }
}

#[test]
fn for_a_time_the_format_with_the_newest_snapshot_before_it_is_chosen() {
    let entries = [ltx(9, 1, 4, 10), ltx(0, 5, 5, 15), ltx(9, 1, 9, 30)];
    let ltx = Listing::new(Layout::Hexadecimal, &entries);
    let backups = Backups::new([snapshot(1, 0, 5), snapshot(1, 1, 20)]);
    let chosen = |until| backups.are_chosen_over(&ltx, Some(until));
    assert!(!chosen(4) && chosen(5) && chosen(9));
    assert!(!chosen(10) && !chosen(19));
    assert!(chosen(20) && chosen(29) && !chosen(30));
}

#[test]
fn a_format_that_is_there_is_chosen_over_one_that_is_not() {
    let none = Listing::new(Layout::Hexadecimal, &[]);
    let some = Listing::new(Layout::Hexadecimal, &[ltx(0, 1, 1, 9)]);
    let backups = Backups::new([snapshot(1, 0, 5)]);
    for until in [None, Some(1), Some(7)] {
        assert!(backups.are_chosen_over(&none, until));
        assert!(!Backups::default().are_chosen_over(&none, until));
        assert!(!Backups::default().are_chosen_over(&some, until));
    }
}

/// A generation with some segments for each WAL, some snapshots, and a file for each millisecond.
fn history() -> impl Strategy<Value = Vec<Entry>> {
    let wal = (any::<bool>(), vec(1..1u64 << 33, 1..5));
    vec(wal, 1..6).prop_map(|wals| {
        let (mut entries, mut time) = (vec![snapshot(1, 3, 1)], 1);
        for ((with_snapshot, lengths), index) in wals.into_iter().zip(3..) {
            let mut offset = 0;
            for (number, length) in lengths.into_iter().enumerate() {
                time += 1;
                entries.push(segment(1, index, offset, time));
                offset += length;
                if number == 0 && with_snapshot {
                    time += 1;
                    entries.push(snapshot(1, index, time));
                }
            }
        }
        entries
    })
}

proptest! {
    #[test]
    fn every_segment_that_was_there_by_a_time_is_planned(entries in history(), until in 1..40u64) {
        let plan = plan(&Backups::new(entries.clone()), Some(until)).unwrap();
        let mut snapshots = entries.iter().filter(|entry| entry.key.contains("snapshots"));
        let newest = snapshots.rfind(|entry| entry.modified_ms <= until).unwrap();
        prop_assert_eq!(&plan.snapshot.entry, newest);
        let expected: Vec<&Entry> = entries.iter().filter(|entry| {
            let from = format!("generations/{:016x}/wal/{}", 1, plan.snapshot.index);
            entry.key >= from && entry.modified_ms <= until && entry.key.contains("/wal/")
        }).collect();
        let planned: Vec<&Entry> = plan.segments.iter().map(|segment| &segment.entry).collect();
        prop_assert_eq!(planned, expected);
    }

    #[test]
    fn without_one_segment_nothing_beyond_it_is_planned(
        entries in history(),
        missing in any::<prop::sample::Index>(),
        until in 1..40u64,
    ) {
        let mut left = entries.clone();
        let missing = left.remove(1 + missing.index(left.len() - 1));
        let is_snapshot = missing.key.contains("snapshots");
        let backups = Backups::new(left);
        match plan(&backups, Some(until)) {
            // That a middle one is missing shows only in the lengths.
            Ok(plan) => {
                let keys: BTreeSet<_> = plan.segments.iter().map(|s| (s.index, s.offset)).collect();
                prop_assert_eq!(keys.len(), plan.segments.len());
                let first = plan.segments.first().map(|first| (first.index, first.offset));
                prop_assert!(first.is_none_or(|first| first == (plan.snapshot.index, 0)));
                for pair in plan.segments.windows(2) {
                    let (a, b) = (&pair[0], &pair[1]);
                    prop_assert!(
                        a.index == b.index && a.offset < b.offset
                            || a.index.next() == Some(b.index) && b.offset == 0
                    );
                }
            }
            Err(GenerationError::Broken { span, .. }) => {
                // A snapshot may have come between the missing segment and the one before it.
                prop_assert!(!is_snapshot && until + 1 >= missing.modified_ms);
                // What the answer promises holds, or is answered with something earlier.
                if let Some(span) = span {
                    prop_assert!(span.newest.0 < until);
                    match plan(&backups, Some(span.newest.0)) {
                        Ok(_) => {}
                        Err(GenerationError::Broken { span: earlier, .. }) => prop_assert!(
                            earlier.is_none_or(|earlier| earlier.newest < span.newest)
                        ),
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn no_listing_is_too_strange(
        files in vec((0..3u64, any::<bool>(), 0..4u32, 0..4u64, 0..9u64), 0..30),
        until in prop::option::of(0..9u64),
    ) {
        let entries = files.into_iter().map(|(generation, whole, index, offset, time)| {
            if whole {
                snapshot(generation, index, time)
            } else {
                segment(generation, index, offset, time)
            }
        });
        let backups = Backups::new(entries);
        if let Ok(plan) = plan(&backups, until) {
            prop_assert!(plan.reached_ms() <= until.unwrap_or(u64::MAX));
        }
    }
}
