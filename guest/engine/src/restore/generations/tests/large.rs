//! Transactions and files that are larger than what is held in memory.

use super::super::assemble::Ends;
use super::super::fetch::{PIECE_BYTES, Source};
use super::super::images::IMAGE_BYTES;
use super::super::{BackupDamage, build};
use super::*;
use crate::restore::Damage;

/// Rows that make a transaction larger than what is held.
fn huge(app: &App) {
    let rows = 1 + IMAGE_BYTES / 60_000;
    app.execute(&format!(
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO t(noise) SELECT randomblob(60000) FROM n"
    ));
}

#[test]
fn a_transaction_larger_than_what_is_held_is_applied() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 65536);
    app.snapshot();
    app.run(2);
    huge(&app);
    app.ship();
    app.run(2);
    let restored = replica.check(None, &app.state());
    assert_eq!(
        restored.requests,
        replica.store.count(Operation::Get) as u64
    );
    assert!(replica.environment.log.borrow().is_empty(), "in one go");
    // The huge segment and its neighbours, in pieces of a limited length.
    let sizes = replica.store.keys().into_iter();
    let sizes = sizes.map(|key| replica.store.body(&key).unwrap().len() as u64);
    let pieces = sizes.map(|size| size.div_ceil(PIECE_BYTES)).sum::<u64>();
    assert_eq!(restored.requests, pieces);
}

#[test]
fn a_large_transaction_that_never_ended_is_not_applied() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 65536);
    app.snapshot();
    huge(&app);
    app.ship();
    let (state, database) = (app.state(), fs::read(app.path("db")).unwrap());
    // Writes over all those pages.
    app.execute("UPDATE t SET noise = randomblob(length(noise))");
    // All of it but the frame that ends it.
    let (wal, from) = (app.wal(), app.shipped.get());
    let cut = wal.len() - wal::frame_bytes(PageSize::MAX) as usize;
    let key = app.segment_key(0, from);
    replica.store.insert(&key, frame(&wal[from..cut]));
    assert!(checkpointed(&database, &wal[..cut]) == state);
    replica.check(None, &state);
    let warnings = replica.warnings();
    assert!(warnings[0].contains("a transaction begins that does not end"));
}

#[test]
fn a_large_transaction_that_never_ended_is_left_out_of_earlier_wals_too() {
    let replica = Replica::default();
    let mut app = App::new(&replica, 1, 65536);
    app.snapshot();
    for _ in 0..2 {
        app.run(1);
        let survivor = app.fork();
        huge(&app);
        let (wal, from) = (app.wal(), app.shipped.get());
        let cut = wal.len() - wal::frame_bytes(PageSize::MAX) as usize;
        let key = app.segment_key(app.index.get(), from);
        replica.store.insert(&key, frame(&wal[from..cut]));
        app = survivor;
    }
    app.run(2);
    replica.check(None, &app.state());
    let log = replica.environment.log.borrow();
    let again = log
        .iter()
        .filter(|(_, told)| told.contains("beginning again"));
    assert_eq!(again.count(), 2);
}

#[test]
fn a_backup_that_changes_while_it_is_read_is_not_read_for_ever() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 65536);
    app.snapshot();
    huge(&app);
    let key = app.ship();
    // As if another WAL had been there before, with a commit where this one has none.
    let end = wal::offset_after(IMAGE_BYTES as u32 / 65536 + 1, PageSize::MAX);
    let mut ends = Ends::from([(WalIndex(0), end)]);
    let file = MemoryFile::default();
    let restored = block_on(async {
        let plan = plan(&list(&replica.store).await?, None)?;
        let source = Source::new(&replica.store, &replica.environment);
        build(&source, &replica.environment, &file, &plan, 8, &mut ends)
            .await
            .map(|_| ())
    });
    let damage = Damage::Backup(BackupDamage::Changed);
    assert_eq!(restored, Err(RestoreError::Damaged { key, damage }));
}

#[test]
fn a_large_transaction_that_was_rolled_back_is_left_out() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 4096);
    app.snapshot();
    app.run(1);
    let shipped = app.shipped.get();
    // SQLite writes over frames of this one, and their checksums and salts are never mended.
    app.execute("PRAGMA cache_size = 10; BEGIN");
    app.write(100);
    let spilled = app.wal();
    app.execute("ROLLBACK");
    let key = app.segment_key(0, shipped);
    replica.store.insert(&key, frame(&spilled[shipped..]));
    app.next_wal();
    app.run(2);
    replica.check(None, &app.state());
    let log = replica.environment.log.borrow();
    let told = log.iter().filter(|(_, told)| told.contains("is left out"));
    assert_eq!(told.count(), 1, "{log:?}");
}

#[test]
fn pages_that_change_all_the_time_are_written_once() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 4096);
    app.snapshot();
    app.execute("INSERT INTO t VALUES (1, NULL)");
    for _ in 0..2000 {
        app.execute("UPDATE t SET noise = randomblob(1000)");
    }
    app.ship();
    let (_, file) = replica.restore(None).unwrap();
    assert!(file.bytes.borrow()[..] == app.state()[..]);
    assert!(file.writes.get() < 10, "{} writes", file.writes.get());
}

#[test]
fn more_changes_than_are_held_are_applied_in_order() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 32768);
    app.snapshot();
    for _ in 0..6 {
        app.execute("BEGIN");
        app.write(60);
        app.execute("COMMIT");
        app.write(60);
        app.ship();
    }
    assert!(app.wal().len() > 2 * IMAGE_BYTES);
    replica.check(None, &app.state());
}

#[test]
fn a_snapshot_of_many_pieces_is_restored_with_requests_in_flight_limited() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 4096);
    app.execute("INSERT INTO t(noise) VALUES (randomblob(20000000))");
    app.next_wal();
    app.snapshot();
    app.run(3);
    replica.store.hold_answers(3);
    replica.check(None, &app.state());
    assert_eq!(replica.store.most_in_flight(), 8);
    let progress = replica.environment.progress.borrow();
    assert!(progress.is_sorted_by_key(|(done, _)| *done));
    let (done, total) = progress.last().unwrap();
    assert!(done == total && progress[0] == (0, *total));
}
