use super::Instance;
use engine::testing::MemoryStore;
use serde_json::{Value, json};

#[test]
fn values_come_back_as_they_were_sent() {
    let instance = Instance::new(&MemoryStore::new());
    let values = json!([
        { "type": "null" },
        { "type": "integer", "value": "-9223372036854775808" },
        { "type": "integer", "value": "9223372036854775807" },
        { "type": "float", "value": 1.0 },
        { "type": "float", "value": -0.1 },
        { "type": "text", "value": "é \" \u{0} 🦀" },
        { "type": "text", "value": "" },
        { "type": "blob", "base64": "" },
        { "type": "blob", "base64": "AP8B/w" },
    ]);
    let sql = format!("SELECT {}", ["?"; 9].join(", "));
    let result = instance.execute(json!({ "sql": sql, "args": values }));
    assert_eq!(result["rows"][0], values);
}

#[test]
fn blobs_may_have_padding_and_floats_may_look_like_integers() {
    let instance = Instance::new(&MemoryStore::new());
    let given = json!([{ "type": "blob", "base64": "AA==" }, { "type": "float", "value": 2 }]);
    let sql = "SELECT ?, ?, typeof(?2)";
    let result = instance.execute(json!({ "sql": sql, "args": given }));
    let expected = json!([
        { "type": "blob", "base64": "AA" },
        { "type": "float", "value": 2.0 },
        { "type": "text", "value": "real" },
    ]);
    assert_eq!(result["rows"][0], expected);
}

#[test]
fn infinity_is_a_number_that_is_too_large() {
    let instance = Instance::new(&MemoryStore::new());
    let body = json!({ "stmt": { "sql": "SELECT 9e999, -9e999" } }).to_string();
    let head = crate::Head {
        method: "POST",
        path: "/v1/execute",
        origin: None,
        authorization: Some("Bearer secret"),
    };
    let answer = String::from_utf8(instance.send(head, &body).body).unwrap();
    let floats = r#"{"type":"float","value":1e999},{"type":"float","value":-1e999}"#;
    assert!(answer.contains(floats), "{answer}");
}

#[test]
fn text_that_json_cannot_hold_is_an_error_and_not_another_text() {
    let instance = Instance::new(&MemoryStore::new());
    let error = instance.sql("SELECT 1, CAST(x'ff' AS TEXT)");
    assert_eq!(error["code"], "SQLITE_MISMATCH");
    assert!(error["message"].as_str().unwrap().contains("column 2"));
}

#[test]
fn what_is_no_value_is_refused() {
    let instance = Instance::new(&MemoryStore::new());
    for value in [
        json!({ "type": "integer", "value": 1 }),
        json!({ "type": "integer", "value": "9223372036854775808" }),
        json!({ "type": "blob", "base64": "?" }),
        json!({ "type": "date", "value": "today" }),
        json!(1),
    ] {
        let body = json!({ "stmt": { "sql": "SELECT ?", "args": [value] } });
        let (status, error) = instance.try_post("/v1/execute", &body);
        assert_eq!(status, 400, "{value}");
        assert_eq!(error["code"], "HRANA_PROTO_ERROR", "{value}");
    }
}

fn bound(instance: &Instance, sql: &str, args: Value, named: Value) -> Value {
    let named: Vec<Value> = named
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": { "type": "text", "value": value } }))
        .collect();
    let args: Vec<Value> = args
        .as_array()
        .unwrap()
        .iter()
        .map(|value| json!({ "type": "text", "value": value }))
        .collect();
    let result = instance.execute(json!({ "sql": sql, "args": args, "named_args": named }));
    match result["rows"][0].as_array() {
        Some(row) => row.iter().map(|value| value["value"].clone()).collect(),
        None => result["code"].clone(),
    }
}

#[test]
fn arguments_find_their_parameters_by_place_and_by_name() {
    let instance = Instance::new(&MemoryStore::new());
    let wrong = json!("HRANA_PROTO_ERROR");
    for (sql, args, named, expected) in [
        (
            "SELECT ?, ?",
            json!(["a", "b"]),
            json!({}),
            json!(["a", "b"]),
        ),
        (
            "SELECT ?2, ?1",
            json!(["a", "b"]),
            json!({}),
            json!(["b", "a"]),
        ),
        (
            "SELECT :x, @y, $z",
            json!([]),
            json!({"x": "1", "y": "2", "z": "3"}),
            json!(["1", "2", "3"]),
        ),
        (
            "SELECT :x, @x",
            json!([]),
            json!({":x": "1", "@x": "2"}),
            json!(["1", "2"]),
        ),
        (
            "SELECT :x, :x",
            json!([]),
            json!({"x": "1"}),
            json!(["1", "1"]),
        ),
        (
            "SELECT ?, :x",
            json!(["a"]),
            json!({"x": "1"}),
            json!(["a", "1"]),
        ),
        // The name goes before the place.
        ("SELECT :x", json!(["a"]), json!({"x": "1"}), json!(["1"])),
        ("SELECT :x", json!(["a"]), json!({}), json!(["a"])),
        ("SELECT ?, ?", json!(["a"]), json!({}), wrong.clone()),
        ("SELECT ?", json!(["a", "b"]), json!({}), wrong.clone()),
        ("SELECT 1", json!(["a"]), json!({}), wrong.clone()),
        ("SELECT :x", json!([]), json!({}), wrong.clone()),
        (
            "SELECT :x",
            json!([]),
            json!({"x": "1", "y": "2"}),
            wrong.clone(),
        ),
        ("SELECT :é", json!([]), json!({"é": "1"}), json!(["1"])),
    ] {
        assert_eq!(bound(&instance, sql, args, named), expected, "{sql}");
    }
}

#[test]
fn results_say_what_changed_and_what_columns_are() {
    let instance = Instance::new(&MemoryStore::new());
    instance.set_up("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(10) UNIQUE)");
    let inserted = instance.sql("INSERT INTO t (name) VALUES ('a'), ('b') RETURNING id AS i");
    let expected = json!({
        "cols": [{ "name": "i", "decltype": "INTEGER" }],
        "rows": [[{ "type": "integer", "value": "1" }], [{ "type": "integer", "value": "2" }]],
        "affected_row_count": 2,
        "last_insert_rowid": "2",
        "replication_index": null,
    });
    assert_eq!(inserted, expected);
    let read = instance.sql("SELECT name, 1 AS one FROM t WHERE id > 5");
    let expected = json!({
        "cols": [{ "name": "name", "decltype": "VARCHAR(10)" }, { "name": "one", "decltype": null }],
        "rows": [],
        "affected_row_count": 0,
        "last_insert_rowid": null,
        "replication_index": null,
    });
    assert_eq!(read, expected);
    let unwanted = instance.execute(json!({ "sql": "SELECT name FROM t", "want_rows": false }));
    assert_eq!(unwanted["rows"], json!([]));
    assert_eq!(unwanted["cols"][0]["name"], "name");
}

#[test]
fn errors_have_sqlites_own_names_and_words() {
    let instance = Instance::new(&MemoryStore::new());
    instance.set_up(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n NOT NULL UNIQUE CHECK (n > 0));
         CREATE TABLE u (t REFERENCES t); INSERT INTO t VALUES (1, 1)",
    );
    for (sql, code, words) in [
        (
            "INSERT INTO t VALUES (2, 1)",
            "SQLITE_CONSTRAINT_UNIQUE",
            "UNIQUE constraint failed: t.n",
        ),
        (
            "INSERT INTO t VALUES (1, 2)",
            "SQLITE_CONSTRAINT_PRIMARYKEY",
            "t.id",
        ),
        (
            "INSERT INTO t VALUES (2, NULL)",
            "SQLITE_CONSTRAINT_NOTNULL",
            "t.n",
        ),
        (
            "INSERT INTO t VALUES (2, -1)",
            "SQLITE_CONSTRAINT_CHECK",
            "n > 0",
        ),
        (
            "INSERT INTO u VALUES (9)",
            "SQLITE_CONSTRAINT_FOREIGNKEY",
            "FOREIGN KEY",
        ),
        (
            "SELEC 1",
            "SQLITE_ERROR",
            "near \"SELEC\": syntax error (at byte 0",
        ),
        ("SELECT * FROM nope", "SQLITE_ERROR", "no such table: nope"),
        (
            "SELECT load_extension('x')",
            "SQLITE_ERROR",
            "not authorized to use function",
        ),
        ("ATTACH 'x' AS x", "SQLITE_AUTH", "not allowed here"),
        (
            "PRAGMA journal_mode = WAL",
            "SQLITE_AUTH",
            "not allowed here",
        ),
        ("ROLLBACK", "SQLITE_ERROR", "no transaction is active"),
        ("", "HRANA_PROTO_ERROR", "no statement"),
        ("-- nothing", "HRANA_PROTO_ERROR", "no statement"),
        ("SELECT 1; SELECT 2", "HRANA_PROTO_ERROR", "more than one"),
        (
            "CREATE TABLE v (n); INSERT INTO v VALUES (1)",
            "HRANA_PROTO_ERROR",
            "more than one",
        ),
        ("SELECT 1; and so on", "HRANA_PROTO_ERROR", "more than one"),
    ] {
        let error = instance.sql(sql);
        assert_eq!(error["code"], code, "{sql}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{sql}: {error}"
        );
    }
    let trailing = instance.sql("SELECT 1; -- and nothing else\n ;");
    assert!(trailing["rows"].is_array());
}
