use super::{Instance, execute, outcome};
use engine::testing::MemoryStore;
use serde_json::{Value, json};

fn types(answer: &Value) -> Vec<Value> {
    let results = answer["results"].as_array().unwrap();
    let name = |result: &Value| match result["type"].as_str() {
        Some("ok") => result["response"]["type"].clone(),
        _ => result["error"]["code"].clone(),
    };
    results.iter().map(name).collect()
}

#[test]
fn every_request_is_answered_in_its_place_whether_others_failed_or_not() {
    let instance = Instance::new(&MemoryStore::new());
    let requests = json!([
        { "type": "get_autocommit" },
        { "type": "store_sql", "sql_id": 1, "sql": "SELECT 7" },
        { "type": "store_sql", "sql_id": 1, "sql": "SELECT 8" },
        { "type": "execute", "stmt": { "sql_id": 1 } },
        { "type": "execute", "stmt": { "sql_id": 2 } },
        { "type": "execute", "stmt": { "sql": "SELECT 1", "sql_id": 1 } },
        { "type": "execute", "stmt": {} },
        { "type": "describe", "sql_id": 1 },
        { "type": "sequence", "sql": "CREATE TABLE t (n); SELECT 1; INSERT INTO t VALUES (1)" },
        { "type": "sequence", "sql": "INSERT INTO t VALUES (2); INSERT INTO nope VALUES (3); DELETE FROM t" },
        { "type": "batch", "batch": { "steps": [] } },
        { "type": "execute", "stmt": { "sql": "BEGIN" } },
        { "type": "get_autocommit" },
        { "type": "close_sql", "sql_id": 1 },
        { "type": "close_sql", "sql_id": 1 },
        { "type": "execute", "stmt": { "sql_id": 1 } },
        { "type": "close" },
        { "type": "get_autocommit" },
    ]);
    let answer = instance.pipeline(&Value::Null, requests);
    let expected = [
        "get_autocommit",
        "store_sql",
        "HRANA_PROTO_ERROR",
        "execute",
        "HRANA_PROTO_ERROR",
        "HRANA_PROTO_ERROR",
        "HRANA_PROTO_ERROR",
        "describe",
        "sequence",
        "SQLITE_ERROR",
        "batch",
        "execute",
        "get_autocommit",
        "close_sql",
        "close_sql",
        "HRANA_PROTO_ERROR",
        "close",
        "STREAM_CLOSED",
    ];
    assert_eq!(types(&answer), expected);
    let results = &answer["results"];
    assert_eq!(results[0]["response"]["is_autocommit"], true);
    assert_eq!(results[12]["response"]["is_autocommit"], false);
    assert_eq!(results[3]["response"]["result"]["rows"][0][0]["value"], "7");
    assert_eq!(answer["baton"], Value::Null);
    assert_eq!(answer["base_url"], Value::Null);
    assert_eq!(instance.value("SELECT count(*) FROM t"), "2");
}

#[test]
fn fields_that_nobody_knows_are_ignored_and_requests_are_not() {
    let instance = Instance::new(&MemoryStore::new());
    let known = json!({ "requests": [{ "type": "close", "why": "no reason" }], "more": 1 });
    instance.post("/v2/pipeline", &known);
    for body in [
        json!({ "requests": [{ "type": "open" }] }),
        json!({ "requests": [{ "type": "execute" }] }),
        json!({}),
        json!([]),
    ] {
        let (status, error) = instance.try_post("/v2/pipeline", &body);
        assert_eq!((status, &error["code"]), (400, &json!("HRANA_PROTO_ERROR")));
    }
}

#[test]
fn a_statement_is_described() {
    let instance = Instance::new(&MemoryStore::new());
    instance.set_up("CREATE TABLE t (n INTEGER)");
    let describe = |sql: &str| {
        let requests = json!([{ "type": "describe", "sql": sql }, { "type": "close" }]);
        outcome(&instance.pipeline(&Value::Null, requests)["results"][0])
    };
    let expected = json!({
        "params": [{ "name": null }, { "name": ":a" }, { "name": "?3" }],
        "cols": [{ "name": "n", "decltype": "INTEGER" }, { "name": "x", "decltype": null }],
        "is_explain": false,
        "is_readonly": true,
    });
    assert_eq!(describe("SELECT n, ? + :a + ?3 AS x FROM t"), expected);
    let explained = describe("EXPLAIN INSERT INTO t VALUES (1)");
    assert_eq!(
        (&explained["is_explain"], &explained["is_readonly"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(describe("SELECT 1; SELECT 2")["code"], "HRANA_PROTO_ERROR");
    assert_eq!(instance.value("SELECT count(*) FROM t"), "0");
}

/// Which of the steps were run, were run and failed, or were not.
fn run_batch(instance: &Instance, steps: Value) -> String {
    let requests = json!([{ "type": "batch", "batch": { "steps": steps } }, { "type": "close" }]);
    let result = outcome(&instance.pipeline(&Value::Null, requests)["results"][0]);
    let results = result["step_results"].as_array().unwrap();
    let errors = result["step_errors"].as_array().unwrap();
    let step = |(result, error): (&Value, &Value)| match (result.is_null(), error.is_null()) {
        (false, true) => 'r',
        (true, false) => 'e',
        (true, true) => '-',
        (false, false) => '!',
    };
    results.iter().zip(errors).map(step).collect()
}

#[test]
fn conditions_decide_which_steps_are_run() {
    let instance = Instance::new(&MemoryStore::new());
    let ok = |step: usize| json!({ "type": "ok", "step": step });
    let error = |step: usize| json!({ "type": "error", "step": step });
    let not = |cond: Value| json!({ "type": "not", "cond": cond });
    let auto = json!({ "type": "is_autocommit" });
    let select =
        |condition: Value| json!({ "condition": condition, "stmt": { "sql": "SELECT 1" } });
    // 0 succeeds, 1 fails, 2 is left out.
    for (condition, runs) in [
        (Value::Null, true),
        (ok(0), true),
        (ok(1), false),
        (ok(2), false),
        (error(0), false),
        (error(1), true),
        (error(2), false),
        (not(ok(2)), true),
        (auto.clone(), true),
        (not(auto.clone()), false),
        (json!({ "type": "and", "conds": [ok(0), error(1)] }), true),
        (json!({ "type": "and", "conds": [ok(0), error(0)] }), false),
        (json!({ "type": "and", "conds": [] }), true),
        (json!({ "type": "or", "conds": [ok(1), error(1)] }), true),
        (json!({ "type": "or", "conds": [] }), false),
    ] {
        let steps = json!([
            { "stmt": { "sql": "SELECT 1" } },
            { "stmt": { "sql": "SELECT nope" } },
            select(ok(1)),
            select(condition.clone()),
        ]);
        let expected = if runs { "re-r" } else { "re--" };
        assert_eq!(run_batch(&instance, steps), expected, "{condition}");
    }
    let steps = json!([{ "stmt": { "sql": "BEGIN" } }, select(auto.clone()), select(not(auto))]);
    assert_eq!(run_batch(&instance, steps), "r-r");
}

#[test]
fn a_batch_with_a_condition_about_what_is_to_come_is_not_begun() {
    let instance = Instance::new(&MemoryStore::new());
    let ok = |step: usize| json!({ "type": "ok", "step": step });
    let mut deep = ok(0);
    for _ in 0..16 {
        deep = json!({ "type": "not", "cond": deep });
    }
    for condition in [ok(1), ok(7), deep] {
        let create = json!({ "stmt": { "sql": "CREATE TABLE t (n)" } });
        let steps = json!([create, { "condition": condition, "stmt": { "sql": "SELECT 1" } }]);
        let requests =
            json!([{ "type": "batch", "batch": { "steps": steps } }, { "type": "close" }]);
        let error = outcome(&instance.pipeline(&Value::Null, requests)["results"][0]);
        assert_eq!(error["code"], "HRANA_PROTO_ERROR");
        assert_eq!(instance.value("SELECT count(*) FROM sqlite_schema"), "0");
    }
}

#[test]
fn a_cursor_tells_the_same_line_by_line() {
    let instance = Instance::new(&MemoryStore::new());
    let opened = instance.pipeline(&Value::Null, json!([execute("BEGIN")]));
    let body = json!({ "baton": opened["baton"], "batch": { "steps": [
        { "stmt": { "sql": "CREATE TABLE t (n INTEGER)" } },
        { "stmt": { "sql": "INSERT INTO t VALUES (1), (2)" } },
        { "stmt": { "sql": "SELECT nope" } },
        { "stmt": { "sql": "SELECT 1" }, "condition": { "type": "ok", "step": 2 } },
        { "stmt": { "sql": "SELECT n FROM t" } },
    ] } });
    let head = crate::Head {
        method: "POST",
        path: "/v3/cursor",
        origin: None,
        authorization: Some("Bearer secret"),
    };
    let answer = instance.send(head, &body.to_string());
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.ends_with('\n'));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let row = |n: &str| json!({ "type": "row", "row": [{ "type": "integer", "value": n }] });
    assert!(lines[0]["baton"].is_string() && lines[0]["base_url"].is_null());
    assert_eq!(
        lines[1],
        json!({ "type": "step_begin", "step": 0, "cols": [] })
    );
    assert_eq!(lines[4]["affected_row_count"], 2);
    assert_eq!(lines[4]["last_insert_rowid"], "2");
    assert_eq!(
        (&lines[5]["type"], &lines[5]["step"]),
        (&json!("step_error"), &json!(2))
    );
    let cols = json!([{ "name": "n", "decltype": "INTEGER" }]);
    assert_eq!(
        lines[6],
        json!({ "type": "step_begin", "step": 4, "cols": cols })
    );
    assert_eq!(lines[7..9], [row("1"), row("2")]);
    assert_eq!(lines[9]["type"], "step_end");
    assert_eq!(lines.len(), 10);
    // The stream goes on.
    instance.pipeline(
        &lines[0]["baton"],
        json!([execute("COMMIT"), { "type": "close" }]),
    );
    assert_eq!(instance.value("SELECT count(*) FROM t"), "2");
}
