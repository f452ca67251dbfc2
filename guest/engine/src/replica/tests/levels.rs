use super::bed::{Bed, insert, settings};
use crate::ltx::{Layout, ObjectName};
use crate::ports::{FileKind, LogLevel, ObjectError, Objects};
use crate::replica::Error;
use crate::replica::levels::{Compacted, Forced};
use crate::replica::upload::Parts;
use crate::restore::{self, Target};
use crate::testing::{Fault, MemoryFile, Operation};
use crate::units::Txid;
use futures::executor::block_on;
use futures::poll;
use rusqlite::Connection;
use std::pin::pin;

const MINUTE: u64 = 60_000;
const DAY: u64 = 1440 * MINUTE;

impl Bed {
    fn compact(&self) -> Compacted {
        let forced = Forced::default();
        block_on(self.sidecar.compact(forced)).unwrap()
    }

    fn try_compact(&self) -> Result<Compacted, Error> {
        block_on(self.sidecar.compact(Forced::default()))
    }

    fn pass(&self, ms: u64) {
        let now = self.environment.now_ms.get();
        self.environment.now_ms.set(now + ms);
    }

    /// The TXIDs of a level's objects.
    fn level(&self, level: u8) -> Vec<(u64, u64)> {
        let keys = self.store.keys();
        let names = keys.iter().filter_map(|key| Layout::Hexadecimal.parse(key));
        let names = names.filter(|name: &ObjectName| name.level.get() == level);
        names.map(|name| (name.min.0, name.max.0)).collect()
    }

    fn commit(&self, app: &Connection, rows: u32) {
        insert(app, rows);
        self.drain();
    }

    fn restores_to(&self, target: Target) -> Vec<u8> {
        let file = MemoryFile::default();
        let options = restore::Options {
            target,
            ..restore::Options::default()
        };
        block_on(restore::restore(
            &self.store,
            &*self.environment,
            Layout::Hexadecimal,
            &file,
            options,
        ))
        .unwrap();
        file.bytes.into_inner()
    }

    fn complaints(&self) -> Vec<String> {
        let log = self.environment.log.borrow();
        let loud = log
            .iter()
            .filter(|(level, _)| matches!(level, LogLevel::Warn | LogLevel::Error));
        loud.map(|(_, line)| line.clone()).collect()
    }
}

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
    for key in bed.store.keys() {
        if key.starts_with("0000/") {
            bed.store.remove(&key);
        }
    }
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
    for key in bed.store.keys() {
        if key.starts_with("0000/") {
            bed.store.remove(&key);
        }
    }
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
    for key in bed.store.keys() {
        if key.starts_with("0000/") {
            bed.store.remove(&key);
        }
    }
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
    for key in bed.store.keys() {
        if key.starts_with("0000/") {
            bed.store.remove(&key);
        }
    }
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
    assert_eq!(bed.store.count(Operation::List), lists + 1);
    assert!(
        block_on(bed.store.list("0000/", None))
            .unwrap()
            .entries
            .len()
            == 1
    );
}
