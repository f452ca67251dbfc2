use super::{Block, Instance, TOKEN, execute};
use crate::{Head, Limits, Request, Settings};
use engine::edge::Wait;
use engine::testing::MemoryStore;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// A stream with a transaction that has written; the baton to it.
fn begun(instance: &Instance) -> Value {
    let requests = json!([
        execute("BEGIN IMMEDIATE"),
        execute("INSERT INTO t VALUES (1)")
    ]);
    let answer = instance.pipeline(&Value::Null, requests);
    assert_eq!(answer["results"][1]["type"], "ok", "{answer}");
    answer["baton"].clone()
}

fn commit(instance: &Instance, baton: &Value) -> (u16, Value) {
    let requests = json!([execute("COMMIT"), { "type": "close" }]);
    instance.try_post(
        "/v2/pipeline",
        &json!({ "baton": baton, "requests": requests }),
    )
}

fn with_table(store: &MemoryStore, limits: Limits) -> Instance {
    let instance = Instance::limited(store, limits);
    instance.set_up("CREATE TABLE t (n)");
    instance
}

fn count(instance: &Instance) -> Value {
    instance.value("SELECT count(*) FROM t")
}

#[test]
fn a_transaction_goes_on_from_request_to_request() {
    let instance = with_table(&MemoryStore::new(), Limits::default());
    let first = begun(&instance);
    let insert = json!([execute("INSERT INTO t VALUES (2)")]);
    let second = instance.pipeline(&first, insert)["baton"].clone();
    assert!(second.is_string() && second != first);
    assert_eq!(count(&instance), "0");
    let (status, answer) = commit(&instance, &second);
    assert_eq!((status, &answer["baton"]), (200, &Value::Null));
    assert_eq!(answer["results"][0]["type"], "ok");
    assert_eq!(count(&instance), "2");
}

#[test]
fn a_baton_that_was_used_closes_its_stream() {
    let instance = with_table(&MemoryStore::new(), Limits::default());
    let first = begun(&instance);
    let second = instance.pipeline(&first, json!([]))["baton"].clone();
    let (status, error) = commit(&instance, &first);
    assert_eq!((status, &error["code"]), (400, &json!("BATON_REUSED")));
    let (status, error) = commit(&instance, &second);
    assert_eq!((status, &error["code"]), (400, &json!("STREAM_EXPIRED")));
    assert_eq!(count(&instance), "0");
}

#[test]
fn a_stream_that_was_closed_is_gone() {
    let instance = with_table(&MemoryStore::new(), Limits::default());
    let baton = begun(&instance);
    instance.pipeline(&baton, json!([{ "type": "close" }]));
    let (status, error) = commit(&instance, &baton);
    assert_eq!((status, &error["code"]), (400, &json!("STREAM_EXPIRED")));
    assert_eq!(count(&instance), "0");
}

#[test]
fn a_baton_of_another_instance_is_told_from_a_forged_one_by_who_shares_the_key() {
    let store = MemoryStore::new();
    let keyed = |key: &str| {
        let settings = Settings {
            token: Some(TOKEN.to_owned()),
            baton_key: Some(key.to_owned()),
            ..Settings::default()
        };
        Instance::with(&store, settings)
    };
    let (a, b, c) = (keyed("k"), keyed("k"), keyed("other"));
    a.set_up("CREATE TABLE t (n)");
    let baton = begun(&a);
    assert_eq!(commit(&b, &baton).1["code"], "STREAM_ELSEWHERE");
    for instance in [&c, &Instance::new(&store)] {
        let (status, error) = commit(instance, &baton);
        assert_eq!((status, &error["code"]), (400, &json!("BATON_INVALID")));
        assert!(error["message"].as_str().unwrap().contains("instance"));
    }
    assert_eq!(commit(&a, &json!("nonsense")).1["code"], "BATON_INVALID");
    // Where it belongs it is still good.
    assert_eq!(commit(&a, &baton).0, 200);
    assert_eq!(count(&b), "1");
}

#[test]
fn a_stream_that_nobody_comes_back_to_is_closed() {
    let limits = Limits {
        stream_idle: Duration::from_secs(10),
        ..Limits::default()
    };
    let instance = with_table(&MemoryStore::new(), limits);
    let pass = |ms: u64| instance.clock.now_ms.set(instance.clock.now_ms.get() + ms);
    let first = begun(&instance);
    pass(10_000);
    let second = instance.pipeline(&first, json!([]))["baton"].clone();
    // Each request begins the time anew.
    pass(10_000);
    let third = instance.pipeline(&second, json!([]))["baton"].clone();
    pass(10_001);
    assert_eq!(instance.server.streams.open(), 1);
    instance.server.sweep();
    assert_eq!(instance.server.streams.open(), 0);
    let (status, error) = commit(&instance, &third);
    assert_eq!((status, &error["code"]), (400, &json!("STREAM_EXPIRED")));
    assert_eq!(count(&instance), "0");
}

#[test]
fn the_oldest_stream_without_a_transaction_makes_room() {
    let limits = Limits {
        streams: 2,
        ..Limits::default()
    };
    let instance = with_table(&MemoryStore::new(), limits);
    let idle = instance.pipeline(&Value::Null, json!([]))["baton"].clone();
    let first = begun(&instance);
    let second = begun(&instance);
    assert_eq!(commit(&instance, &idle).1["code"], "STREAM_EXPIRED");
    // Both hold one: a third has to wait, but what needs no place does not.
    let body = json!({ "requests": [execute("BEGIN")] });
    let (status, error) = instance.try_post("/v2/pipeline", &body);
    assert_eq!((status, &error["code"]), (503, &json!("TOO_MANY_STREAMS")));
    assert_eq!(count(&instance), "0");
    assert_eq!(commit(&instance, &first).0, 200);
    begun(&instance);
    let (_, refused) = commit(&instance, &second);
    assert_eq!(refused["results"][0]["error"]["code"], "SQLITE_BUSY");
}

/// A stream, and a request on it that pauses since another instance was faster.
fn outrun(store: &MemoryStore) -> (Instance, Value, Vec<u8>) {
    let instance = with_table(store, Limits::default());
    let baton = instance.pipeline(&Value::Null, json!([execute("SELECT 1")]))["baton"].clone();
    super::transactions::outrun(store, 1);
    instance.hang.set(true);
    let body = json!({ "baton": baton, "requests": [execute("INSERT INTO t VALUES (1)")] });
    (instance, baton, body.to_string().into_bytes())
}

const PIPELINE: Head<'_> = Head {
    method: "POST",
    path: "/v2/pipeline",
    origin: None,
    authorization: Some("Bearer secret"),
};

#[test]
fn a_request_that_is_given_up_takes_its_stream_with_it() {
    let (instance, _, body) = outrun(&MemoryStore::new());
    let head = PIPELINE;
    let mut request = Box::pin(instance.server.handle(Request { head, body }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(request.as_mut().poll(&mut context).is_pending());
    assert_eq!(instance.server.streams.open(), 1);
    drop(request);
    assert_eq!(instance.server.streams.open(), 0);
    assert_eq!(count(&instance), "0");
}

#[test]
fn a_baton_that_comes_again_while_its_request_runs_closes_the_stream_after_it() {
    let (instance, baton, body) = outrun(&MemoryStore::new());
    let head = PIPELINE;
    let mut request = pin!(instance.server.handle(Request { head, body }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(request.as_mut().poll(&mut context).is_pending());
    assert_eq!(commit(&instance, &baton).1["code"], "BATON_REUSED");
    instance.hang.set(false);
    let answer: Value = serde_json::from_slice(&Block.wait(request).body).unwrap();
    assert_eq!(answer["results"][0]["type"], "ok");
    assert_eq!(answer["baton"], Value::Null);
    assert_eq!(instance.server.streams.open(), 0);
    assert_eq!(count(&instance), "1");
}

#[test]
fn a_stream_that_is_left_open_goes_on_where_it_is() {
    let settings = Settings {
        token: Some(TOKEN.to_owned()),
        base_path: Some("/instance/3/".to_owned()),
        ..Settings::default()
    };
    let instance = Instance::with(&MemoryStore::new(), settings);
    let ask = |requests: Value| -> Value {
        let head = Head {
            origin: Some("https://db.example.com"),
            ..PIPELINE
        };
        let body = json!({ "baton": null, "requests": requests }).to_string();
        serde_json::from_slice(&instance.send(head, &body).body).unwrap()
    };
    let open = ask(json!([execute("BEGIN")]));
    assert_eq!(open["base_url"], "https://db.example.com/instance/3/");
    let closed = ask(json!([execute("SELECT 1"), { "type": "close" }]));
    assert_eq!(closed["base_url"], Value::Null);
}
