use super::bed::{Bed, insert, settings};
use crate::ports::{FileKind, ObjectError};
use crate::replica::Settings;
use crate::testing::Fault;

fn small() -> Settings {
    Settings {
        min_checkpoint_pages: 20,
        ..settings()
    }
}

fn wal_bytes(bed: &Bed) -> usize {
    bed.files.bytes(FileKind::Wal).map_or(0, |wal| wal.len())
}

#[test]
fn the_wal_stays_short_while_the_store_takes_what_is_in_it() {
    let bed = Bed::with(small());
    let app = bed.app_with_rows(5);
    app.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    for _ in 0..40 {
        insert(&app, 10);
        bed.drain();
        bed.sidecar.maintain().unwrap();
    }
    assert!(
        wal_bytes(&bed) < 60 * 4120,
        "{} bytes {:?}",
        wal_bytes(&bed),
        bed.environment.log.borrow()
    );
    bed.assert_replica_is_the_database();
}

#[test]
fn a_full_disk_is_told_of_once_a_minute_and_not_at_each_checkpoint() {
    let bed = Bed::with(small());
    let app = bed.app_with_rows(5);
    app.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    bed.drain();
    bed.files.fill_disk();
    bed.environment
        .now_ms
        .set(bed.environment.now_ms.get() + 60_001);
    let complaints = || {
        let log = bed.environment.log.borrow();
        let about = log
            .iter()
            .filter(|(_, text)| text.contains("no space left"));
        about.count()
    };
    let before = complaints();
    for _ in 0..40 {
        insert(&app, 10);
        bed.drain();
        bed.sidecar.maintain().unwrap();
    }
    assert_eq!(complaints(), before + 1);
    bed.assert_replica_is_the_database();
}

#[test]
fn nothing_is_checkpointed_that_is_not_shipped() {
    let bed = Bed::with(small());
    let app = bed.app_with_rows(5);
    bed.drain();
    let before = bed.files.bytes(FileKind::Database).unwrap();
    bed.next_puts(
        1000,
        Fault::Refused(ObjectError::Unavailable("away".to_owned())),
    );
    for _ in 0..30 {
        insert(&app, 10);
        bed.sync().unwrap_err();
        bed.sidecar.maintain().unwrap();
        bed.environment
            .now_ms
            .set(bed.environment.now_ms.get() + 60_001);
    }
    // The app may not do it either.
    app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    assert!(bed.files.bytes(FileKind::Database).unwrap() == before);
    bed.next_puts(0, Fault::Refused(ObjectError::Unavailable(String::new())));
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn the_apps_last_connection_leaves_the_wal_alone() {
    let bed = Bed::new();
    let app = bed.app_with_rows(20);
    bed.drain();
    insert(&app, 20);
    let before = wal_bytes(&bed);
    drop(app);
    assert_eq!(wal_bytes(&bed), before);
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_quiet_database_is_checkpointed_after_the_interval() {
    let bed = Bed::new();
    let app = bed.app_with_rows(20);
    bed.drain();
    insert(&app, 3);
    bed.drain();
    bed.sidecar.maintain().unwrap();
    let before = bed.files.bytes(FileKind::Database).unwrap();
    bed.environment
        .now_ms
        .set(bed.environment.now_ms.get() + 60_001);
    bed.sidecar.maintain().unwrap();
    assert!(bed.files.bytes(FileKind::Database).unwrap() != before);
    // The next writer restarts the WAL, and shipping goes on in the new one.
    insert(&app, 3);
    bed.drain();
    insert(&app, 3);
    bed.drain();
    bed.assert_replica_is_the_database();
    assert!(!bed.log_has("comparing the database with what was shipped"));
}

#[test]
fn a_reader_that_stays_keeps_the_wal_but_not_the_shipping() {
    let bed = Bed::with(small());
    let app = bed.app_with_rows(20);
    bed.drain();
    let reader = bed.app();
    reader.execute_batch("BEGIN").unwrap();
    let seen: i64 = reader
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap();
    for _ in 0..20 {
        insert(&app, 10);
        bed.drain();
    }
    bed.assert_replica_is_the_database();
    let still: i64 = reader
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(seen, still);
    reader.execute_batch("COMMIT").unwrap();
    for _ in 0..5 {
        insert(&app, 10);
        bed.drain();
    }
    bed.assert_replica_is_the_database();
}

/// The app commits whenever the sidecar waits for the store: there are always frames behind what is
/// shipped, and no moment in which all of the WAL is copied.
#[test]
fn a_writer_without_pauses_is_sealed_and_loses_nothing() {
    let bed = Bed::with(small());
    let app = std::rc::Rc::new(bed.app_with_rows(5));
    app.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    bed.drain();
    let writer = std::rc::Rc::clone(&app);
    bed.store.before_each(move |_, call| {
        if call.operation == crate::testing::Operation::Put {
            insert(&writer, 4);
        }
        None
    });
    insert(&app, 1);
    for _ in 0..120 {
        bed.sync().unwrap();
    }
    assert!(wal_bytes(&bed) < 400 * 4120, "{} bytes", wal_bytes(&bed));
    bed.store.before_each(|_, _| None);
    bed.drain();
    bed.shipped();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_sealed_object_survives_an_outage_and_a_death() {
    let mut bed = Bed::with(small());
    let app = std::rc::Rc::new(bed.app_with_rows(5));
    bed.drain();
    let writer = std::rc::Rc::clone(&app);
    let puts = std::cell::Cell::new(0);
    bed.store.before_each(move |_, call| {
        if call.operation != crate::testing::Operation::Put {
            return None;
        }
        puts.set(puts.get() + 1);
        insert(&writer, 4);
        // Sooner or later this hits the put of a sealed object.
        (puts.get() % 3 == 0).then(|| Fault::Refused(ObjectError::Unavailable("away".to_owned())))
    });
    insert(&app, 1);
    for round in 0..90 {
        let _ = bed.sync();
        if round % 30 == 29 {
            bed.restart();
        }
    }
    bed.store.before_each(|_, _| None);
    bed.drain();
    bed.shipped();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_long_wal_is_restarted_though_the_app_goes_on_with_a_commit_now_and_then() {
    let bed = Bed::with(small());
    let app = std::rc::Rc::new(bed.app_with_rows(5));
    bed.drain();
    let salts = |bed: &Bed| bed.files.bytes(FileKind::Wal).unwrap()[16..24].to_vec();
    let before = salts(&bed);
    // One more commit while the burst is sent: the checkpoint after that stops before it.
    let (writer, once) = (std::rc::Rc::clone(&app), std::cell::Cell::new(true));
    bed.store.before_each(move |_, call| {
        if call.operation == crate::testing::Operation::Put && once.replace(false) {
            insert(&writer, 1);
        }
        None
    });
    insert(&app, 20);
    bed.drain();
    for _ in 0..4 {
        let now = &bed.environment.now_ms;
        now.set(now.get() + 500);
        bed.sidecar.maintain().unwrap();
        insert(&app, 1);
        bed.drain();
    }
    assert_ne!(salts(&bed), before);
    bed.assert_replica_is_the_database();
}

#[test]
fn what_an_object_had_no_room_for_is_not_checkpointed_with_it() {
    let bed = Bed::with(Settings {
        max_sync_bytes: 30 * 4120,
        ..small()
    });
    let app = bed.app_with_rows(5);
    app.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    bed.drain();
    for _ in 0..40 {
        insert(&app, 10);
    }
    // One object at a time, and the app restarts the WAL as soon as all of it is copied.
    while bed.sync().unwrap().behind {
        insert(&app, 1);
    }
    bed.assert_replica_is_the_database();
}
