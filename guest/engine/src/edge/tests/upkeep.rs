use super::{Instance, count};
use crate::edge::Maintained;
use crate::ltx::Layout;
use crate::replica::levels::schedule::Schedule;
use crate::restore::{self, Options, Target};
use crate::testing::{MemoryFile, MemoryStore, TestEnvironment};
use crate::units::Txid;
use futures::executor::block_on;

const MINUTE: u64 = 60_000;

fn schedule() -> Schedule {
    Schedule {
        levels: vec![MINUTE / 2, 5 * MINUTE],
        snapshot: 60 * MINUTE,
        snapshot_retention: 60 * MINUTE,
        shipped_retention: 5 * MINUTE,
        retention_check: 0,
        retention: true,
    }
}

fn maintain(instance: &Instance) -> Maintained {
    block_on(instance.database.edge().maintain(&schedule(), None)).unwrap()
}

/// The restored database, after SQLite has checked it.
fn rows(store: &MemoryStore, target: Target) -> i64 {
    let (file, environment) = (MemoryFile::default(), TestEnvironment::default());
    let options = Options {
        target,
        ..Options::default()
    };
    let restored = restore::restore(store, &environment, Layout::Hexadecimal, &file, options);
    assert!(block_on(restored).unwrap().checksum_verified);
    let native = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(native.path(), &*file.bytes.borrow()).unwrap();
    let native = rusqlite::Connection::open(native.path()).unwrap();
    let check: String = native
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    native
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_day_of_commits_is_merged_and_forgotten_and_every_instance_reads_on() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (first, second) = (a.connect(), b.connect());
    store.set_clock(a.clock.now_ms.get());
    first.execute_batch("CREATE TABLE t (n)").unwrap();
    let mut most = 0;
    for step in 1..=200 {
        let now = a.clock.now_ms.get() + MINUTE;
        for clock in [&a.clock, &b.clock] {
            clock.now_ms.set(now);
        }
        store.set_clock(now);
        let writer = if step % 2 == 0 { &first } else { &second };
        writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        let instance = if step % 3 == 0 { &a } else { &b };
        maintain(instance);
        assert_eq!(count(&first, "t"), step);
        assert_eq!(rows(&store, Target::Latest), step);
        most = most.max(store.keys().len());
    }
    // Two hours of level 1, which keeps the points in time, and little else.
    assert!(most < 170, "{most} objects");
    let keys = store.keys();
    let shipped = keys.iter().filter(|key| key.starts_with("0000/")).count();
    assert!(shipped < 10, "{shipped} of level 0");
    // An hour ago is still there.
    assert_eq!(rows(&store, Target::Txid(Txid(150))), 149);
    let late = Instance::new(&store);
    assert_eq!(count(&late.connect(), "t"), 200);
}

#[test]
fn those_who_come_by_at_once_write_one_object() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let first = a.connect();
    store.set_clock(a.clock.now_ms.get());
    first
        .execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        .unwrap();
    maintain(&a);
    for clock in [&a.clock, &b.clock] {
        clock.now_ms.set(clock.now_ms.get() + MINUTE);
    }
    store.set_clock(a.clock.now_ms.get());
    first.execute("INSERT INTO t VALUES (2)", []).unwrap();
    for clock in [&a.clock, &b.clock] {
        clock.now_ms.set(clock.now_ms.get() + MINUTE);
    }
    store.set_clock(a.clock.now_ms.get());
    store.hold_answers(3);
    let schedule = schedule();
    let both = futures::future::join(
        a.database.edge().maintain(&schedule, None),
        b.database.edge().maintain(&schedule, None),
    );
    let (one, other) = block_on(both);
    one.unwrap();
    other.unwrap();
    let merged: Vec<_> = store
        .keys()
        .into_iter()
        .filter(|key| key.starts_with("0001/"))
        .collect();
    assert_eq!(merged.len(), 1, "{merged:?}");
}

#[test]
fn what_is_too_large_for_a_request_is_left_to_others() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let connection = instance.connect();
    connection
        .execute_batch("CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob(100000))")
        .unwrap();
    let edge = instance.database.edge();
    let done = block_on(edge.maintain(&schedule(), Some(50_000))).unwrap();
    assert_eq!((done.written, done.left), (0, 1));
    let done = block_on(edge.maintain(&schedule(), Some(5_000_000))).unwrap();
    assert_eq!((done.written, done.left), (1, 0));
}

#[test]
fn instances_find_what_others_committed_however_soon_it_may_be_deleted() {
    is_found_in_spite_of(&Schedule {
        levels: vec![1000],
        shipped_retention: 1,
        ..schedule()
    });
}

#[test]
fn instances_find_what_others_committed_however_soon_a_snapshot_takes_its_place() {
    is_found_in_spite_of(&Schedule {
        levels: vec![1000],
        snapshot: 1000,
        snapshot_retention: 1,
        ..schedule()
    });
}

fn is_found_in_spite_of(hasty: &Schedule) {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (first, second) = (a.connect(), b.connect());
    let mut now = a.clock.now_ms.get();
    let mut pass = |time: u64| {
        now += time;
        for clock in [&a.clock, &b.clock] {
            clock.now_ms.set(now);
        }
        store.set_clock(now);
    };
    pass(0);
    first
        .execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        .unwrap();
    assert_eq!(count(&second, "t"), 1);
    for _ in 0..4 {
        first.execute("INSERT INTO t VALUES (1)", []).unwrap();
        pass(5000);
        block_on(a.database.edge().maintain(hasty, None)).unwrap();
    }
    // Within the minute for which a missing object says that nothing came.
    assert_eq!(count(&second, "t"), 5);
    second.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(rows(&store, Target::Latest), 6);
}
