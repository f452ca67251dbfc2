//! Requests to a database in a store: any bytes, and any SQL. Each has an answer that is JSON.

use crate::Clock;
use engine::edge::{Database, Edge, Freshness, Settings, Wait};
use engine::ltx::Layout;
use engine::testing::MemoryStore;
use futures::executor::block_on;
use hrana::{Head, Limits, Request, Server};
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// May be nested, unlike an executor.
struct Block;

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

/// A process keeps what it registered with SQLite: an instance serves many requests.
struct Instance {
    server: Server,
    store: MemoryStore,
    clock: Rc<Clock>,
    served: u64,
}

const SERVED: u64 = 500;

fn instance(number: u64) -> Instance {
    let (store, clock) = (MemoryStore::new(), Rc::new(Clock::default()));
    clock.0.set(1_000_000);
    let settings = Settings {
        layout: Layout::Hexadecimal,
        writer: 1,
        read_only: false,
        freshness: Freshness::Strong,
        cache_bytes: 1 << 20,
        transaction_bytes: 1 << 20,
    };
    let edge = Edge::new(store.clone(), clock.clone(), settings);
    let database = Database::register(&format!("made-up-{number}"), edge, clock.clone(), Block);
    let limits = Limits {
        response: 1 << 20,
        statement: Duration::from_millis(100),
        request: Duration::from_millis(200),
        ..Limits::default()
    };
    let settings = hrana::Settings {
        open: true,
        limits,
        ..hrana::Settings::default()
    };
    let database = Rc::new(database.expect("a name of its own"));
    let server = Server::new(database, settings, clock.clone(), async |_| {});
    Instance {
        server: server.expect("a key"),
        store,
        clock,
        served: 0,
    }
}

thread_local! {
    static INSTANCE: RefCell<(u64, Instance)> = RefCell::new((0, instance(0)));
}

const PATHS: [&str; 6] = [
    "/v3/pipeline",
    "/v2/pipeline",
    "/v3/cursor",
    "/v1/execute",
    "/v1/batch",
    "/status",
];

pub fn run(data: &[u8]) {
    let Some((&path, body)) = data.split_first() else {
        return;
    };
    INSTANCE.with_borrow_mut(|(number, instance)| {
        if instance.served >= SERVED {
            *number += 1;
            *instance = self::instance(*number);
        }
        instance.served += 1;
        let path = PATHS[usize::from(path) % PATHS.len()];
        let head = Head {
            method: if path == "/status" { "GET" } else { "POST" },
            path,
            origin: None,
            authorization: None,
        };
        let body = body.to_vec();
        let answer = block_on(instance.server.handle(Request { head, body }));
        assert!(answer.status >= 200 && answer.status != 500);
        // The next request finds an empty store, and streams that nobody came back to in time.
        for key in instance.store.keys() {
            instance.store.remove(&key);
        }
        instance.clock.0.set(instance.clock.0.get() + 10 * 60_000);
    });
}
