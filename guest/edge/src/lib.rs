//! The component of a database that lives in the store. There is no logic here.
#![cfg(target_family = "wasm")]

mod sandbox;
mod sqlite;
mod store;

wit_bindgen::generate!({
    path: ["../../wit/objects", "../../wit/deps/spin-sqlite@3.1.0", "../../wit/edge"],
    world: "seawall:edge/edge",
    with: { "seawall:objects/store@0.1.0": objects::seawall::objects::store },
    generate_all,
});

use engine::edge::{Database, Edge, Freshness, Settings, Wait};
use engine::ltx::Layout;
use engine::ports::{Environment, LogLevel};
use seawall::edge::settings;
use std::future::Future;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};
use wit_bindgen::rt::async_support::{backpressure_dec, backpressure_inc};

struct Component;

export!(Component);

struct Imports;

impl Environment for Imports {
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |elapsed| elapsed.as_millis() as u64)
    }

    fn random(&self) -> u64 {
        sandbox::random()
    }

    fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Error => settings::Level::Error,
            LogLevel::Warn => settings::Level::Warn,
            LogLevel::Info => settings::Level::Info,
            LogLevel::Debug => settings::Level::Debug,
        };
        settings::log(level, message);
    }

    fn progress(&self, _done: u64, _total: u64) {}
}

/// SQLite's C code stands still until the store has answered. Whoever sends requests is told
/// meanwhile that this instance takes no others.
struct Blocking;

impl Wait for Blocking {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        backpressure_inc();
        let answer = wit_bindgen::block_on(future);
        backpressure_dec();
        answer
    }
}

thread_local! {
    static DATABASE: Result<Rc<Database<store::Store>>, String> = register();
}

fn database() -> Result<Rc<Database<store::Store>>, String> {
    DATABASE.with(Clone::clone)
}

fn register() -> Result<Rc<Database<store::Store>>, String> {
    let environment = Rc::new(Imports);
    let settings = Settings {
        layout: Layout::Hexadecimal,
        writer: sandbox::random(),
        read_only: settings::get("read-only").as_deref() == Some("true"),
        freshness: Freshness::Strong,
        cache_bytes: 16 << 20,
        transaction_bytes: 64 << 20,
    };
    let edge = Edge::new(store::Store, environment.clone(), settings);
    let database = Database::register("seawall", edge, environment, Blocking);
    database.map(Rc::new).map_err(|error| error.to_string())
}
