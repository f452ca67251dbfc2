//! Several instances on one store in memory, each with SQLite on top.

mod commits;
mod reads;
mod upkeep;

use super::{Connection, Database, Edge, Freshness, Settings, Wait};
use crate::ltx::Layout;
use crate::testing::MemoryStore;
use crate::testing::TestEnvironment;
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Block;

impl Wait for Block {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        futures::executor::block_on(future)
    }
}

static INSTANCES: AtomicU64 = AtomicU64::new(1);

/// One instance.
pub(super) struct Instance {
    pub database: Database<MemoryStore>,
    pub clock: Rc<TestEnvironment>,
}

pub(super) const SETTINGS: Settings = Settings {
    layout: Layout::Hexadecimal,
    writer: 0,
    read_only: false,
    freshness: Freshness::Strong,
    cache_bytes: 4 << 20,
    transaction_bytes: 64 << 20,
};

impl Instance {
    pub fn new(store: &MemoryStore) -> Instance {
        Instance::with(store, SETTINGS)
    }

    pub fn with(store: &MemoryStore, settings: Settings) -> Instance {
        let number = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let clock = Rc::new(TestEnvironment::default());
        clock.now_ms.set(1_000_000);
        let settings = Settings {
            writer: number,
            ..settings
        };
        let edge = Edge::new(store.clone(), clock.clone(), settings);
        let name = format!("edge-{number}");
        let database = Database::register(&name, edge, clock.clone(), Block).unwrap();
        Instance { database, clock }
    }

    pub fn connect(&self) -> Connection {
        self.database.connect().unwrap()
    }
}

pub(super) fn count(connection: &Connection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}
