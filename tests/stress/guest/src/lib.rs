//! The component under test: SQLite over the engine's VFS, bound to the same imports by the same
//! source as the replicator.
#![cfg(target_family = "wasm")]

#[path = "../../../../guest/replicator/src/files.rs"]
mod files;
#[path = "../../../../guest/replicator/src/sandbox.rs"]
mod sandbox;

wit_bindgen::generate!({
    path: ["../../../wit/objects", "../../../wit/live", "../../../wit/replicator", "wit"],
    world: "seawall:stress/stress",
    generate_all,
});

use engine::ports::{Environment, LogLevel};
use engine::vfs;
use exports::seawall::stress::sql;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use seawall::replicator::report;
use std::rc::Rc;
use std::sync::Once;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const VFS_NAME: &str = "stress";

struct Imports;

impl Environment for Imports {
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |elapsed| elapsed.as_millis() as u64)
    }

    fn random(&self) -> u64 {
        sandbox::random()
    }

    fn log(&self, _level: LogLevel, message: &str) {
        report::log(report::Level::Info, message);
    }

    fn progress(&self, done: u64, total: u64) {
        report::progress(done, total);
    }
}

fn failure(error: rusqlite::Error) -> sql::Failure {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    let text = error.to_string();
    sql::Failure { code, text }
}

fn value(value: ValueRef) -> sql::Value {
    match value {
        ValueRef::Null => sql::Value::Null,
        ValueRef::Integer(integer) => sql::Value::Integer(integer),
        ValueRef::Text(text) => sql::Value::Text(String::from_utf8_lossy(text).into_owned()),
        // No statement of the test returns any of these; it would be taken for damage.
        ValueRef::Real(_) | ValueRef::Blob(_) => sql::Value::Text("neither is expected".into()),
    }
}

struct Component;

impl sql::Guest for Component {
    type Connection = Shared;
}

struct Shared(Connection);

impl Shared {
    fn rows(&self, text: &str, parameters: &[i64]) -> rusqlite::Result<Vec<Vec<sql::Value>>> {
        let mut statement = self.0.prepare_cached(text)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(parameters), |row| {
            (0..columns)
                .map(|column| row.get_ref(column).map(value))
                .collect()
        })?;
        rows.collect()
    }
}

impl sql::GuestConnection for Shared {
    fn open(busy_ms: u32) -> Result<sql::Connection, sql::Failure> {
        static REGISTER: Once = Once::new();
        REGISTER.call_once(|| {
            vfs::register(VFS_NAME, Rc::new(files::Live), Rc::new(Imports));
        });
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(vfs::DATABASE_NAME, flags, VFS_NAME)
            .map_err(failure)?;
        connection
            .busy_timeout(Duration::from_millis(busy_ms.into()))
            .map_err(failure)?;
        Ok(sql::Connection::new(Shared(connection)))
    }

    fn execute(&self, text: String, parameters: Vec<i64>) -> Result<u64, sql::Failure> {
        self.rows(&text, &parameters)
            .map(|rows| rows.len() as u64)
            .map_err(failure)
    }

    fn query(
        &self,
        text: String,
        parameters: Vec<i64>,
    ) -> Result<Vec<Vec<sql::Value>>, sql::Failure> {
        self.rows(&text, &parameters).map_err(failure)
    }

    fn checkpoint(&self, mode: sql::CheckpointMode) -> Result<bool, sql::Failure> {
        let mode = match mode {
            sql::CheckpointMode::Passive => "PASSIVE",
            sql::CheckpointMode::Full => "FULL",
            sql::CheckpointMode::Restart => "RESTART",
            sql::CheckpointMode::Truncate => "TRUNCATE",
        };
        let busy: i64 = self
            .0
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                row.get(0)
            })
            .map_err(failure)?;
        Ok(busy == 0)
    }

    fn keep_checkpoint_lock(&self) -> bool {
        vfs::keep_checkpoint_lock(&self.0)
    }
}

export!(Component);
