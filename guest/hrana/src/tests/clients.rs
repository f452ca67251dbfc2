//! Requests as `@libsql/client` 0.18 and Python's `libsql-client` 0.3 sent them, byte by byte.

use super::{Instance, outcome};
use crate::Head;
use engine::testing::MemoryStore;
use serde_json::{Value, json};

fn send(instance: &Instance, path: &str, body: &str) -> Value {
    let head = Head {
        method: "POST",
        path,
        origin: None,
        authorization: Some("Bearer secret"),
    };
    let answer = instance.send(head, body);
    assert_eq!(
        (answer.status, answer.content_type),
        (200, "application/json")
    );
    serde_json::from_slice(&answer.body).unwrap()
}

fn with_table() -> Instance {
    let instance = Instance::new(&MemoryStore::new());
    instance.set_up("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b BLOB, f REAL)");
    instance
}

#[test]
fn javascript_executes_one_statement() {
    let instance = with_table();
    let body = r#"{"requests":[{"type":"execute","stmt":{"sql":"INSERT INTO t (a, b, f) VALUES (?, ?, ?)","args":[{"type":"text","value":"é\""},{"type":"blob","base64":"AAH/"},{"type":"float","value":1.5}],"named_args":[],"want_rows":true}},{"type":"close"}]}"#;
    let answer = send(&instance, "/v2/pipeline", body);
    let result = json!({
        "cols": [], "rows": [], "affected_row_count": 1, "last_insert_rowid": "1",
        "replication_index": null,
    });
    let expected = json!({
        "baton": null,
        "base_url": null,
        "results": [
            { "type": "ok", "response": { "type": "execute", "result": result } },
            { "type": "ok", "response": { "type": "close" } },
        ],
    });
    assert_eq!(answer, expected);
}

#[test]
fn javascript_sends_a_batch() {
    let instance = with_table();
    let body = r#"{"requests":[{"type":"store_sql","sql_id":0,"sql":"INSERT INTO t (a) VALUES ($x)"},{"type":"store_sql","sql_id":1,"sql":"SELECT count(*) n FROM t"},{"type":"batch","batch":{"steps":[{"stmt":{"sql":"BEGIN IMMEDIATE","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"ok","step":0},"stmt":{"sql_id":0,"args":[],"named_args":[{"name":"x","value":{"type":"text","value":"two"}}],"want_rows":true}},{"condition":{"type":"ok","step":1},"stmt":{"sql_id":1,"args":[],"named_args":[],"want_rows":true}},{"condition":{"type":"ok","step":2},"stmt":{"sql":"COMMIT","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"not","cond":{"type":"ok","step":3}},"stmt":{"sql":"ROLLBACK","args":[],"named_args":[],"want_rows":false}}]}},{"type":"close"}]}"#;
    let answer = send(&instance, "/v2/pipeline", body);
    let batch = outcome(&answer["results"][2]);
    assert_eq!(batch["step_results"][2]["rows"][0][0]["value"], "1");
    assert_eq!(batch["step_results"][4], Value::Null);
    assert_eq!(batch["step_errors"], json!([null, null, null, null, null]));
    assert_eq!(answer["baton"], Value::Null);
}

#[test]
fn javascript_has_a_transaction() {
    let instance = with_table();
    let begin = r#"{"requests":[{"type":"store_sql","sql_id":0,"sql":"INSERT INTO t (a) VALUES ('1')"},{"type":"batch","batch":{"steps":[{"stmt":{"sql":"BEGIN IMMEDIATE","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"ok","step":0},"stmt":{"sql_id":0,"args":[],"named_args":[],"want_rows":true}}]}}]}"#;
    let first = send(&instance, "/v2/pipeline", begin);
    let sequence = r#"{"baton":"BATON","requests":[{"type":"sequence","sql":"INSERT INTO t (a) VALUES ('3'); INSERT INTO t (a) VALUES ('4');"}]}"#;
    let with =
        |body: &str, answer: &Value| body.replace("BATON", answer["baton"].as_str().unwrap());
    let second = send(&instance, "/v2/pipeline", &with(sequence, &first));
    let commit = r#"{"baton":"BATON","requests":[{"type":"execute","stmt":{"sql":"COMMIT","args":[],"named_args":[],"want_rows":false}},{"type":"close"}]}"#;
    let third = send(&instance, "/v2/pipeline", &with(commit, &second));
    assert_eq!(third["results"][0]["type"], "ok");
    assert_eq!(third["baton"], Value::Null);
    assert_eq!(instance.value("SELECT count(*) FROM t"), "3");
}

#[test]
fn javascript_has_a_transaction_that_only_reads() {
    let instance = with_table();
    let body = r#"{"requests":[{"type":"store_sql","sql_id":0,"sql":"DELETE FROM t"},{"type":"batch","batch":{"steps":[{"stmt":{"sql":"BEGIN TRANSACTION READONLY","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"ok","step":0},"stmt":{"sql_id":0,"args":[],"named_args":[],"want_rows":true}},{"condition":{"type":"ok","step":1},"stmt":{"sql":"COMMIT","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"not","cond":{"type":"ok","step":2}},"stmt":{"sql":"ROLLBACK","args":[],"named_args":[],"want_rows":false}}]}},{"type":"close"}]}"#;
    let answer = send(&instance, "/v2/pipeline", body);
    let batch = outcome(&answer["results"][1]);
    assert_eq!(batch["step_errors"][1]["code"], "SQLITE_READONLY");
    assert_eq!(batch["step_errors"][3], Value::Null);
}

#[test]
fn javascript_migrates() {
    let instance = with_table();
    let body = r#"{"requests":[{"type":"batch","batch":{"steps":[{"stmt":{"sql":"PRAGMA foreign_keys=off","args":[],"named_args":[],"want_rows":false}},{"stmt":{"sql":"BEGIN DEFERRED","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"ok","step":1},"stmt":{"sql":"ALTER TABLE t ADD COLUMN m","args":[],"named_args":[],"want_rows":true}},{"condition":{"type":"ok","step":2},"stmt":{"sql":"COMMIT","args":[],"named_args":[],"want_rows":false}},{"condition":{"type":"not","cond":{"type":"ok","step":3}},"stmt":{"sql":"ROLLBACK","args":[],"named_args":[],"want_rows":false}},{"stmt":{"sql":"PRAGMA foreign_keys=on","args":[],"named_args":[],"want_rows":false}}]}},{"type":"close"}]}"#;
    let answer = send(&instance, "/v2/pipeline", body);
    let batch = outcome(&answer["results"][0]);
    assert_eq!(
        batch["step_errors"],
        json!([null, null, null, null, null, null])
    );
    let columns = instance.value("SELECT count(*) FROM pragma_table_info('t')");
    assert_eq!(columns, "5");
}

#[test]
fn python_executes_one_statement() {
    let instance = with_table();
    let body = r#"{"stmt": {"sql": "INSERT INTO t (a, b) VALUES (?, ?)", "args": [{"type": "text", "value": "x"}, {"type": "blob", "base64": "AP8B"}], "named_args": [], "want_rows": true}}"#;
    let answer = send(&instance, "/v1/execute", body);
    assert_eq!(answer["result"]["affected_row_count"], 1);
    let body = json!({ "stmt": { "sql": "SELECT * FROM nope" } });
    let (status, error) = instance.try_post("/v1/execute", &body);
    let expected = json!({ "message": "no such table: nope", "code": "SQLITE_ERROR" });
    assert_eq!(status, 400);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("no such table: nope")
    );
    assert_eq!(error["code"], expected["code"]);
}

#[test]
fn python_sends_a_batch_that_fails() {
    let instance = with_table();
    let body = r#"{"batch": {"steps": [{"stmt": {"sql": "BEGIN", "want_rows": false}}, {"condition": {"type": "ok", "step": 0}, "stmt": {"sql": "INSERT INTO t (id) VALUES (7)", "args": [], "named_args": [], "want_rows": true}}, {"condition": {"type": "ok", "step": 1}, "stmt": {"sql": "INSERT INTO t (id) VALUES (7)", "args": [], "named_args": [], "want_rows": true}}, {"condition": {"type": "ok", "step": 2}, "stmt": {"sql": "COMMIT", "want_rows": false}}, {"condition": {"type": "not", "cond": {"type": "ok", "step": 3}}, "stmt": {"sql": "ROLLBACK", "want_rows": false}}]}}"#;
    let answer = send(&instance, "/v1/batch", body);
    let errors = &answer["result"]["step_errors"];
    assert_eq!(errors[2]["code"], "SQLITE_CONSTRAINT_PRIMARYKEY");
    assert_eq!((&errors[0], &errors[4]), (&Value::Null, &Value::Null));
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}
