//! A process that was stopped, or a machine that slept: meanwhile another one went on with the
//! replica, and its objects of level 0 were merged and deleted.

use super::bed::{Bed, insert};
use crate::replica::Error;
use crate::replica::levels::Forced;
use crate::testing::{MemoryStore, Operation};
use crate::units::Txid;
use futures::executor::block_on;
use std::cell::Cell;

const HOUR: u64 = 3_600_000;

fn key(txid: u64) -> String {
    format!("0000/{txid:016x}-{txid:016x}.ltx")
}

/// Another writer shipped TXID 2 to 9, and of level 0 only the newest is left.
fn others_went_on(store: &MemoryStore) {
    let mut theirs = store.body(&key(1)).unwrap();
    theirs[16..32].copy_from_slice(&[[0, 0, 0, 0, 0, 0, 0, 9]; 2].concat());
    theirs[72..80].copy_from_slice(&99u64.to_be_bytes());
    store.insert(&key(9), theirs);
}

fn stand_still(bed: &Bed, milliseconds: u64) {
    let clock = &bed.environment.now_ms;
    clock.set(clock.get() + milliseconds);
}

#[test]
fn a_process_that_was_stopped_sends_nothing_after_others_went_on() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    stand_still(&bed, HOUR);
    others_went_on(&bed.store);
    insert(&app, 5);
    let (keys, puts) = (bed.store.keys(), bed.puts());
    let fenced = bed.sync();
    assert!(
        matches!(fenced, Err(Error::Fenced { txid: Txid(9), .. })),
        "{fenced:?}"
    );
    assert_eq!((bed.store.keys(), bed.puts()), (keys, puts));
}

#[test]
fn a_process_that_was_stopped_while_it_sent_does_not_take_that_for_durable() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    insert(&app, 5);
    let clock = bed.environment.clone();
    let stopped = Cell::new(false);
    bed.store.before_each(move |store, call| {
        if call.operation == Operation::Put && !stopped.replace(true) {
            clock.now_ms.set(clock.now_ms.get() + HOUR);
            others_went_on(store);
        }
        None
    });
    assert!(matches!(
        bed.sync(),
        Err(Error::Fenced { txid: Txid(9), .. })
    ));
    assert_eq!(bed.sidecar.standing().txid, Txid(1));
}

#[test]
fn what_could_not_be_made_sure_of_is_asked_again_before_it_counts() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    insert(&app, 5);
    let clock = bed.environment.clone();
    let lists = Cell::new(0);
    bed.store.before_each(move |_, call| match call.operation {
        Operation::Put if call.key == key(2) => {
            clock.now_ms.set(clock.now_ms.get() + HOUR);
            None
        }
        Operation::List if lists.replace(lists.get() + 1) == 0 => Some(super::faults::away()),
        _ => None,
    });
    assert!(matches!(bed.sync(), Err(Error::Store(_))));
    assert_eq!(bed.sidecar.standing().txid, Txid(1));
    bed.drain();
    assert_eq!(bed.sidecar.standing().txid, Txid(2));
    bed.assert_replica_is_the_database();
}

#[test]
fn a_process_that_was_stopped_merges_and_deletes_nothing_after_others_went_on() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    let forced = Forced {
        snapshot: true,
        retention: true,
    };
    insert(&app, 5);
    bed.drain();
    stand_still(&bed, HOUR);
    others_went_on(&bed.store);
    let keys = bed.store.keys();
    assert!(matches!(
        block_on(bed.sidecar.compact(forced)),
        Err(Error::Fenced { .. })
    ));
    assert_eq!(bed.store.keys(), keys);
}

#[test]
fn who_was_quiet_and_alone_goes_on_after_one_listing() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    for (pause, lists) in [(60_000, 0), (200_000, 1), (1000, 0), (HOUR, 1)] {
        stand_still(&bed, pause);
        insert(&app, 1);
        let before = bed.store.count(Operation::List);
        bed.drain();
        assert_eq!(bed.store.count(Operation::List) - before, lists, "{pause}");
    }
    // A clock that was put back tells nothing.
    bed.environment.now_ms.set(1_000_000);
    insert(&app, 1);
    let before = bed.store.count(Operation::List);
    bed.drain();
    assert_eq!(bed.store.count(Operation::List) - before, 1);
    bed.assert_replica_is_the_database();
}
