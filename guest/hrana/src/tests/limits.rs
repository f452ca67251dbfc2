use super::{Instance, execute, outcome};
use crate::Limits;
use engine::testing::MemoryStore;
use serde_json::{Value, json};
use std::time::Duration;

const FOR_EVER: &str = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r)";

fn numbers(count: usize) -> String {
    format!("{FOR_EVER} SELECT i FROM r LIMIT {count}")
}

fn with_table(limits: Limits) -> Instance {
    let instance = Instance::limited(&MemoryStore::new(), limits);
    instance.set_up("CREATE TABLE t (n)");
    instance
}

fn codes(answer: &Value) -> Vec<Value> {
    let results = answer["results"].as_array().unwrap();
    let code = |result: &Value| result["error"]["code"].clone();
    results.iter().map(code).collect()
}

fn of_time() -> Instance {
    with_table(Limits {
        statement: Duration::from_millis(50),
        request: Duration::from_millis(150),
        ..Limits::default()
    })
}

#[test]
fn a_statement_that_runs_for_ever_is_stopped_and_the_instance_lives_on() {
    let instance = of_time();
    for sql in [
        format!("{FOR_EVER} SELECT count(*) FROM r"),
        format!("{FOR_EVER} INSERT INTO t SELECT i FROM r"),
    ] {
        let error = instance.sql(&sql);
        assert_eq!(error["code"], "SQLITE_INTERRUPT");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains("longer than 50ms")
        );
    }
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_transaction_in_which_a_write_was_stopped_is_lost() {
    let instance = of_time();
    let requests = json!([
        execute("BEGIN"),
        execute("INSERT INTO t VALUES (1)"),
        execute(&format!("{FOR_EVER} INSERT INTO t SELECT i FROM r")),
        execute("INSERT INTO t VALUES (2)"),
        execute("COMMIT"),
        { "type": "close" },
    ]);
    let codes = codes(&instance.pipeline(&Value::Null, requests));
    let lost = "SQLITE_ABORT_ROLLBACK";
    assert_eq!(codes[2..5], ["SQLITE_INTERRUPT", lost, lost]);
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_request_has_its_time_too_but_may_always_roll_back() {
    let instance = of_time();
    let slow = execute(&format!("{FOR_EVER} SELECT count(*) FROM r"));
    let mut requests = vec![execute("BEGIN")];
    requests.extend(std::iter::repeat_n(slow, 40));
    requests.push(execute("SELECT 1"));
    requests.push(execute("ROLLBACK"));
    requests.push(json!({ "type": "close" }));
    let began = std::time::Instant::now();
    let answer = instance.pipeline(&Value::Null, json!(requests));
    // All of them together would take two seconds.
    assert!(began.elapsed() < Duration::from_secs(1));
    let error = outcome(&answer["results"][41]);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("not run any more")
    );
    assert_eq!(codes(&answer)[42], Value::Null);
}

#[test]
fn more_rows_than_allowed_are_an_error() {
    let instance = with_table(Limits {
        rows: 3,
        ..Limits::default()
    });
    let rows = instance.sql(&numbers(3))["rows"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    assert_eq!(instance.sql(&numbers(4))["code"], "TOO_MANY_ROWS");
    // Rows that nobody wants are not counted.
    let unwanted = instance.execute(json!({ "sql": numbers(9), "want_rows": false }));
    assert_eq!(unwanted["rows"], json!([]));
}

#[test]
fn a_write_whose_rows_are_too_many_or_too_large_takes_no_effect() {
    let instance = with_table(Limits {
        rows: 3,
        response: 1000,
        ..Limits::default()
    });
    let many = instance.sql(&format!("INSERT INTO t {} RETURNING n", numbers(4)));
    assert_eq!(many["code"], "TOO_MANY_ROWS");
    let large = instance.sql("INSERT INTO t VALUES (1) RETURNING hex(randomblob(600))");
    assert_eq!(large["code"], "RESPONSE_TOO_LARGE");
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
    let requests = json!([
        execute("BEGIN"),
        execute("INSERT INTO t VALUES (1)"),
        execute(&format!("INSERT INTO t {} RETURNING n", numbers(4))),
        execute("COMMIT"),
    ]);
    let answer = instance.pipeline(&Value::Null, requests);
    let codes = codes(&answer);
    assert_eq!(codes[2..4], ["TOO_MANY_ROWS", "SQLITE_ABORT_ROLLBACK"]);
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn the_rows_of_all_statements_of_a_request_count_together() {
    let instance = with_table(Limits {
        response: 1000,
        ..Limits::default()
    });
    let half = execute("SELECT hex(zeroblob(200))");
    let insert = execute("INSERT INTO t VALUES (1)");
    let requests = json!([half, half, half, insert, { "type": "close" }]);
    let answer = instance.pipeline(&Value::Null, requests);
    let (none, large) = (Value::Null, json!("RESPONSE_TOO_LARGE"));
    let expected = [&none, &none, &large, &none, &none];
    assert_eq!(codes(&answer).iter().collect::<Vec<_>>(), expected);
    assert_eq!(instance.value("SELECT count(*) FROM t"), "1");
}

#[test]
fn texts_have_a_length_and_a_number() {
    let instance = with_table(Limits {
        sql: 40,
        stored_sql: 2,
        ..Limits::default()
    });
    let long = format!("SELECT '{}'", "x".repeat(40));
    let store = |id: usize, sql: &str| json!({ "type": "store_sql", "sql_id": id, "sql": sql });
    let requests = json!([
        execute(&long),
        { "type": "describe", "sql": long },
        store(1, &long),
        store(1, "SELECT 1"),
        store(2, "SELECT 2"),
        store(3, "SELECT 3"),
        { "type": "close_sql", "sql_id": 1 },
        store(3, "SELECT 3"),
        { "type": "sequence", "sql": long },
        { "type": "close" },
    ]);
    let (none, big, many) = (
        Value::Null,
        json!("SQLITE_TOOBIG"),
        json!("TOO_MANY_SQL_TEXTS"),
    );
    let answer = instance.pipeline(&Value::Null, requests);
    let expected = [
        &big, &big, &big, &none, &none, &many, &none, &none, &none, &none,
    ];
    assert_eq!(codes(&answer).iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_value_has_a_size() {
    let instance = with_table(Limits::default());
    for sql in [
        "SELECT randomblob(100000000)",
        "SELECT length(zeroblob(100000000) || 'x')",
    ] {
        assert_eq!(instance.sql(sql)["code"], "SQLITE_TOOBIG", "{sql}");
    }
    assert_eq!(
        instance.value("SELECT length(zeroblob(60000000))"),
        "60000000"
    );
}
