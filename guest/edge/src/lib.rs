//! The component of a database that lives in the store. There is no logic here.
#![cfg(target_family = "wasm")]

mod http;
mod said;
mod sandbox;
mod sqlite;
mod store;
mod upkeep;

wit_bindgen::generate!({
    path: ["../../wit/objects", "../../wit/deps/spin-sqlite@3.1.0", "../../wit/edge"],
    world: "seawall:edge/edge",
    with: { "seawall:objects/store@0.1.0": objects::seawall::objects::store },
    generate_all,
});

use engine::edge::{Database, Edge, Settings, Wait};
use engine::ports::{Environment, LogLevel};
use hrana::Server;
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

/// What this instance has.
struct World {
    database: Rc<Database<store::Store>>,
    server: Rc<Server>,
}

thread_local! {
    static WORLD: Result<World, String> = begin();
}

fn database() -> Result<Rc<Database<store::Store>>, String> {
    WORLD.with(|world| {
        world
            .as_ref()
            .map(|world| Rc::clone(&world.database))
            .map_err(Clone::clone)
    })
}

fn server() -> Result<Rc<Server>, String> {
    WORLD.with(|world| {
        world
            .as_ref()
            .map(|world| Rc::clone(&world.server))
            .map_err(Clone::clone)
    })
}

fn begin() -> Result<World, String> {
    // Built so, the component is told a fault's number.
    #[cfg(feature = "mutants")]
    engine::mutants::choose(
        settings::get("mutant").map_or(0, |number| number.parse().unwrap_or(0)),
    );
    let environment: Rc<dyn Environment> = Rc::new(Imports);
    let said = said::Said::read(settings::get)?;
    let settings = Settings {
        layout: said.layout,
        writer: sandbox::random(),
        read_only: said.read_only,
        freshness: said.freshness,
        cache_bytes: said.cache,
        transaction_bytes: said.max_transaction,
    };
    let edge = Edge::new(store::Store, Rc::clone(&environment), settings);
    let database = Database::register("seawall", edge, Rc::clone(&environment), Blocking);
    let database = Rc::new(database.map_err(|error| error.to_string())?);
    let settings = hrana::Settings::read(settings::get).map_err(|error| error.to_string())?;
    let server = Server::new(Rc::clone(&database), settings, environment, http::pause);
    let server = Rc::new(server.ok_or("the server cannot be set up")?);
    Ok(World { database, server })
}
