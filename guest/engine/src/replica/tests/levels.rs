use super::bed::{Bed, insert, settings};
use super::upkeep::MINUTE;
use crate::ports::{FileKind, ObjectError};
use crate::replica::Error;
use crate::replica::levels::Forced;
use crate::replica::upload::Parts;
use crate::restore::Target;
use crate::testing::{Fault, Operation};
use crate::units::Txid;
use futures::executor::block_on;
use futures::poll;
use std::pin::pin;

#[test]
fn the_first_snapshot_follows_the_first_object_and_the_levels_begin_after_it() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    assert_eq!(bed.compact().written, 1);
    assert_eq!(bed.level(9), [(1, 1)]);
    bed.commit(&app, 3);
    bed.commit(&app, 3);
    assert_eq!(bed.compact().written, 0);
    bed.pass(MINUTE);
    assert_eq!(bed.compact().written, 1);
    assert_eq!(bed.level(1), [(2, 3)]);
    bed.assert_replica_is_the_database();
    assert_eq!(bed.complaints(), Vec::<String>::new());
}

#[test]
fn an_hour_makes_every_level_and_each_restores_by_itself() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    let mut due = bed.compact().due_ms;
    for round in 0..130 {
        bed.commit(&app, 1 + round % 3);
        bed.pass(MINUTE / 2);
        while due.is_none_or(|due| due <= bed.environment.now_ms.get()) {
            due = bed.compact().due_ms;
            if due.is_none() {
                break;
            }
        }
    }
    bed.pass(61 * MINUTE);
    bed.compact();
    for level in [1, 2, 3] {
        let objects = bed.level(level);
        assert!(!objects.is_empty(), "level {level}");
        for pair in objects.windows(2) {
            assert_eq!(pair[0].1 + 1, pair[1].0, "level {level}: {objects:?}");
        }
    }
    assert_eq!(bed.level(3).last().map(|(_, max)| *max), Some(131));
    bed.assert_replica_is_the_database();
    // Level 0 has nothing to add: what the levels hold is the same.
    bed.lose_level_0();
    bed.assert_replica_is_the_database();
    for key in bed.store.keys() {
        if key.starts_with("0003/") || key.starts_with("0002/") {
            bed.store.remove(&key);
        }
    }
    bed.assert_replica_is_the_database();
    assert_eq!(bed.complaints(), Vec::<String>::new());
}

#[test]
fn merging_downloads_nothing_but_what_it_wrote() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    for _ in 0..5 {
        bed.commit(&app, 2);
    }
    bed.pass(6 * MINUTE);
    let before = bed.store.calls().len();
    bed.compact();
    let calls = bed.store.calls()[before..].to_vec();
    let gets = calls.iter().filter(|call| call.operation == Operation::Get);
    assert!(
        gets.clone()
            .all(|call| call.key.starts_with("0001/") || call.key.starts_with("0002/"))
    );
    assert_eq!(gets.count(), 2);
}

#[test]
fn every_shipped_transaction_is_a_point_in_time_while_level_0_is_kept() {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    bed.drain();
    bed.compact();
    let mut states = vec![bed.checkpointed()];
    for _ in 0..6 {
        bed.commit(&app, 2);
        states.push(bed.checkpointed());
    }
    bed.pass(MINUTE);
    bed.compact();
    assert_eq!(bed.level(1), [(2, 7)]);
    for (number, state) in states.iter().enumerate() {
        let txid = Txid(number as u64 + 1);
        assert!(bed.restores_to(Target::Txid(txid)) == *state, "TXID {txid}");
    }
}

#[test]
fn after_a_restart_the_pages_are_learned_from_the_replica() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    for _ in 0..4 {
        bed.commit(&app, 3);
    }
    bed.sidecar.close();
    bed.restart();
    bed.commit(&app, 1);
    bed.pass(6 * MINUTE);
    bed.compact();
    assert_eq!(bed.level(1), [(2, 6)]);
    assert_eq!(bed.level(2), [(2, 6)]);
    bed.lose_level_0();
    bed.assert_replica_is_the_database();
    assert_eq!(bed.complaints(), Vec::<String>::new());
}

#[test]
fn a_failed_upload_is_made_up_for() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    bed.pass(MINUTE);
    bed.next_puts(1, Fault::Refused(ObjectError::Unavailable("away".into())));
    assert!(matches!(bed.try_compact(), Err(Error::Store(_))));
    bed.commit(&app, 3);
    bed.compact();
    assert_eq!(bed.level(1), [(2, 3)]);
    bed.lose_level_0();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_lost_answer_and_an_object_that_is_there_already_are_no_obstacle() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    bed.pass(MINUTE);
    bed.next_puts(1, Fault::Lost(ObjectError::UnknownOutcome("lost".into())));
    assert_eq!(bed.compact().written, 1);
    assert_eq!(bed.level(1), [(2, 2)]);
    bed.commit(&app, 3);
    bed.commit(&app, 3);
    assert_eq!(bed.level(1), [(2, 2)]);
}

#[test]
fn a_damaged_object_of_the_same_name_is_replaced() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    bed.pass(MINUTE);
    let key = "0001/0000000000000002-0000000000000002.ltx";
    bed.store.insert(key, vec![0; 300]);
    assert_eq!(bed.compact().written, 1);
    assert!(bed.store.body(key).unwrap().starts_with(b"LTX1"));
    assert_eq!(bed.complaints().len(), 1);
}

#[test]
fn a_page_that_is_not_what_was_shipped_stops_the_merge() {
    let bed = Bed::new();
    let app = bed.app_with_rows(60);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    app.query_row("PRAGMA schema_version", [], |_| Ok(()))
        .unwrap();
    bed.pass(2 * MINUTE);
    bed.sidecar.maintain().unwrap();
    bed.pass(2 * MINUTE);
    bed.sidecar.maintain().unwrap();
    let mut bytes = bed.files.bytes(FileKind::Database).unwrap();
    for page in 2..bytes.len() / 4096 {
        bytes[page * 4096 + 2000] ^= 1;
    }
    bed.files.overwrite(FileKind::Database, &bytes);
    assert!(matches!(bed.try_compact(), Err(Error::NotAsShipped { .. })));
    assert!(bed.level(1).is_empty());
}

#[test]
fn a_forced_snapshot_is_taken_at_once_but_not_twice() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 1);
    let forced = Forced {
        snapshot: true,
        retention: false,
    };
    assert_eq!(block_on(bed.sidecar.compact(forced)).unwrap().written, 1);
    assert_eq!(block_on(bed.sidecar.compact(forced)).unwrap().written, 0);
    assert_eq!(bed.level(9), [(1, 1), (1, 2)]);
}

#[test]
fn a_snapshot_is_of_one_transaction_whatever_is_committed_and_due_meanwhile() {
    let mut settings = settings();
    settings.min_checkpoint_pages = 20;
    settings.checkpoint_interval_ms = 1000;
    settings.parts = Parts {
        above_bytes: 0,
        bytes: 2_000,
        in_flight: 1,
    };
    let bed = Bed::with(settings);
    let app = bed.app_with_rows(300);
    bed.drain();
    let then = bed.checkpointed();
    bed.store.hold_answers(2);
    block_on(async {
        let mut compacting = pin!(bed.sidecar.compact(Forced::default()));
        let mut polls = 0;
        while poll!(&mut compacting).is_pending() {
            polls += 1;
            if polls % 4 == 0 && polls < 100 {
                app.execute("UPDATE notes SET text = hex(randomblob(200))", [])
                    .unwrap();
                bed.sidecar.sync().await.unwrap();
                bed.pass(2000);
                bed.sidecar.maintain().unwrap();
            }
        }
        assert!(polls > 20, "{polls}");
    });
    assert_eq!(bed.level(9), [(1, 1)]);
    bed.lose_level_0();
    assert!(bed.restored() == then);
    assert_eq!(bed.complaints(), Vec::<String>::new());
    // And after that the WAL is copied again.
    bed.drain();
    app.execute("UPDATE notes SET text = 'x'", []).unwrap();
    bed.drain();
    bed.pass(2000);
    bed.sidecar.maintain().unwrap();
    bed.pass(2000);
    bed.sidecar.maintain().unwrap();
    let before = bed.files.bytes(FileKind::Wal).unwrap().len();
    insert(&app, 1);
    assert_eq!(bed.files.bytes(FileKind::Wal).unwrap().len(), before);
}

#[test]
fn under_constant_load_a_merge_is_captured_between_two_objects() {
    let bed = Bed::new();
    let app = bed.app_with_rows(30);
    bed.drain();
    bed.compact();
    bed.commit(&app, 3);
    bed.pass(MINUTE);
    bed.store.hold_answers(3);
    block_on(async {
        insert(&app, 1);
        let mut syncing = pin!(bed.sidecar.sync());
        assert!(poll!(&mut syncing).is_pending());
        // An object is under way: nothing can be merged now, and nothing is asked of the store.
        let compacted = bed.sidecar.compact(Forced::default()).await.unwrap();
        assert_eq!(compacted.written, 0);
        assert!(compacted.due_ms.is_some());
        syncing.await.unwrap();
    });
    insert(&app, 1);
    bed.sync().unwrap();
    assert_eq!(bed.compact().written, 1);
    assert_eq!(bed.level(1), [(2, 3)]);
    bed.assert_replica_is_the_database();
}
