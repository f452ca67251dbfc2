use super::{Instance, SETTINGS, count};
use crate::edge::{EdgeError, Freshness, Settings};
use crate::ltx::Layout;
use crate::restore::{self, Options};
use crate::testing::{MemoryFile, TestEnvironment};
use crate::testing::{MemoryStore, Operation};
use futures::executor::block_on;

/// Compressible to about half, so that frames differ in length.
const FILL: &str = "CREATE TABLE t (n INTEGER PRIMARY KEY, b);
    WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 20000)
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM r";

fn requests(store: &MemoryStore, operation: Operation) -> usize {
    let calls = store.calls();
    calls
        .iter()
        .filter(|call| call.operation == operation)
        .count()
}

#[test]
fn what_was_committed_is_restored_page_by_page() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let connection = instance.connect();
    connection.execute_batch(FILL).unwrap();
    connection
        .execute_batch("DELETE FROM t WHERE n % 7 = 0; UPDATE t SET b = n")
        .unwrap();
    let file = MemoryFile::default();
    let environment = TestEnvironment::default();
    let restored = restore::restore(
        &store,
        &environment,
        Layout::Hexadecimal,
        &file,
        Options::default(),
    );
    let restored = block_on(restored).unwrap();
    assert!(restored.checksum_verified);
    let native = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(native.path(), &*file.bytes.borrow()).unwrap();
    let native = rusqlite::Connection::open(native.path()).unwrap();
    let check: String = native
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    let sum = "SELECT sum(n), sum(b), count(*) FROM t";
    let row = |row: &rusqlite::Row<'_>| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
        ))
    };
    assert_eq!(
        native.query_row(sum, [], row).unwrap(),
        connection.query_row(sum, [], row).unwrap()
    );
}

#[test]
fn a_cold_point_query_reads_little_and_a_warm_one_nothing() {
    let store = MemoryStore::new();
    Instance::new(&store).connect().execute_batch(FILL).unwrap();
    let settings = Settings {
        freshness: Freshness::Bounded(1000),
        ..SETTINGS
    };
    let reader = Instance::with(&store, settings);
    let connection = reader.connect();
    let point = |n: i64| -> i64 {
        connection
            .query_row("SELECT length(b) FROM t WHERE n = ?", [n], |row| row.get(0))
            .unwrap()
    };
    let before = store.calls().len();
    assert_eq!(point(12_345), 400);
    let cold = store.calls().len() - before;
    assert!(cold <= 6, "{cold} requests");
    let before = store.calls().len();
    assert_eq!(point(12_345), 400);
    assert_eq!(point(12_346), 400);
    assert_eq!(store.calls().len(), before);
}

#[test]
fn a_scan_takes_few_requests_and_keeps_to_its_memory() {
    let store = MemoryStore::new();
    Instance::new(&store).connect().execute_batch(FILL).unwrap();
    let settings = Settings {
        cache_bytes: 2 << 20,
        ..SETTINGS
    };
    let reader = Instance::with(&store, settings);
    let connection = reader.connect();
    let before = requests(&store, Operation::Get);
    let sum: i64 = connection
        .query_row("SELECT sum(length(b)) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, 400 * 20_000);
    let gets = requests(&store, Operation::Get) - before;
    assert!(gets < 80, "{gets} requests");
    assert!(reader.database.edge().cached().bytes <= 2 << 20);
}

#[test]
fn a_transaction_sees_one_snapshot_while_the_head_moves() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    a.execute_batch("CREATE TABLE t (n)").unwrap();
    b.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&b, "t"), 0);
    a.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(count(&b, "t"), 0);
    b.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&b, "t"), 1);
}

#[test]
fn a_replica_that_was_made_anew_is_not_mixed_with_the_old_one() {
    let store = MemoryStore::new();
    let reader = Instance::new(&store);
    // So large that its pages are fetched one by one.
    let fill = |n: i64| {
        let writer = Instance::new(&store).connect();
        let rows = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 500)";
        let fill = format!("INSERT INTO t SELECT {n}, randomblob(2000) FROM r");
        writer
            .execute_batch(&format!(
                "BEGIN; CREATE TABLE t (n, b); {rows} {fill}; COMMIT"
            ))
            .unwrap();
        writer
    };
    let sum = || -> i64 {
        let sql = "SELECT sum(n) FROM t";
        let reading = reader.connect();
        reading.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    fill(1).execute_batch("CREATE TABLE more (n)").unwrap();
    assert_eq!(sum(), 500);
    for key in store.keys() {
        store.remove(&key);
    }
    fill(2);
    let later = reader.clock.now_ms.get() + 10 * 60_000;
    reader.clock.now_ms.set(later);
    assert_eq!(sum(), 1000);
}

#[test]
fn who_stood_still_while_it_asked_is_not_misled_by_what_came_and_went() {
    let store = MemoryStore::new();
    let (writer, reader) = (Instance::new(&store), Instance::new(&store));
    let (writing, reading) = (writer.connect(), reader.connect());
    writing.execute_batch("CREATE TABLE t (n)").unwrap();
    assert_eq!(count(&reading, "t"), 0);
    writing.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    writing.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    // Merged into one object of level 1, and only the newest of level 0 is left.
    let key = |level, txid: u64| format!("{level:04}/{txid:016x}-{txid:016x}.ltx");
    let (gone, clock) = (key(0, 2), reader.clock.clone());
    let asked = std::cell::Cell::new(false);
    let body = store.body(&gone).unwrap();
    store.before_each(move |store, call| {
        if call.operation == Operation::Get && call.key == gone && !asked.replace(true) {
            clock.now_ms.set(clock.now_ms.get() + 10 * 60_000);
            store.insert("0001/0000000000000002-0000000000000002.ltx", body.clone());
            store.remove(&gone);
        }
        None
    });
    assert_eq!(count(&reading, "t"), 2);
}

#[test]
fn connecting_asks_nothing_when_the_database_is_known() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let first = instance.connect();
    first.execute_batch("CREATE TABLE t (n)").unwrap();
    let before = store.calls().len();
    let second = instance.connect();
    assert_eq!(store.calls().len(), before);
    assert_eq!(count(&second, "t"), 0);
    assert_eq!(store.calls().len(), before + 1);
}

#[test]
fn bounded_freshness_asks_again_when_its_time_is_over() {
    let store = MemoryStore::new();
    let settings = Settings {
        freshness: Freshness::Bounded(500),
        ..SETTINGS
    };
    let (a, b) = (Instance::new(&store), Instance::with(&store, settings));
    let first = a.connect();
    first.execute_batch("CREATE TABLE t (n)").unwrap();
    let second = b.connect();
    assert_eq!(count(&second, "t"), 0);
    first.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(count(&second, "t"), 0);
    b.clock.now_ms.set(b.clock.now_ms.get() + 501);
    assert_eq!(count(&second, "t"), 1);
}

#[test]
fn a_damaged_page_is_an_error_and_not_an_answer() {
    let store = MemoryStore::new();
    Instance::new(&store).connect().execute_batch(FILL).unwrap();
    let key = "0000/0000000000000002-0000000000000002.ltx";
    let mut body = store.body(key).unwrap();
    let middle = body.len() / 2;
    for byte in &mut body[middle..middle + 2000] {
        *byte ^= 0xff;
    }
    store.insert(key, body);
    let reader = Instance::new(&store);
    let connection = reader.connect();
    let sum = connection.query_row("SELECT sum(length(b)) FROM t", [], |_| Ok(()));
    let refused = connection.explain(sum.unwrap_err());
    assert!(matches!(
        refused.cause.as_deref(),
        Some(EdgeError::Replica(_))
    ));
}

#[test]
fn what_is_dangerous_is_refused_by_name() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let connection = instance.connect();
    connection.execute_batch("CREATE TABLE t (n)").unwrap();
    for sql in [
        "ATTACH 'other' AS other",
        "VACUUM INTO 'other'",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = OFF",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA writable_schema = ON",
        "PRAGMA cache_size = 1000000",
        "SELECT load_extension('x')",
        "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1",
        "DELETE FROM sqlite_schema",
    ] {
        let refused = connection.execute_batch(sql).unwrap_err().to_string();
        let named = [
            "not authorized",
            "authorization denied",
            "no such function",
            "read-only",
            "may not be modified",
        ];
        let named = named.iter().any(|name| refused.contains(name));
        assert!(named, "{sql}: {refused}");
    }
    connection
        .execute_batch("PRAGMA foreign_keys = ON; PRAGMA user_version = 7")
        .unwrap();
    let mode: String = connection
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "memory");
}

#[test]
fn a_reader_is_not_misled_by_a_sidecar_that_deletes_at_once() {
    let store = MemoryStore::new();
    let writer = Instance::new(&store);
    let connection = writer.connect();
    connection
        .execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        .unwrap();
    let settings = Settings {
        read_only: true,
        ..SETTINGS
    };
    let reader = Instance::with(&store, settings);
    let reader = reader.connect();
    assert_eq!(count(&reader, "t"), 1);
    connection
        .execute_batch("INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)")
        .unwrap();
    // What came next is merged into something else and gone, a moment later.
    let key = |level: u8, min: u64, max: u64| format!("{level:04x}/{min:016x}-{max:016x}.ltx");
    let edge = writer.database.edge();
    let schedule = crate::replica::levels::schedule::Schedule {
        levels: vec![1],
        snapshot: 1,
        snapshot_retention: 1000,
        retention: false,
        ..Default::default()
    };
    writer.clock.now_ms.set(writer.clock.now_ms.get() + 1000);
    block_on(edge.maintain(&schedule, None)).unwrap();
    assert!(store.keys().iter().any(|key| key.starts_with("0009/")));
    for txid in 1..=3 {
        assert!(store.remove(&key(0, txid, txid)));
    }
    assert_eq!(count(&reader, "t"), 3);
}
