//! The replica changes while it is read, and requests fail.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::ports::ObjectError;
use crate::restore::{OPENED_AHEAD, REPLANS};
use crate::testing::{Call, Fault};

/// Three transactions; before the second one's first byte is read, 2 and 3 become one object.
fn merged_meanwhile(pages: u32) -> Replica {
    let mut replica = Replica::new(4096);
    replica.commit(&[], pages);
    replica.commit(&(1..=pages / 2).collect::<Vec<_>>(), pages);
    replica.commit(&[2], pages);
    let merged = replica.merge(1, 2, 3);
    let body = replica.store.body(&merged).unwrap();
    replica.store.remove(&merged);
    let (second, third) = (replica.key(0, 2, 2), replica.key(0, 3, 3));
    replica.store.before_each(move |store, call| {
        if call.operation == Operation::Get && call.key == second {
            store.remove(&second);
            store.remove(&third);
            store.insert(&merged, body.clone());
        }
        None
    });
    replica
}

#[test]
fn an_object_that_was_merged_meanwhile_is_answered_with_a_new_plan() {
    for pages in [4, 1000] {
        let replica = merged_meanwhile(pages);
        let (restored, file) = replica.restore().unwrap();
        assert!(file.bytes.borrow()[..] == replica.database(3)[..]);
        assert_eq!(restored.txid, Txid(3));
        assert_eq!(replica.store.count(Operation::List), 2);
        assert_eq!(replica.environment.log.borrow().len(), 1);
    }
}

#[test]
fn rolling_forward_goes_on_after_a_merge_too() {
    for pages in [4, 1000] {
        let replica = merged_meanwhile(pages);
        let mut checksums = replica.page_checksums(1);
        let rolled = replica.roll(1, &mut checksums).unwrap();
        assert_eq!(checksums, replica.page_checksums(3));
        assert_eq!((rolled.txid, rolled.commit), (Txid(3), pages));
    }
}

#[test]
fn an_object_that_vanishes_in_the_middle_of_rolling_forward_is_no_harm() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 1000);
    replica.commit(&(1..=900).collect::<Vec<_>>(), 1000);
    replica.commit(&[2], 950);
    let merged = replica.merge(1, 2, 3);
    let body = replica.store.body(&merged).unwrap();
    replica.store.remove(&merged);
    let second = replica.key(0, 2, 2);
    replica.store.before_each(move |store, call| {
        if call.key == second && call.range.is_some_and(|range| range.offset > 2_000_000) {
            store.remove(&second);
            store.insert(&merged, body.clone());
        }
        None
    });
    let mut checksums = replica.page_checksums(1);
    replica.roll(1, &mut checksums).unwrap();
    assert_eq!(checksums, replica.page_checksums(3));
}

#[test]
fn an_object_that_is_listed_but_never_there_is_an_error_in_the_end() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 2);
    let key = replica.key(0, 1, 1);
    let gone = ObjectError::NotFound(key.clone());
    let source = gone.clone();
    replica.store.before_each(move |_, call: &Call| {
        (call.operation == Operation::Get).then(|| Fault::Refused(gone.clone()))
    });
    let error = replica.restore().map(|_| ()).unwrap_err();
    assert_eq!(error, RestoreError::Object { key, source });
    assert_eq!(replica.store.count(Operation::Get) as u32, 1 + REPLANS);
}

#[test]
fn a_gap_that_a_second_listing_does_not_show_is_none() {
    let mut replica = Replica::new(512);
    (0..3).for_each(|_| replica.commit(&[1], 2));
    let (second, body) = (
        replica.key(0, 2, 2),
        replica.store.body(&replica.key(0, 2, 2)).unwrap(),
    );
    replica.store.remove(&second);
    let listings = Rc::new(Cell::new(0));
    let seen = listings.clone();
    replica.store.before_each(move |store, call| {
        seen.set(seen.get() + usize::from(call.operation == Operation::List));
        if seen.get() == 2 {
            store.insert(&second, body.clone());
        }
        None
    });
    replica.check(3);
    assert_eq!(listings.get(), 2);
}

#[test]
fn a_gap_that_stays_is_told() {
    let mut replica = Replica::new(512);
    (0..3).for_each(|_| replica.commit(&[1], 2));
    replica.store.remove(&replica.key(0, 2, 2));
    let (after, next) = (Txid(1), Txid(3));
    let error = replica.restore().map(|_| ()).unwrap_err();
    assert_eq!(error, RestoreError::Plan(PlanError::Gap { after, next }));
}

#[test]
fn a_refused_request_ends_the_restore_and_nothing_is_left_under_way() {
    for seed in 1..20 {
        let mut replica = Replica::new(4096);
        replica.checksums = false;
        replica.commit(&[], 700);
        (0..30).for_each(|_| replica.commit(&[7], 700));
        replica.store.shuffle_answers(seed);
        let denied = ObjectError::Denied("no".into());
        let (source, after) = (denied.clone(), Rc::new(Cell::new(0)));
        let (failing, begun) = (seed * 7 % 38, after.clone());
        replica.store.before_each(move |_, call| {
            begun.set(begun.get() + u64::from(call.operation == Operation::Get));
            (begun.get() == failing + 1).then(|| Fault::Refused(denied.clone()))
        });
        let error = replica
            .restore_with(Target::Latest, 64)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, RestoreError::Object { source: s, .. } if s == source));
        assert_eq!(
            (replica.store.in_flight(), replica.store.abandoned()),
            (0, 0)
        );
    }
}

#[test]
fn a_listing_that_fails_names_the_level() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 2);
    replica.commit(&[], 2);
    replica.store.set_keys_per_listing(1);
    let source = ObjectError::NotFound("no such bucket".into());
    let missing = source.clone();
    replica
        .store
        .before_each(move |_, call| (call.key == "0003/").then(|| Fault::Refused(missing.clone())));
    let prefix = "0003/".to_owned();
    let error = replica.restore().map(|_| ()).unwrap_err();
    assert_eq!(error, RestoreError::List { prefix, source });
    assert_eq!(replica.store.count(Operation::List), 1 + 9 + 2);
}

#[test]
fn an_object_that_grew_since_the_listing_is_read_as_it_is_now() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 2);
    replica.commit(&[1], 2);
    let key = replica.key(0, 2, 2);
    let grown = replica.put(0, 2, 2, &[1, 2]);
    let body = replica.store.body(&grown).unwrap();
    replica.put(0, 2, 2, &[1]);
    replica.store.before_each(move |store, call| {
        if call.operation == Operation::Get && call.key == key {
            store.insert(&key, body.clone());
        }
        None
    });
    replica.check(2);
    let progress = replica.environment.progress.borrow();
    assert!(progress.iter().all(|(done, total)| done <= total));
}

#[test]
fn a_listing_that_never_ends_is_refused() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 2);
    replica.store.set_keys_per_listing(0);
    let error = replica.restore().map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, RestoreError::List { prefix, source: ObjectError::Invalid(_) }
        if prefix == "0000/"),
        "{error}"
    );
}

#[test]
fn after_an_error_nothing_more_is_asked_for() {
    let mut replica = Replica::new(512);
    (0..100).for_each(|_| replica.commit(&[1], 2));
    let denied = ObjectError::Denied("no".into());
    replica.store.before_each(move |_, call| {
        (call.operation == Operation::Get).then(|| Fault::Refused(denied.clone()))
    });
    assert!(replica.restore().is_err());
    assert_eq!(replica.store.count(Operation::Get), OPENED_AHEAD);
}
