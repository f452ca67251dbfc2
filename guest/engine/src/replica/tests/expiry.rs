use super::bed::{Bed, settings};
use super::upkeep::{DAY, MINUTE};
use crate::ports::Objects;
use crate::restore::Target;
use crate::testing::Operation;
use crate::units::Txid;
use futures::executor::block_on;

#[test]
fn a_quiet_replica_costs_nothing_once_all_is_done() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 5);
    for _ in 0..400 {
        bed.pass(MINUTE / 2);
        bed.compact();
    }
    let before = bed.store.calls().len();
    for _ in 0..400 {
        bed.pass(MINUTE / 2);
        bed.compact();
        bed.sync().unwrap();
    }
    assert_eq!(bed.store.calls().len(), before);
    assert_eq!(bed.level(0), [(2, 2)]);
}

#[test]
fn nothing_is_deleted_for_an_object_that_is_damaged_and_it_is_written_anew() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    for _ in 0..3 {
        bed.commit(&app, 3);
    }
    bed.pass(MINUTE);
    bed.compact();
    assert_eq!(bed.level(1), [(2, 4)]);
    bed.sidecar.close();
    bed.restart();
    let key = "0001/0000000000000002-0000000000000004.ltx";
    let mut damaged = bed.store.body(key).unwrap();
    damaged[300] ^= 1;
    bed.store.insert(key, damaged);
    bed.sync().unwrap();
    bed.pass(6 * MINUTE);
    bed.compact();
    // TXID 1 is in the snapshot, which is sound.
    assert_eq!(bed.level(0), [(2, 2), (3, 3), (4, 4)]);
    assert!(
        bed.complaints()
            .iter()
            .any(|line| line.contains("is damaged"))
    );
    // The next run takes a snapshot and merges again.
    bed.compact();
    assert_eq!(bed.level(9), [(1, 1), (1, 4)]);
    bed.assert_replica_is_the_database();
}

#[test]
fn what_a_damaged_object_held_is_in_the_one_that_takes_its_place() {
    let mut settings = settings();
    settings.schedule.levels = vec![MINUTE / 2];
    let mut bed = Bed::with(settings);
    let app = bed.app_with_rows(60);
    bed.drain();
    bed.compact();
    for _ in 0..2 {
        app.execute("UPDATE notes SET text = hex(randomblob(150))", [])
            .unwrap();
        bed.drain();
        bed.pass(MINUTE);
        bed.compact();
    }
    assert_eq!(bed.level(1), [(2, 2), (3, 3)]);
    bed.sidecar.close();
    bed.restart();
    let key = "0001/0000000000000003-0000000000000003.ltx";
    let mut damaged = bed.store.body(key).unwrap();
    damaged[300] ^= 1;
    bed.store.insert(key, damaged);
    bed.commit(&app, 1);
    // It is found when what it replaces is to go.
    bed.compact();
    assert!(
        bed.complaints()
            .iter()
            .any(|line| line.contains("is damaged"))
    );
    bed.store.remove(key);
    bed.pass(MINUTE);
    bed.compact();
    assert_eq!(bed.level(1), [(2, 2), (3, 4)]);
    // Only the first snapshot and level 1 are left.
    bed.lose_level_0();
    for key in bed.store.keys() {
        if !key.starts_with("0001/") && !key.ends_with("-0000000000000001.ltx") {
            bed.store.remove(&key);
        }
    }
    bed.assert_replica_is_the_database();
}

#[test]
fn merged_objects_go_and_the_newest_of_level_0_stays() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    for _ in 0..3 {
        bed.commit(&app, 3);
    }
    bed.pass(MINUTE);
    bed.compact();
    bed.pass(6 * MINUTE);
    let done = bed.compact();
    assert_eq!(bed.level(0), [(4, 4)]);
    assert_eq!(done.deleted, 3);
    bed.assert_replica_is_the_database();
}

#[test]
fn an_object_that_will_not_go_is_told_once_and_left_alone() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    bed.pass(MINUTE);
    bed.compact();
    // A store that answers 200 to deletions and does nothing.
    let undead = bed
        .store
        .body("0000/0000000000000001-0000000000000001.ltx")
        .unwrap();
    bed.store.before_each(move |store, call| {
        if call.operation == Operation::List {
            store.insert("0000/0000000000000001-0000000000000001.ltx", undead.clone());
        }
        None
    });
    for _ in 0..20 {
        bed.pass(6 * MINUTE);
        bed.compact();
    }
    let deletes = bed.store.count(Operation::Delete);
    bed.pass(6 * MINUTE);
    bed.compact();
    assert_eq!(bed.store.count(Operation::Delete), deletes);
    assert_eq!(bed.complaints().len(), 1, "{:?}", bed.complaints());
}

#[test]
fn snapshots_come_daily_and_each_moment_of_the_last_day_can_be_restored() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    let mut states = Vec::new();
    for _ in 0..5 * 24 {
        bed.commit(&app, 1);
        states.push((bed.environment.now_ms.get(), bed.checkpointed()));
        bed.pass(60 * MINUTE);
        bed.compact();
        bed.compact();
    }
    let now = bed.environment.now_ms.get();
    assert!(bed.level(9).len() <= 3, "{:?}", bed.level(9));
    let mut tried = 0;
    for (number, (time, state)) in states.iter().enumerate() {
        if now - time < DAY {
            let txid = Txid(number as u64 + 2);
            assert!(bed.restores_to(Target::Txid(txid)) == *state, "TXID {txid}");
            tried += 1;
        }
    }
    assert!(tried >= 23);
    assert_eq!(bed.complaints(), Vec::<String>::new());
}

#[test]
fn listing_and_deleting_need_no_more_than_the_levels_touched() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    bed.pass(MINUTE);
    bed.compact();
    bed.pass(6 * MINUTE);
    let (lists, deletes) = (
        bed.store.count(Operation::List),
        bed.store.count(Operation::Delete),
    );
    bed.compact();
    assert_eq!(bed.store.count(Operation::Delete), deletes + 1);
    // One after six quiet minutes, that nobody else went on; one that the deleted are gone.
    assert_eq!(bed.store.count(Operation::List), lists + 2);
    assert!(
        block_on(bed.store.list("0000/", None))
            .unwrap()
            .entries
            .len()
            == 1
    );
}
