use super::bed::{Bed, insert, list, settings};
use crate::ports::FileKind;
use crate::replica::{Error, Settings};
use crate::units::Txid;

#[test]
fn what_the_app_commits_is_what_the_replica_restores() {
    let bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    insert(&app, 30);
    app.execute("UPDATE notes SET text = 'x' WHERE id % 3 = 0", [])
        .unwrap();
    let synced = bed.drain();
    assert_eq!(synced.txid, Txid(2));
    bed.assert_replica_is_the_database();
}

#[test]
fn commits_between_two_syncs_are_one_object() {
    let bed = Bed::new();
    let app = bed.app_with_rows(1);
    bed.drain();
    insert(&app, 25);
    bed.drain();
    assert_eq!(bed.shipped(), 2);
}

#[test]
fn a_quiet_database_costs_no_request() {
    let bed = Bed::new();
    let _app = bed.app_with_rows(5);
    bed.drain();
    let before = bed.store.calls().len();
    for _ in 0..10 {
        assert!(!bed.sidecar.maintain().unwrap());
        bed.sync().unwrap();
    }
    assert_eq!(bed.store.calls().len(), before);
}

#[test]
fn an_open_transaction_is_not_shipped() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    // A small cache spills uncommitted frames into the WAL.
    app.execute_batch("PRAGMA cache_size = 2; BEGIN").unwrap();
    insert(&app, 200);
    bed.drain();
    assert_eq!(bed.shipped(), 1);
    app.execute_batch("ROLLBACK").unwrap();
    insert(&app, 1);
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_database_in_another_journal_mode_is_switched_to_wal_mode() {
    let bed = Bed::new();
    let app = bed.app();
    app.execute_batch("CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT)")
        .unwrap();
    bed.drain();
    // The connection that was open all the time goes on, and finds out with its next transaction.
    insert(&app, 3);
    let mode: String = app
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn it_waits_for_a_database_that_is_missing_or_empty() {
    let bed = Bed::new();
    assert!(!bed.sync().unwrap().live);
    bed.files.put(FileKind::Database, Vec::new());
    assert!(!bed.sync().unwrap().live);
    let _app = bed.app_with_rows(2);
    assert!(bed.drain().live);
    bed.assert_replica_is_the_database();
}

#[test]
fn a_file_that_is_no_database_is_refused_untouched() {
    let bed = Bed::new();
    let text = b"Dear diary, this is not a database. ".repeat(10);
    bed.files.put(FileKind::Database, text.clone());
    assert!(matches!(bed.sync(), Err(Error::NotADatabase)));
    assert_eq!(bed.files.bytes(FileKind::Database), Some(text));
}

#[test]
fn nothing_is_written_into_the_users_database() {
    let bed = Bed::new();
    let app = bed.app_with_rows(20);
    let facts = |pragma: &str| -> i64 {
        app.pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    let before = (facts("schema_version"), facts("user_version"));
    let counter = |bed: &Bed| bed.files.bytes(FileKind::Database).unwrap()[24..28].to_vec();
    let changes = counter(&bed);
    for _ in 0..5 {
        bed.drain();
        bed.sidecar.maintain().unwrap();
    }
    assert_eq!((facts("schema_version"), facts("user_version")), before);
    assert_eq!(counter(&bed), changes);
    let tables: i64 = app
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn all_page_sizes_are_shipped() {
    for size in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
        let bed = Bed::new();
        let app = bed.app();
        app.pragma_update(None, "page_size", size).unwrap();
        drop(app);
        let app = bed.app();
        app.pragma_update(None, "page_size", size).unwrap();
        app.pragma_update(None, "journal_mode", "wal").unwrap();
        app.execute_batch("CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT)")
            .unwrap();
        insert(&app, 40);
        bed.drain();
        insert(&app, 10);
        bed.drain();
        assert_eq!(bed.sidecar.standing().page_size, size);
        bed.assert_replica_is_the_database();
    }
}

#[test]
fn a_database_that_shrinks_and_grows_again_is_followed() {
    let bed = Bed::new();
    let app = bed.app();
    app.execute_batch("PRAGMA auto_vacuum = FULL; PRAGMA journal_mode = wal; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT)").unwrap();
    insert(&app, 300);
    bed.drain();
    for _ in 0..3 {
        app.execute("DELETE FROM notes WHERE id > 10", []).unwrap();
        bed.drain();
        bed.assert_replica_is_the_database();
        insert(&app, 300);
        bed.drain();
        bed.assert_replica_is_the_database();
    }
    app.execute_batch("VACUUM").unwrap();
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_long_backlog_is_shipped_in_several_objects() {
    let bed = Bed::with(Settings {
        max_sync_bytes: 100_000,
        ..settings()
    });
    let app = bed.app_with_rows(5);
    bed.drain();
    insert(&app, 200);
    let synced = bed.sync().unwrap();
    assert!(synced.behind);
    bed.drain();
    assert!(bed.shipped() > 3, "{}", bed.shipped());
    bed.assert_replica_is_the_database();
}

#[test]
fn a_replaced_database_is_compared_and_shipped() {
    let bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    drop(app);
    for kind in [FileKind::Database, FileKind::Wal] {
        bed.files.remove(kind);
    }
    bed.files.remove_shared_memory();
    bed.drain();
    let _app = bed.app_with_rows(7);
    assert!(bed.drain().live);
    assert!(bed.log_has("replaced"));
    bed.assert_replica_is_the_database();
    assert_eq!(bed.shipped(), 2);
}

#[test]
fn an_empty_replica_has_no_objects_but_those_shipped() {
    let bed = Bed::new();
    let _app = bed.app_with_rows(3);
    bed.drain();
    assert_eq!(list(&bed, ""), 1);
}
