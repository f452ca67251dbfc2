//! Instances on one store in memory, and requests as clients send them.

mod access;
mod batons;
mod clients;
mod limits;
mod requests;
mod transactions;
mod values;

use crate::{Head, Limits, Request, Response, Server, Settings};
use engine::edge::{Database, Edge, Freshness, Wait};
use engine::ltx::Layout;
use engine::testing::{MemoryStore, TestEnvironment};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// May be nested, unlike an executor.
pub struct Block;

impl Wait for Block {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
        }
    }
}

pub const TOKEN: &str = "secret";

static INSTANCES: AtomicU64 = AtomicU64::new(1);

pub struct Instance {
    pub server: Server,
    pub clock: Rc<TestEnvironment>,
    /// Between tries.
    pub pauses: Rc<RefCell<Vec<Duration>>>,
    /// Pauses have no end.
    pub hang: Rc<Cell<bool>>,
}

impl Instance {
    pub fn new(store: &MemoryStore) -> Instance {
        Instance::limited(store, Limits::default())
    }

    pub fn limited(store: &MemoryStore, limits: Limits) -> Instance {
        let token = Some(TOKEN.to_owned());
        let settings = Settings {
            token,
            limits,
            ..Settings::default()
        };
        Instance::with(store, settings)
    }

    pub fn with(store: &MemoryStore, settings: Settings) -> Instance {
        let writer = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let clock = Rc::new(TestEnvironment::default());
        clock.now_ms.set(1_000_000);
        clock.random.set(writer * 1000);
        let edge = engine::edge::Settings {
            layout: Layout::Hexadecimal,
            writer,
            read_only: false,
            freshness: Freshness::Strong,
            cache_bytes: 4 << 20,
            transaction_bytes: 64 << 20,
        };
        let edge = Edge::new(store.clone(), clock.clone(), edge);
        let name = format!("hrana-{writer}");
        let database = Database::register(&name, edge, clock.clone(), Block).unwrap();
        let pauses = Rc::new(RefCell::new(Vec::new()));
        let hang = Rc::new(Cell::new(false));
        let (paused, hangs) = (Rc::clone(&pauses), Rc::clone(&hang));
        let pause = async move |time| {
            paused.borrow_mut().push(time);
            let over = |_: &mut Context<'_>| match hangs.get() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            };
            poll_fn(over).await;
        };
        let server = Server::new(Rc::new(database), settings, clock.clone(), pause).unwrap();
        Instance {
            server,
            clock,
            pauses,
            hang,
        }
    }

    pub fn send(&self, head: Head<'_>, body: &str) -> Response {
        let body = body.as_bytes().to_vec();
        Block.wait(self.server.handle(Request { head, body }))
    }

    pub fn get(&self, path: &str) -> Response {
        let head = Head {
            method: "GET",
            path,
            origin: None,
            authorization: Some("Bearer secret"),
        };
        self.send(head, "")
    }

    /// With the status of the answer.
    pub fn try_post(&self, path: &str, body: &Value) -> (u16, Value) {
        let head = Head {
            method: "POST",
            path,
            origin: None,
            authorization: Some("Bearer secret"),
        };
        let answer = self.send(head, &body.to_string());
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_post(path, body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// On a stream of its own, which is closed; or on the one that `baton` leads to.
    pub fn pipeline(&self, baton: &Value, requests: Value) -> Value {
        self.post(
            "/v3/pipeline",
            &json!({ "baton": baton, "requests": requests }),
        )
    }

    /// One statement alone: its result, or its error.
    pub fn execute(&self, stmt: Value) -> Value {
        let close = json!({ "type": "close" });
        let execute = json!({ "type": "execute", "stmt": stmt });
        let answer = self.pipeline(&Value::Null, json!([execute, close]));
        outcome(&answer["results"][0])
    }

    pub fn sql(&self, sql: &str) -> Value {
        self.execute(json!({ "sql": sql }))
    }

    /// The only value of the only row.
    pub fn value(&self, sql: &str) -> Value {
        self.sql(sql)["rows"][0][0]["value"].clone()
    }

    pub fn set_up(&self, sql: &str) {
        let close = json!({ "type": "close" });
        let sequence = json!({ "type": "sequence", "sql": sql });
        let answer = self.pipeline(&Value::Null, json!([sequence, close]));
        assert_eq!(answer["results"][0]["type"], "ok", "{answer}");
    }
}

/// The `result` of a response, or the error.
pub fn outcome(result: &Value) -> Value {
    match result["type"].as_str() {
        Some("ok") => result["response"]["result"].clone(),
        _ => result["error"].clone(),
    }
}

pub fn execute(sql: &str) -> Value {
    json!({ "type": "execute", "stmt": { "sql": sql } })
}
