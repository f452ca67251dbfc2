//! Another machine goes on with the replica while this one's database stands still, or does not.

use super::bed::{Bed, insert};
use crate::ports::FileKind;
use crate::ports::ObjectError;
use crate::rebuild::{Wish, rebuild};
use crate::replica::Error;
use crate::replica::checksums::NOBODY;
use crate::restore::Target;
use crate::testing::{Fault, MemoryFiles, Operation};
use crate::units::Txid;
use crate::verify::Integrity;
use futures::executor::block_on;
use std::cell::Cell;
use std::rc::Rc;

const BESIDE: [FileKind; 3] = [FileKind::Database, FileKind::Wal, FileKind::Checksums];

/// The files of one machine.
fn files(bed: &Bed) -> Vec<Option<Vec<u8>>> {
    BESIDE.iter().map(|kind| bed.files.bytes(*kind)).collect()
}

/// The bed becomes a machine with these files.
fn switch(bed: &mut Bed, files: Vec<Option<Vec<u8>>>) {
    bed.sidecar.close();
    bed.files.remove_shared_memory();
    for (kind, bytes) in BESIDE.into_iter().zip(files) {
        match bytes {
            Some(bytes) => bed.files.put(kind, bytes),
            None => bed.files.remove(kind),
        }
    }
    bed.restart();
}

fn rows(bed: &Bed) -> i64 {
    bed.app()
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap()
}

/// A machine that restored what is there, before anything is done with it.
fn restored(bed: &Bed) -> Vec<Option<Vec<u8>>> {
    let (txid, page_size, checksums) = bed.restored_checksums();
    let beside = checksums.encode(txid, page_size, NOBODY);
    vec![Some(bed.restored()), None, Some(beside)]
}

#[test]
fn what_another_machine_shipped_between_our_restore_and_our_start_is_kept() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    // We restore, and the old pod still ships what it had.
    let ours = restored(&bed);
    insert(&app, 3);
    bed.drain();
    drop(app);
    switch(&mut bed, ours);
    bed.drain();
    assert!(bed.log_has("brought up to date"));
    assert_eq!(rows(&bed), 53);
    insert(&bed.app(), 1);
    bed.drain();
    bed.assert_replica_is_the_database();
    assert_eq!(rows(&bed), 54);
}

#[test]
fn a_database_that_was_changed_after_others_went_on_is_not_shipped() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    let ours = restored(&bed);
    insert(&app, 3);
    bed.drain();
    let shipped = bed.restored();
    drop(app);
    switch(&mut bed, ours);
    insert(&bed.app(), 1);
    let puts = bed.puts();
    for _ in 0..2 {
        assert!(matches!(bed.sync(), Err(Error::Fenced { .. })));
        // Nor after a start.
        bed.sidecar.close();
        bed.restart();
    }
    assert_eq!(bed.puts(), puts);
    assert_eq!(bed.restored(), shipped);
    assert_eq!(rows(&bed), 51);
}

#[test]
fn a_machine_that_was_away_goes_on_from_where_others_are() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    drop(app);
    bed.sidecar.close();
    let (old, new) = (files(&bed), restored(&bed));
    switch(&mut bed, new);
    insert(&bed.app(), 9);
    bed.drain();
    switch(&mut bed, old);
    bed.drain();
    assert_eq!(rows(&bed), 59);
    bed.assert_replica_is_the_database();
}

#[test]
fn a_moment_that_was_chosen_takes_back_what_was_shipped_since() {
    for is_changed in [false, true] {
        let mut bed = Bed::new();
        let app = bed.app_with_rows(50);
        bed.drain();
        let (chosen, ..) = bed.restored_checksums();
        insert(&app, 3);
        bed.drain();
        drop(app);
        let then = MemoryFiles::default();
        let wish = Wish {
            target: Target::Txid(chosen),
            parallelism: 8,
            check: Integrity::None,
            follow: false,
        };
        let layout = bed.settings.layout;
        block_on(rebuild(
            &bed.store,
            &*bed.environment,
            layout,
            &then,
            "unused",
            wish,
        ))
        .unwrap();
        let then = BESIDE.iter().map(|kind| then.bytes(*kind)).collect();
        switch(&mut bed, then);
        let added = i64::from(is_changed);
        insert(&bed.app(), is_changed.into());
        bed.drain();
        assert_eq!(rows(&bed), 50 + added);
        bed.assert_replica_is_the_database();
        // And it goes on.
        insert(&bed.app(), 1);
        bed.drain();
        assert_eq!(rows(&bed), 51 + added);
        bed.assert_replica_is_the_database();
    }
}

#[test]
fn a_machine_without_room_to_sign_is_not_fenced_by_what_it_shipped_itself() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    bed.sidecar.close();
    bed.files.fill_disk();
    bed.restart();
    insert(&app, 1);
    bed.drain();
    bed.sidecar.close();
    // The WAL does not prove any more where we are.
    app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    insert(&app, 1);
    bed.restart();
    bed.drain();
    assert_eq!(rows(&bed), 52);
    bed.assert_replica_is_the_database();
}

#[test]
fn a_store_that_goes_away_while_we_are_brought_up_to_date_leaves_us_where_we_were() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    bed.drain();
    let ours = restored(&bed);
    for _ in 0..3 {
        insert(&app, 3);
        bed.drain();
    }
    drop(app);
    switch(&mut bed, ours);
    // The first reads of each object are those that learn its pages; the next ones write them.
    let last = "0000/0000000000000004-0000000000000004.ltx";
    let reads = Rc::new(Cell::new(0));
    let seen = Rc::clone(&reads);
    bed.store.before_each(move |_, call| {
        let is_last = call.operation == Operation::Get && call.key == last;
        let whole = is_last && call.range.is_none_or(|range| range.length > 100);
        seen.set(seen.get() + u32::from(whole));
        let away = || Fault::Refused(ObjectError::Unavailable("away".to_owned()));
        (whole && seen.get() == 2).then(away)
    });
    assert!(matches!(bed.sync(), Err(Error::Store(_))));
    assert_eq!((reads.get(), rows(&bed)), (2, 50));
    bed.drain();
    assert_eq!(rows(&bed), 59);
    bed.assert_replica_is_the_database();
}

#[test]
fn who_ships_from_a_database_is_known_before_its_first_object() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(50);
    // The first object is stored, and the sidecar dies before it learns that.
    bed.next_puts(
        3,
        Fault::Lost(ObjectError::UnknownOutcome("killed".to_owned())),
    );
    bed.sync().unwrap_err();
    drop(app);
    let ours = files(&bed);
    let theirs = restored(&bed);
    switch(&mut bed, theirs);
    insert(&bed.app(), 3);
    bed.drain();
    bed.sidecar.close();
    switch(&mut bed, ours);
    insert(&bed.app(), 1);
    bed.app()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    insert(&bed.app(), 1);
    assert!(matches!(bed.sync(), Err(Error::Fenced { .. })));
}

#[test]
fn a_sidecar_that_died_with_its_first_object_goes_on_without_a_full_copy() {
    let mut bed = Bed::new();
    let app = bed.app_with_rows(500);
    bed.next_puts(
        3,
        Fault::Lost(ObjectError::UnknownOutcome("killed".to_owned())),
    );
    bed.sync().unwrap_err();
    bed.files.remove_shared_memory();
    bed.restart();
    app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    insert(&app, 1);
    let sent = bed.drain();
    assert!(bed.log_has("comparing the database with it"));
    assert_eq!(sent.txid, Txid(2));
    bed.assert_replica_is_the_database();
}
