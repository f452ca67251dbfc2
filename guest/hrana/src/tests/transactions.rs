use super::{Instance, execute, outcome};
use crate::Limits;
use engine::ports::ObjectError;
use engine::testing::{Fault, MemoryStore, Operation};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::Duration;

/// As often as said, another instance commits just before a commit reaches the store.
pub fn outrun(store: &MemoryStore, times: usize) {
    let other = Instance::new(store);
    other.set_up("CREATE TABLE others (n)");
    let left = Cell::new(times);
    store.before_each(move |_, call| {
        if call.operation == Operation::Put && left.get() > 0 {
            left.set(left.get() - 1);
            other.set_up("INSERT INTO others VALUES (1)");
        }
        None
    });
}

fn with_table(store: &MemoryStore) -> Instance {
    let instance = Instance::new(store);
    instance.set_up("CREATE TABLE t (n UNIQUE)");
    instance
}

fn count(instance: &Instance) -> Value {
    instance.value("SELECT count(*) FROM t")
}

/// The codes of errors, or null.
fn codes(answer: &Value) -> Vec<Value> {
    let results = answer["results"].as_array().unwrap();
    let code = |result: &Value| result["error"]["code"].clone();
    results.iter().map(code).collect()
}

#[test]
fn a_single_statement_is_tried_again_until_nobody_is_faster() {
    let store = MemoryStore::new();
    let instance = with_table(&store);
    outrun(&store, 3);
    let inserted = instance.sql("INSERT INTO t VALUES (1) RETURNING n");
    assert_eq!(inserted["rows"].as_array().unwrap().len(), 1);
    assert_eq!(inserted["affected_row_count"], 1);
    assert_eq!(instance.pauses.borrow().len(), 3);
    assert_eq!(instance.value("SELECT count(*) FROM others"), "3");
    assert_eq!(count(&instance), "1");
}

#[test]
fn in_a_batch_and_in_a_sequence_too() {
    let store = MemoryStore::new();
    let instance = with_table(&store);
    outrun(&store, 2);
    let steps = json!([{ "stmt": { "sql": "INSERT INTO t VALUES (1)" } }]);
    let requests = json!([
        { "type": "batch", "batch": { "steps": steps } },
        { "type": "sequence", "sql": "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)" },
        { "type": "close" },
    ]);
    instance.pipeline(&Value::Null, requests);
    assert_eq!(instance.pauses.borrow().len(), 2);
    assert_eq!(count(&instance), "3");
}

#[test]
fn tries_have_an_end() {
    let store = MemoryStore::new();
    let instance = with_table(&store);
    outrun(&store, 100);
    let error = instance.sql("INSERT INTO t VALUES (1)");
    assert_eq!(error["code"], "SQLITE_BUSY");
    let words = "another instance committed first";
    assert!(error["message"].as_str().unwrap().starts_with(words));
    let pauses = instance.pauses.borrow();
    assert_eq!(pauses.len() as u32, Limits::default().retries);
    assert!(
        pauses
            .iter()
            .all(|pause| *pause <= Duration::from_millis(500))
    );
    store.before_each(|_, _| None);
    assert_eq!(count(&instance), "0");
}

#[test]
fn a_transaction_that_another_was_faster_than_is_told_so_and_not_tried_again() {
    let store = MemoryStore::new();
    let instance = with_table(&store);
    outrun(&store, 1);
    let begin = json!([execute("BEGIN"), execute("INSERT INTO t VALUES (1)")]);
    let opened = instance.pipeline(&Value::Null, begin);
    let ended = instance.pipeline(&opened["baton"], json!([execute("COMMIT")]));
    assert_eq!(codes(&ended), ["SQLITE_BUSY"]);
    // The client knows, and the stream is good for the next one.
    let again = json!([
        { "type": "get_autocommit" },
        execute("BEGIN"),
        execute("INSERT INTO t VALUES (2)"),
        execute("COMMIT"),
    ]);
    let again = instance.pipeline(&ended["baton"], again);
    assert_eq!(
        codes(&again),
        [Value::Null, Value::Null, Value::Null, Value::Null]
    );
    assert_eq!(again["results"][0]["response"]["is_autocommit"], true);
    assert!(instance.pauses.borrow().is_empty());
    assert_eq!(instance.value("SELECT n FROM t"), "2");
}

#[test]
fn an_unknown_outcome_has_its_own_code_and_is_not_tried_again() {
    let store = MemoryStore::new();
    let instance = with_table(&store);
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
    let error = instance.sql("INSERT INTO t VALUES (1)");
    assert_eq!(error["code"], "COMMIT_OUTCOME_UNKNOWN");
    assert!(instance.pauses.borrow().is_empty());
    store.before_each(|_, _| None);
    assert_eq!(count(&instance), "1");
}

#[test]
fn a_store_that_is_away_is_named() {
    let store = MemoryStore::new();
    let instance = with_table(&store);
    store.before_each(|_, _| {
        let away = ObjectError::Unavailable("no route".to_owned());
        Some(Fault::Refused(away))
    });
    let error = instance.sql("SELECT * FROM t");
    assert!(error["code"].as_str().unwrap().starts_with("SQLITE_IOERR"));
    assert_eq!(error["message"], "the store is unavailable: no route");
}

/// A transaction that SQLite rolled back by itself after its first insert.
fn lost(instance: &Instance) -> Value {
    let requests = json!([
        execute("BEGIN"),
        execute("INSERT INTO t VALUES (1)"),
        execute("INSERT OR ROLLBACK INTO t VALUES (1)"),
    ]);
    let answer = instance.pipeline(&Value::Null, requests);
    let unique = json!("SQLITE_CONSTRAINT_UNIQUE");
    assert_eq!(codes(&answer), [Value::Null, Value::Null, unique]);
    answer["baton"].clone()
}

#[test]
fn the_rest_of_a_transaction_that_is_lost_takes_no_effect() {
    let instance = with_table(&MemoryStore::new());
    let baton = lost(&instance);
    let sequence = json!({ "type": "sequence", "sql": "INSERT INTO t VALUES (3)" });
    let requests = json!([
        execute("INSERT INTO t VALUES (2)"),
        sequence,
        execute("SELECT 1"),
        execute("ROLLBACK TO a"),
        { "type": "get_autocommit" },
        execute("COMMIT"),
        execute("INSERT INTO t VALUES (4)"),
    ]);
    let answer = instance.pipeline(&baton, requests);
    let lost = json!("SQLITE_ABORT_ROLLBACK");
    let none = Value::Null;
    let expected = [&lost, &lost, &lost, &lost, &none, &lost, &none];
    assert_eq!(codes(&answer).iter().collect::<Vec<_>>(), expected);
    let why = outcome(&answer["results"][0]);
    assert!(
        why["message"]
            .as_str()
            .unwrap()
            .contains("UNIQUE constraint failed")
    );
    assert_eq!(answer["results"][4]["response"]["is_autocommit"], true);
    assert_eq!(instance.value("SELECT n FROM t"), "4");
}

#[test]
fn a_transaction_that_is_lost_may_be_rolled_back_or_begun_anew() {
    let instance = with_table(&MemoryStore::new());
    let baton = lost(&instance);
    let requests = json!([execute("ROLLBACK"), execute("INSERT INTO t VALUES (5)")]);
    let answer = instance.pipeline(&baton, requests);
    assert_eq!(codes(&answer), [Value::Null, Value::Null]);
    let baton = lost(&instance);
    let requests = json!([{ "type": "sequence", "sql":
        "BEGIN; INSERT INTO t VALUES (6); COMMIT" }]);
    let answer = instance.pipeline(&baton, requests);
    assert_eq!(codes(&answer), [Value::Null]);
    assert_eq!(instance.value("SELECT group_concat(n) FROM t"), "5,6");
}

#[test]
fn a_transaction_begun_to_read_does_not_write() {
    let instance = with_table(&MemoryStore::new());
    let requests = json!([
        execute("BEGIN TRANSACTION READONLY"),
        execute("SELECT * FROM t"),
        execute("INSERT INTO t VALUES (1)"),
        execute("COMMIT"),
        execute("INSERT INTO t VALUES (2)"),
    ]);
    let answer = instance.pipeline(&Value::Null, requests);
    let refused = json!("SQLITE_READONLY");
    let none = Value::Null;
    let expected = [&none, &none, &refused, &none, &none];
    assert_eq!(codes(&answer).iter().collect::<Vec<_>>(), expected);
    assert_eq!(instance.value("SELECT n FROM t"), "2");
}

#[test]
fn what_was_committed_is_not_called_interrupted() {
    let store = MemoryStore::new();
    let limits = Limits {
        statement: Duration::from_millis(20),
        ..Limits::default()
    };
    let instance = Instance::limited(&store, limits);
    instance.set_up("CREATE TABLE t (n)");
    // SQLite looks at the time once more after the commit, if its thousandth step came since.
    let mut committed = 0;
    for rows in 120..160 {
        store.before_each(|_, call| {
            if call.operation == Operation::Put {
                std::thread::sleep(Duration::from_millis(25));
            }
            None
        });
        let values = vec!["(1)"; rows].join(", ");
        let inserted = instance.sql(&format!("INSERT INTO t VALUES {values}"));
        store.before_each(|_, _| None);
        if inserted["code"] == Value::Null {
            committed += rows;
        }
        assert_eq!(
            count(&instance),
            committed.to_string(),
            "{rows}: {inserted}"
        );
    }
    assert!(committed > 0);
}
