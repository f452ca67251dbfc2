use super::{Instance, TOKEN};
use crate::{Head, Limits, Settings};
use engine::testing::MemoryStore;
use serde_json::{Value, json};

fn head<'a>(method: &'a str, path: &'a str, authorization: Option<&'a str>) -> Head<'a> {
    Head {
        method,
        path,
        origin: None,
        authorization,
    }
}

const SELECT: &str = r#"{"requests":[{"type":"execute","stmt":{"sql":"SELECT 1"}}]}"#;

#[test]
fn who_may_come_in_where() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let right = Some("Bearer secret");
    for (method, path, authorization, status) in [
        ("GET", "/health", None, 200),
        ("HEAD", "/health", None, 200),
        ("GET", "/version", None, 200),
        ("GET", "/v2", None, 200),
        ("GET", "/v3", None, 200),
        ("GET", "/v3-protobuf", None, 404),
        ("POST", "/v3-protobuf/pipeline", right, 404),
        ("GET", "/", None, 404),
        ("GET", "/status", None, 401),
        ("GET", "/status", right, 200),
        ("POST", "/status", right, 405),
        ("GET", "/v2/pipeline", right, 405),
        ("OPTIONS", "/v2/pipeline", None, 405),
        ("POST", "/v2/pipeline", None, 401),
        ("POST", "/v2/pipeline", Some(""), 401),
        ("POST", "/v2/pipeline", Some("secret"), 401),
        ("POST", "/v2/pipeline", Some("Bearer"), 401),
        ("POST", "/v2/pipeline", Some("Bearer "), 401),
        ("POST", "/v2/pipeline", Some("Bearer secre"), 401),
        ("POST", "/v2/pipeline", Some("Bearer secret1"), 401),
        ("POST", "/v2/pipeline", Some("Basic secret"), 401),
        ("POST", "/v2/pipeline", right, 200),
        ("POST", "/v2/pipeline?a=b", right, 200),
        ("POST", "/v3/pipeline", Some("bearer  secret "), 200),
        ("POST", "/v3/cursor", None, 401),
        ("POST", "/v1/execute", None, 401),
        ("POST", "/v1/batch", None, 401),
    ] {
        let answer = instance.send(head(method, path, authorization), SELECT);
        assert_eq!(answer.status, status, "{method} {path} {authorization:?}");
        let challenged = answer
            .headers
            .iter()
            .any(|(name, _)| *name == "www-authenticate");
        assert_eq!(challenged, status == 401, "{method} {path}");
        let is_cross_origin = |(name, _): &(&str, String)| name.starts_with("access-control");
        assert!(!answer.headers.iter().any(is_cross_origin));
        if status >= 400 {
            let error: Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(error["message"].is_string() && error["code"].is_string());
            assert_eq!(answer.content_type, "application/json");
        }
    }
}

#[test]
fn without_a_token_nobody_comes_in_unless_it_is_said_to_be_open() {
    let store = MemoryStore::new();
    let shut = Instance::with(&store, Settings::default());
    for (method, path) in [("GET", "/health"), ("POST", "/v2/pipeline")] {
        let answer = shut.send(head(method, path, Some("Bearer ")), SELECT);
        assert_eq!(answer.status, 503);
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains("SEAWALL_TOKEN") && text.contains("SEAWALL_OPEN"));
    }
    let open = Settings {
        open: true,
        ..Settings::default()
    };
    let open = Instance::with(&store, open);
    for authorization in [None, Some("Bearer None")] {
        let answer = open.send(head("POST", "/v2/pipeline", authorization), SELECT);
        assert_eq!(answer.status, 200);
    }
}

fn with_reader(store: &MemoryStore) -> Instance {
    let settings = Settings {
        token: Some(TOKEN.to_owned()),
        read_only_token: Some("look".to_owned()),
        ..Settings::default()
    };
    Instance::with(store, settings)
}

fn read(instance: &Instance, sql: &str) -> Value {
    let body = json!({ "requests": [super::execute(sql), { "type": "close" }] });
    let head = head("POST", "/v2/pipeline", Some("Bearer look"));
    let answer = instance.send(head, &body.to_string());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    super::outcome(&answer["results"][0])
}

#[test]
fn a_read_only_token_reads_and_nothing_else() {
    let store = MemoryStore::new();
    let instance = with_reader(&store);
    instance.set_up("CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (7)");
    let objects = store.keys().len();
    for sql in [
        "SELECT n FROM t",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "EXPLAIN QUERY PLAN SELECT n FROM t",
        "PRAGMA table_info(t)",
        "PRAGMA user_version",
        "BEGIN",
        "BEGIN TRANSACTION READONLY",
    ] {
        let result = read(&instance, sql);
        assert!(result["cols"].is_array(), "{sql}: {result}");
    }
    for sql in [
        "INSERT INTO t VALUES (8)",
        "WITH a AS (SELECT 8) INSERT INTO t SELECT * FROM a",
        "UPDATE t SET n = 8 RETURNING n",
        "DELETE FROM t",
        "CREATE TABLE u (n)",
        "CREATE TEMP TABLE u (n)",
        "DROP TABLE t",
        "BEGIN IMMEDIATE",
        "BEGIN EXCLUSIVE",
        "PRAGMA user_version = 3",
        "PRAGMA application_id = 3",
        "VACUUM",
        "REINDEX",
        "ANALYZE",
    ] {
        let error = read(&instance, sql);
        assert_eq!(error["code"], "SQLITE_READONLY", "{sql}: {error}");
    }
    // SQLite takes these for reading, and they are; or they fail when they would write.
    for sql in [
        "PRAGMA optimize(-1)",
        "PRAGMA optimize",
        "PRAGMA query_only = 0",
    ] {
        read(&instance, sql);
    }
    assert_eq!(store.keys().len(), objects);
    assert_eq!(instance.value("SELECT n FROM t"), "7");
}

#[test]
fn a_sequence_of_a_read_only_token_stops_where_it_would_write() {
    let store = MemoryStore::new();
    let instance = with_reader(&store);
    instance.set_up("CREATE TABLE t (n)");
    for sql in [
        "SELECT 1; INSERT INTO t VALUES (1)",
        "PRAGMA query_only = 0; BEGIN; INSERT INTO t VALUES (1); COMMIT",
    ] {
        let body = json!({ "requests": [{ "type": "sequence", "sql": sql }] });
        let head = head("POST", "/v2/pipeline", Some("Bearer look"));
        let answer = instance.send(head, &body.to_string());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["results"][0]["error"]["code"], "SQLITE_READONLY");
    }
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn a_stream_is_for_the_token_that_opened_it() {
    let store = MemoryStore::new();
    let instance = with_reader(&store);
    instance.set_up("CREATE TABLE t (n)");
    let begin = json!([
        super::execute("BEGIN"),
        super::execute("INSERT INTO t VALUES (1)")
    ]);
    let opened = instance.pipeline(&Value::Null, begin);
    let body = json!({ "baton": opened["baton"], "requests": [super::execute("COMMIT")] });
    let with_other = head("POST", "/v2/pipeline", Some("Bearer look"));
    let answer = instance.send(with_other, &body.to_string());
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &error["code"]),
        (400, &json!("BATON_INVALID"))
    );
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}

#[test]
fn before_the_body_comes_it_is_known_how_much_of_it_is_read() {
    let limits = Limits {
        body: 100,
        ..Limits::default()
    };
    let instance = Instance::limited(&MemoryStore::new(), limits);
    let right = head("POST", "/v2/pipeline", Some("Bearer secret"));
    assert_eq!(instance.server.admit(&right), Ok(100));
    assert_eq!(instance.server.admit(&head("GET", "/health", None)), Ok(0));
    let nobody = head("POST", "/v2/pipeline", None);
    assert_eq!(instance.server.admit(&nobody).unwrap_err().status, 401);
    let answer = instance.send(right, &" ".repeat(101));
    assert_eq!(answer, instance.server.too_large());
    assert_eq!(answer.status, 413);
    assert_eq!(instance.send(right, &" ".repeat(100)).status, 400);
}

#[test]
fn an_instance_says_how_it_is() {
    let store = MemoryStore::new();
    let instance = Instance::new(&store);
    let status = |instance: &Instance| -> Value {
        serde_json::from_slice(&instance.get("/status").body).unwrap()
    };
    assert_eq!(instance.get("/health").body, b"ok\n");
    let before = status(&instance);
    assert_eq!(
        (&before["txid"], &before["requests"]),
        (&Value::Null, &json!(2))
    );
    assert!(store.calls().is_empty());
    instance.set_up("CREATE TABLE t (n)");
    instance.pipeline(&Value::Null, json!([super::execute("SELECT * FROM t")]));
    instance.clock.now_ms.set(instance.clock.now_ms.get() + 5);
    let after = status(&instance);
    assert_eq!(after["txid"], "0000000000000001");
    assert_eq!(after["age_ms"], 5);
    assert_eq!(after["freshness"], "strong");
    assert_eq!(after["open_streams"], 1);
    assert_eq!(after["requests"], 5);
    assert!(after["cache"]["pages"].as_u64().unwrap() > 0);
}
