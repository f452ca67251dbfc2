use super::bed::{Bed, insert};
use crate::ltx::Layout;
use crate::ports::{FileKind, Files, ObjectError};
use crate::replica::levels::Forced;
use crate::restore::{self, Followed, RestoreError};
use crate::testing::{Fault, MemoryFiles, Operation};
use crate::units::Txid;
use crate::vfs;
use futures::executor::block_on;
use rusqlite::{Connection, OpenFlags};
use std::rc::Rc;

const FOLLOWER: &str = "follower";

struct Follower<'a> {
    bed: &'a Bed,
    files: MemoryFiles,
}

impl Follower<'_> {
    /// Restores the replica into files of its own.
    fn of(bed: &Bed) -> Follower<'_> {
        let files = MemoryFiles::default();
        vfs::register(FOLLOWER, Rc::new(files.clone()), bed.environment.clone());
        let file = files.open(FileKind::Database, true).unwrap();
        let restored = block_on(restore::restore(
            &bed.store,
            &*bed.environment,
            Layout::Hexadecimal,
            &*file,
            restore::Options::default(),
        ))
        .unwrap();
        restore::begin_following(&files, &*file, restored.txid).unwrap();
        Follower { bed, files }
    }

    fn step(&self) -> Result<Followed, RestoreError> {
        let (store, environment) = (&self.bed.store, &*self.bed.environment);
        let layout = Layout::Hexadecimal;
        block_on(restore::follow(
            store,
            environment,
            layout,
            &self.files,
            FOLLOWER,
            8,
        ))
    }

    fn reader(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        Connection::open_with_flags_and_vfs(vfs::DATABASE_NAME, flags, FOLLOWER).unwrap()
    }

    /// The same as the replica but for the journal mode and SQLite's change counters.
    fn assert_is_the_replica(&self) {
        let mut followed = self.files.bytes(FileKind::Database).unwrap();
        let mut restored = self.bed.restored();
        for bytes in [&mut followed, &mut restored] {
            bytes[18..20].fill(0);
            bytes[24..28].fill(0);
            bytes[92..100].fill(0);
        }
        assert_eq!(followed.len(), restored.len());
        let pages = followed.chunks(4096).zip(restored.chunks(4096));
        for (number, (a, b)) in pages.enumerate() {
            assert!(a == b, "page {} differs", number + 1);
        }
    }

    fn position(&self) -> Vec<u8> {
        self.files.bytes(FileKind::Position).unwrap()
    }
}

#[test]
fn a_followed_file_becomes_what_the_replica_is() {
    let bed = Bed::new();
    let app = bed.app_with_rows(40);
    bed.drain();
    let follower = Follower::of(&bed);
    assert_eq!(follower.position(), b"0000000000000001\n");
    for rows in [1, 20, 200] {
        insert(&app, rows);
        bed.drain();
        let step = follower.step().unwrap();
        assert_eq!(step.txid.0, step.before.0 + 1);
        follower.assert_is_the_replica();
    }
    let rows: u32 = follower
        .reader()
        .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 40 + 221);
}

#[test]
fn a_file_that_shrinks_and_grows_is_followed() {
    let bed = Bed::new();
    let app = bed.app_with_rows(300);
    bed.drain();
    let follower = Follower::of(&bed);
    app.execute_batch("DELETE FROM notes WHERE id > 10; VACUUM")
        .unwrap();
    bed.drain();
    follower.step().unwrap();
    follower.assert_is_the_replica();
    insert(&app, 500);
    bed.drain();
    follower.step().unwrap();
    follower.assert_is_the_replica();
    let check: String = follower
        .reader()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn nothing_new_costs_one_request() {
    let bed = Bed::new();
    let _app = bed.app_with_rows(10);
    bed.drain();
    let follower = Follower::of(&bed);
    let before = bed.store.calls().len();
    let step = follower.step().unwrap();
    assert_eq!((step.before, step.txid), (Txid(1), Txid(1)));
    assert_eq!(bed.store.calls().len(), before + 1);
}

#[test]
fn a_follower_that_fell_behind_what_is_kept_goes_on_by_the_levels() {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    bed.drain();
    block_on(bed.sidecar.compact(Forced::default())).unwrap();
    let follower = Follower::of(&bed);
    for _ in 0..6 {
        insert(&app, 3);
        bed.drain();
    }
    for _ in 0..2 {
        bed.environment
            .now_ms
            .set(bed.environment.now_ms.get() + 400_000);
        block_on(bed.sidecar.compact(Forced::default())).unwrap();
    }
    assert!(bed.store.count(Operation::Delete) > 0);
    let step = follower.step().unwrap();
    assert_eq!((step.before, step.txid), (Txid(1), Txid(7)));
    follower.assert_is_the_replica();
}

#[test]
fn a_step_that_fails_half_way_changes_nothing_and_is_made_up_for() {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    bed.drain();
    let follower = Follower::of(&bed);
    insert(&app, 5);
    bed.drain();
    let before = follower.files.bytes(FileKind::Database);
    bed.store.before_each(|_, call| {
        let get = call.operation == Operation::Get;
        get.then(|| Fault::Refused(ObjectError::Unavailable("away".into())))
    });
    assert!(follower.step().is_err());
    assert_eq!(follower.files.bytes(FileKind::Database), before);
    bed.store.before_each(|_, _| None);
    follower.step().unwrap();
    follower.assert_is_the_replica();
}

#[test]
fn a_damaged_object_is_not_applied() {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    bed.drain();
    let follower = Follower::of(&bed);
    insert(&app, 5);
    bed.drain();
    let key = "0000/0000000000000002-0000000000000002.ltx";
    let mut body = bed.store.body(key).unwrap();
    let last = body.len() - 1;
    body[last] ^= 1;
    bed.store.insert(key, body);
    let before = follower.files.bytes(FileKind::Database);
    assert!(matches!(follower.step(), Err(RestoreError::Damaged { .. })));
    assert_eq!(follower.files.bytes(FileKind::Database), before);
    assert_eq!(follower.position(), b"0000000000000001\n");
}

#[test]
fn a_reader_in_its_transaction_delays_a_step_and_sees_nothing_of_it() {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    bed.drain();
    let follower = Follower::of(&bed);
    let reader = follower.reader();
    let count = |reader: &Connection| -> u32 {
        reader
            .query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
            .unwrap()
    };
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader), 10);
    insert(&app, 5);
    bed.drain();
    assert!(matches!(follower.step(), Err(RestoreError::Sqlite(_))));
    assert_eq!(count(&reader), 10);
    reader.execute_batch("COMMIT").unwrap();
    follower.step().unwrap();
    assert_eq!(count(&reader), 15);
}

#[test]
fn a_replica_that_was_replaced_by_another_is_told() {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    bed.drain();
    insert(&app, 5);
    bed.drain();
    let follower = Follower::of(&bed);
    bed.store
        .remove("0000/0000000000000002-0000000000000002.ltx");
    assert!(matches!(
        follower.step(),
        Err(RestoreError::Replaced { .. })
    ));
}
