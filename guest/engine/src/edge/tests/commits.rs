use super::{Instance, SETTINGS, count};
use crate::edge::{EdgeError, Settings};
use crate::ports::ObjectError;
use crate::testing::{Fault, MemoryStore, Operation};
use crate::units::Txid;
use rusqlite::ErrorCode;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn what_one_instance_commits_another_one_reads() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    a.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        .unwrap();
    assert_eq!(count(&b, "t"), 1);
    b.execute("INSERT INTO t VALUES (2)", []).unwrap();
    assert_eq!(count(&a, "t"), 2);
    assert_eq!(store.keys().len(), 3);
}

#[test]
fn of_two_transactions_on_one_snapshot_the_second_is_rolled_back() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    a.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        .unwrap();
    b.execute_batch("BEGIN; UPDATE t SET n = n + 10").unwrap();
    a.execute("UPDATE t SET n = n + 1", []).unwrap();
    let refused = b.explain(b.execute_batch("COMMIT").unwrap_err());
    assert_eq!(
        refused.sqlite.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy)
    );
    assert_eq!(
        refused.cause.as_deref(),
        Some(&EdgeError::Conflict(Txid(3)))
    );
    assert!(b.is_autocommit());
    let n = |c: &super::Connection| -> i64 {
        c.query_row("SELECT n FROM t", [], |r| r.get(0)).unwrap()
    };
    assert_eq!((n(&a), n(&b)), (2, 2));
    b.execute("UPDATE t SET n = n + 10", []).unwrap();
    assert_eq!((n(&a), n(&b)), (12, 12));
}

#[test]
fn a_large_transaction_that_is_refused_leaves_nothing_behind() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    let fill = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5000)
                INSERT INTO t SELECT i, randomblob(1000) FROM r";
    a.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, b)")
        .unwrap();
    a.execute(fill, []).unwrap();
    // Larger than SQLite's own cache, so that pages are written before the end.
    b.execute_batch("BEGIN; UPDATE t SET b = randomblob(1000); DELETE FROM t WHERE n > 100")
        .unwrap();
    a.execute("DELETE FROM t WHERE n = 1", []).unwrap();
    b.execute_batch("COMMIT").unwrap_err();
    assert_eq!((count(&a, "t"), count(&b, "t")), (4999, 4999));
    let check: String = b
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    // The same once more, rolled back by hand.
    b.execute_batch("BEGIN; UPDATE t SET b = randomblob(1000); ROLLBACK")
        .unwrap();
    assert_eq!(count(&b, "t"), 4999);
    b.execute("DELETE FROM t WHERE n = 2", []).unwrap();
    assert_eq!(count(&a, "t"), 4998);
}

#[test]
fn a_database_gets_shorter() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    a.execute_batch(
        "CREATE TABLE t (b);
         WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 500)
         INSERT INTO t SELECT randomblob(1000) FROM r;
         DELETE FROM t WHERE rowid > 10;
         VACUUM",
    )
    .unwrap();
    let pages: i64 = b
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    assert!(pages < 10, "{pages}");
    assert_eq!(count(&b, "t"), 10);
    b.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(count(&a, "t"), 11);
    let check: String = a
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

fn fail_puts(store: &MemoryStore, times: usize, fault: fn(ObjectError) -> Fault) {
    let left = Cell::new(times);
    store.before_each(move |_, call| {
        let hit = call.operation == Operation::Put && left.get() > 0;
        hit.then(|| {
            left.set(left.get() - 1);
            fault(ObjectError::UnknownOutcome("lost".to_owned()))
        })
    });
}

#[test]
fn a_lost_answer_is_settled_before_anybody_is_told() {
    for fault in [Fault::Lost as fn(ObjectError) -> Fault, Fault::Refused] {
        let store = MemoryStore::new();
        let instance = Instance::new(&store);
        let connection = instance.connect();
        connection.execute_batch("CREATE TABLE t (n)").unwrap();
        fail_puts(&store, 2, fault);
        connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
        assert_eq!(count(&connection, "t"), 1);
        assert_eq!(store.keys().len(), 2);
    }
}

#[test]
fn an_outcome_that_cannot_be_known_is_told_as_such_and_seen_later() {
    for (fault, rows) in [
        (Fault::Lost as fn(ObjectError) -> Fault, 1),
        (Fault::Refused, 0),
    ] {
        let store = MemoryStore::new();
        let instance = Instance::new(&store);
        let connection = instance.connect();
        connection.execute_batch("CREATE TABLE t (n)").unwrap();
        let sent = Cell::new(false);
        store.before_each(move |_, call| {
            let lost = || ObjectError::UnknownOutcome("lost".to_owned());
            match call.operation {
                Operation::Put => {
                    sent.set(true);
                    Some(fault(lost()))
                }
                // Nor can it be looked at.
                Operation::Get if sent.get() => Some(Fault::Refused(lost())),
                _ => None,
            }
        });
        let refused = connection
            .execute("INSERT INTO t VALUES (1)", [])
            .unwrap_err();
        let failure = connection.explain(refused).cause.map(|cause| *cause);
        assert!(
            matches!(
                failure,
                Some(EdgeError::UnknownOutcome { txid: Txid(2), .. })
            ),
            "{failure:?}"
        );
        store.before_each(|_, _| None);
        assert_eq!(count(&connection, "t"), rows as i64);
    }
}

#[test]
fn a_store_that_is_away_rolls_back() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let connection = instance.connect();
    connection.execute_batch("CREATE TABLE t (n)").unwrap();
    store.before_each(|_, call| {
        let away = || Fault::Refused(ObjectError::Unavailable("away".to_owned()));
        (call.operation == Operation::Put).then(away)
    });
    let refused = connection
        .execute("INSERT INTO t VALUES (1)", [])
        .unwrap_err();
    assert!(matches!(
        connection.explain(refused).cause.as_deref(),
        Some(EdgeError::Store(_))
    ));
    store.before_each(|_, _| None);
    assert_eq!(count(&connection, "t"), 0);
}

#[test]
fn a_reader_writes_nothing() {
    let store = MemoryStore::new();
    let writer = Instance::new(&store);
    writer
        .connect()
        .execute_batch("CREATE TABLE t (n)")
        .unwrap();
    let settings = Settings {
        read_only: true,
        ..SETTINGS
    };
    let reader = Instance::with(&store, settings).connect();
    assert_eq!(count(&reader, "t"), 0);
    let refused = reader.execute("INSERT INTO t VALUES (1)", []).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::ReadOnly));
    assert_eq!(store.keys().len(), 1);
    let empty = Instance::with(&MemoryStore::new(), settings);
    let refused = empty.database.connect().err().unwrap();
    assert_eq!(refused.cause.as_deref(), Some(&EdgeError::NoDatabase));
}

#[test]
fn a_transaction_that_is_too_large_is_refused_whole() {
    let store = MemoryStore::new();
    let settings = Settings {
        transaction_bytes: 1 << 20,
        ..SETTINGS
    };
    let instance = Instance::with(&store, settings);
    let connection = instance.connect();
    connection.execute_batch("CREATE TABLE t (b)").unwrap();
    let fill = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5000)
                INSERT INTO t SELECT randomblob(1000) FROM r";
    let refused = connection.execute(fill, []).unwrap_err();
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert_eq!(count(&connection, "t"), 0);
    connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
    assert_eq!(count(&connection, "t"), 1);
}

#[test]
fn whoever_looked_long_ago_does_not_commit_over_what_was_merged_meanwhile() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (first, second) = (a.connect(), b.connect());
    first.execute_batch("CREATE TABLE t (n)").unwrap();
    second
        .execute_batch("BEGIN; INSERT INTO t VALUES (2)")
        .unwrap();
    first.execute("INSERT INTO t VALUES (1)", []).unwrap();
    first.execute("INSERT INTO t VALUES (1)", []).unwrap();
    // As retention would, minutes later: a snapshot holds it, and TXID 3 is the newest.
    store.remove("0000/0000000000000002-0000000000000002.ltx");
    b.clock.now_ms.set(b.clock.now_ms.get() + 600_000);
    second.execute_batch("COMMIT").unwrap_err();
    assert!(
        store
            .body("0000/0000000000000002-0000000000000002.ltx")
            .is_none()
    );
}

#[test]
fn a_statement_is_not_interrupted_any_more_once_it_was_committed() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let mut connection = instance.connect();
    let [late, sent] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (asked, told) = (Arc::clone(&late), Arc::clone(&sent));
    let is_late = {
        let sent = Arc::clone(&sent);
        move || asked.load(Ordering::Relaxed) && !sent.load(Ordering::Relaxed)
    };
    let sending = move || told.store(true, Ordering::Relaxed);
    connection.watch(is_late, sending).unwrap();
    connection.execute_batch("CREATE TABLE t (n)").unwrap();
    let arrived = Arc::clone(&late);
    store.before_each(move |_, call| {
        arrived.fetch_or(call.operation == Operation::Put, Ordering::Relaxed);
        None
    });
    let mut rows = 0;
    // SQLite asks once more at the end of a statement, if its thousandth step came since.
    for more in 1..400 {
        for flag in [&late, &sent] {
            flag.store(false, Ordering::Relaxed);
        }
        let values = vec!["(1)"; more].join(", ");
        let inserted = connection.execute(&format!("INSERT INTO t VALUES {values}"), []);
        assert_eq!(inserted, Ok(more));
        rows += more;
    }
    assert_eq!(count(&connection, "t"), rows as i64);
}

fn puts_only(store: &MemoryStore, from: usize) -> bool {
    let calls = store.calls();
    let mut later = calls[from..].iter();
    later.all(|call| call.operation == Operation::Put)
}

#[test]
fn whoever_writes_alone_asks_nothing_before() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    a.execute_batch("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1)")
        .unwrap();
    let insert = |c: &super::Connection, n: i64| {
        c.write_alone(|| c.execute("INSERT INTO t VALUES (?)", [n]))
    };
    insert(&a, 2).unwrap();
    let before = store.calls().len();
    insert(&a, 3).unwrap();
    assert_eq!(store.calls().len(), before + 1);
    assert!(puts_only(&store, before));
    // Somebody else comes: neither an error nor an answer follows from what is old.
    insert(&b, 4).unwrap();
    assert_eq!(
        insert(&a, 4).unwrap_err().sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation)
    );
    insert(&b, 5).unwrap();
    let move_up = || a.execute("UPDATE t SET n = n + 100 WHERE n = 5", []);
    assert_eq!(a.write_alone(move_up), Ok(1));
    assert_eq!((count(&a, "t"), count(&b, "t")), (5, 5));
}

#[test]
fn what_found_nothing_to_write_is_looked_at_again() {
    let store = MemoryStore::new();
    let (a, b) = (Instance::new(&store), Instance::new(&store));
    let (a, b) = (a.connect(), b.connect());
    a.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
        .unwrap();
    b.execute("INSERT INTO t VALUES (3)", []).unwrap();
    let gone = || a.execute("DELETE FROM t WHERE n = 3", []);
    assert_eq!(a.write_alone(gone), Ok(1));
}

#[test]
fn a_write_whose_outcome_nobody_knows_is_not_run_again() {
    let store = MemoryStore::new();
    let a = Instance::new(&store);
    let a = a.connect();
    a.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
        .unwrap();
    let sent = Cell::new(false);
    store.before_each(move |_, call| {
        let lost = || ObjectError::UnknownOutcome("lost".to_owned());
        match call.operation {
            Operation::Put => {
                sent.set(true);
                Some(Fault::Lost(lost()))
            }
            Operation::Get if sent.get() => Some(Fault::Refused(lost())),
            _ => None,
        }
    });
    let add = || a.execute("INSERT INTO t VALUES (3)", []);
    a.write_alone(add).unwrap_err();
    store.before_each(|_, _| None);
    assert_eq!(count(&a, "t"), 3);
}

#[test]
fn an_instance_that_stood_still_while_it_committed_does_not_take_that_for_durable() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let connection = instance.connect();
    connection.execute_batch("CREATE TABLE t (n)").unwrap();
    let (clock, stopped) = (instance.clock.clone(), Cell::new(false));
    store.before_each(move |store, call| {
        if call.operation == Operation::Put && !stopped.replace(true) {
            clock.now_ms.set(clock.now_ms.get() + 3_600_000);
            // Others went on, and what they committed was merged but for the newest.
            let key = |txid: u64| format!("0000/{txid:016x}-{txid:016x}.ltx");
            store.insert(&key(9), store.body(&key(1)).unwrap());
        }
        None
    });
    let refused = connection
        .execute("INSERT INTO t VALUES (1)", [])
        .unwrap_err();
    let failure = connection.explain(refused).cause.map(|cause| *cause);
    assert!(
        matches!(failure, Some(EdgeError::UnknownOutcome { .. })),
        "{failure:?}"
    );
}
