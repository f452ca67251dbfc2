use super::bed::{Bed, insert};
use crate::ports::FileKind;

/// Somebody else's checkpoint, while no sidecar holds the lock for it.
fn checkpoint(app: &rusqlite::Connection) {
    let busy: i64 = app
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);
}

#[test]
fn with_the_wal_intact_nothing_is_sent_again() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    insert(&app, 5);
    bed.drain();
    bed.sidecar.close();
    let puts = bed.puts();
    bed.restart();
    bed.drain();
    assert_eq!(bed.puts(), puts);
    insert(&app, 1);
    bed.drain();
    assert_eq!(bed.puts(), puts + 1);
    bed.assert_replica_is_the_database();
}

#[test]
fn after_a_crash_without_any_local_state_it_goes_on_from_the_wal() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    insert(&app, 5);
    bed.drain();
    bed.restart();
    bed.files.remove(FileKind::Checksums);
    insert(&app, 5);
    bed.drain();
    assert_eq!(bed.shipped(), 3);
    let last = bed
        .store
        .body("0000/0000000000000003-0000000000000003.ltx")
        .unwrap();
    assert!(last.len() < 10_000, "{} bytes", last.len());
    bed.assert_replica_is_the_database();
}

#[test]
fn after_the_app_checkpointed_alone_only_pages_that_changed_are_sent() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(500);
    bed.drain();
    insert(&app, 5);
    bed.drain();
    bed.sidecar.close();
    bed.restart();
    insert(&app, 3);
    checkpoint(&app);
    insert(&app, 3);
    drop(app);
    bed.drain();
    assert_eq!(bed.shipped(), 3);
    let first = bed
        .store
        .body("0000/0000000000000001-0000000000000001.ltx")
        .unwrap();
    let last = bed
        .store
        .body("0000/0000000000000003-0000000000000003.ltx")
        .unwrap();
    assert!(
        last.len() * 10 < first.len(),
        "{} of {}",
        last.len(),
        first.len()
    );
    bed.assert_replica_is_the_database();
}

#[test]
fn checksums_that_are_behind_are_brought_up_to_date() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(500);
    bed.drain();
    bed.sidecar.close();
    bed.restart();
    insert(&app, 20);
    bed.drain();
    // Killed: the checksums on disk are those of TXID 1, the replica is at 2.
    bed.restart();
    insert(&app, 2);
    checkpoint(&app);
    bed.drain();
    let last = bed
        .store
        .body("0000/0000000000000003-0000000000000003.ltx")
        .unwrap();
    assert!(last.len() < 20_000, "{} bytes", last.len());
    bed.assert_replica_is_the_database();
}

#[test]
fn doubtful_checksums_cost_a_full_copy_and_never_correctness() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(300);
    bed.drain();
    bed.sidecar.close();
    let mut checksums = bed.files.bytes(FileKind::Checksums).unwrap();
    checksums[50] ^= 1;
    bed.files.put(FileKind::Checksums, checksums);
    bed.restart();
    insert(&app, 2);
    checkpoint(&app);
    bed.drain();
    assert!(bed.log_has("full copy"));
    bed.assert_replica_is_the_database();
}

#[test]
fn frames_that_somebody_else_checkpointed_and_may_overwrite_are_not_trusted() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(100);
    bed.drain();
    bed.sidecar.close();
    bed.restart();
    // Copied, but the WAL is not restarted yet: the next writer does that.
    insert(&app, 3);
    app.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .unwrap();
    bed.sync().unwrap();
    insert(&app, 3);
    bed.drain();
    insert(&app, 3);
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn a_wal_that_lost_its_tail_is_noticed() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    let short = bed.files.bytes(FileKind::Wal).unwrap();
    insert(&app, 5);
    bed.drain();
    // Power fails: the last frames were never synced. Then other frames take their place.
    drop(app);
    bed.sidecar.close();
    bed.restart();
    bed.files.put(FileKind::Wal, short);
    bed.files.remove_shared_memory();
    let app = bed.app();
    insert(&app, 9);
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn an_emptied_volume_with_a_restored_database_sends_nothing() {
    let bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    bed.sidecar.close();
    drop(app);
    let database = bed.restored();
    let checksums = bed.files.bytes(FileKind::Checksums).unwrap();
    bed.files.remove(FileKind::Wal);
    bed.files.remove_shared_memory();
    bed.files.put(FileKind::Database, database);
    bed.files.put(FileKind::Checksums, checksums);
    let puts = bed.puts();
    bed.drain();
    assert_eq!(bed.puts(), puts);
    insert(&bed.app(), 2);
    bed.drain();
    bed.assert_replica_is_the_database();
}
