//! SQLite in the component, hosted as the program hosts it: the same files, the same answers to
//! the import `seawall:live/files`.

// The program's own source: what is tested here is what runs there.
#[path = "../../../host/src/component/live.rs"]
mod live;

pub mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/objects", "../../wit/live", "../../wit/replicator", "guest/wit"],
        world: "seawall:stress/stress",
        with: {
            "seawall:live/files.file": crate::live::LiveFile,
            "seawall:live/files.shared-memory": crate::live::SharedMemory,
        },
        imports: { default: trappable },
    });
}

use crate::invariants::Violation;
use crate::live::Files;
use crate::sql::{self, BUSY_WAIT, Checkpoint, Failure, Sqlite};
use bindings::exports::seawall::stress::sql as wit;
use bindings::seawall::replicator::report;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use wasmtime::component::{Component, HasSelf, Linker, ResourceAny, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The component, sound or deliberately broken (the engine's features of these names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Variant {
    Sound,
    BrokenPull,
    BrokenPush,
    BrokenHash,
}

impl Variant {
    pub fn name(self) -> &'static str {
        match self {
            Variant::Sound => "sound",
            Variant::BrokenPull => "broken-pull",
            Variant::BrokenPush => "broken-push",
            Variant::BrokenHash => "broken-hash",
        }
    }

    fn compiled(self) -> &'static [u8] {
        match self {
            Variant::Sound => include_bytes!(concat!(env!("OUT_DIR"), "/sound.cwasm")),
            Variant::BrokenPull => include_bytes!(concat!(env!("OUT_DIR"), "/broken-pull.cwasm")),
            Variant::BrokenPush => include_bytes!(concat!(env!("OUT_DIR"), "/broken-push.cwasm")),
            Variant::BrokenHash => include_bytes!(concat!(env!("OUT_DIR"), "/broken-hash.cwasm")),
        }
    }
}

/// What the instance may touch.
pub struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    files: Files,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl report::Host for State {
    fn log(&mut self, _level: report::Level, message: String) -> wasmtime::Result<()> {
        eprintln!("guest: {message}");
        Ok(())
    }

    fn progress(&mut self, _done: u64, _total: u64) -> wasmtime::Result<()> {
        Ok(())
    }
}

struct Instance {
    store: Store<State>,
    world: bindings::Stress,
}

/// One instance of the component on one database.
pub struct Guest {
    instance: Rc<RefCell<Instance>>,
    variant: Variant,
}

impl Guest {
    pub fn new(variant: Variant, database: &Path) -> wasmtime::Result<Guest> {
        use wasmtime_wasi::p2::bindings::{clocks, random};
        let engine = Engine::new(&Config::new())?;
        // SAFETY: `build.rs` of this very program made these bytes with the same wasmtime.
        let component = unsafe { Component::deserialize(&engine, variant.compiled())? };
        let mut linker = Linker::new(&engine);
        bindings::Stress::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        clocks::wall_clock::add_to_linker::<State, WasiClocks>(&mut linker, State::clocks)?;
        clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(&mut linker, State::clocks)?;
        random::random::add_to_linker::<State, WasiRandom>(&mut linker, State::random)?;
        random::insecure_seed::add_to_linker::<State, WasiRandom>(&mut linker, State::random)?;
        let state = State {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().build(),
            files: Files::new(database),
        };
        let mut store = Store::new(&engine, state);
        let world = bindings::Stress::instantiate(&mut store, &component, &linker)?;
        Ok(Guest {
            instance: Rc::new(RefCell::new(Instance { store, world })),
            variant,
        })
    }
}

/// The outer error is a trap, the inner one SQLite's.
fn answer<T>(result: wasmtime::Result<Result<T, wit::Failure>>) -> Result<T, Failure> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(Failure::of_code(failure.code, failure.text)),
        Err(trap) => Err(Violation::Trap(format!("{trap:?}")).into()),
    }
}

impl Sqlite for Guest {
    fn open(&mut self) -> Result<Box<dyn sql::Connection>, Failure> {
        let mut instance = self.instance.borrow_mut();
        let Instance { store, world } = &mut *instance;
        let handle = answer(
            world
                .seawall_stress_sql()
                .connection()
                .call_open(store, BUSY_WAIT.as_millis() as u32),
        )?;
        Ok(Box::new(Connection {
            instance: Rc::clone(&self.instance),
            handle,
        }))
    }

    fn version(&self) -> String {
        format!("guest ({})", self.variant.name())
    }
}

struct Connection {
    instance: Rc<RefCell<Instance>>,
    handle: ResourceAny,
}

impl Connection {
    fn call<T>(
        &self,
        call: impl FnOnce(
            &mut Store<State>,
            wit::GuestConnection,
        ) -> wasmtime::Result<Result<T, wit::Failure>>,
    ) -> Result<T, Failure> {
        let mut instance = self.instance.borrow_mut();
        let Instance { store, world } = &mut *instance;
        answer(call(store, world.seawall_stress_sql().connection()))
    }
}

impl sql::Connection for Connection {
    fn execute(&mut self, text: &str, parameters: &[i64]) -> Result<(), Failure> {
        self.call(|store, guest| guest.call_execute(store, self.handle, text, parameters))?;
        Ok(())
    }

    fn query(&mut self, text: &str, parameters: &[i64]) -> Result<Vec<Vec<sql::Value>>, Failure> {
        let rows =
            self.call(|store, guest| guest.call_query(store, self.handle, text, parameters))?;
        let value = |value| match value {
            wit::Value::Null => sql::Value::Null,
            wit::Value::Integer(integer) => sql::Value::Integer(integer),
            wit::Value::Text(text) => sql::Value::Text(text),
        };
        Ok(rows
            .into_iter()
            .map(|row| row.into_iter().map(value).collect())
            .collect())
    }

    fn checkpoint(&mut self, mode: Checkpoint) -> Result<bool, Failure> {
        let mode = match mode {
            Checkpoint::Passive => wit::CheckpointMode::Passive,
            Checkpoint::Full => wit::CheckpointMode::Full,
            Checkpoint::Restart => wit::CheckpointMode::Restart,
            Checkpoint::Truncate => wit::CheckpointMode::Truncate,
        };
        self.call(|store, guest| guest.call_checkpoint(store, self.handle, mode))
    }

    fn keep_checkpoint_lock(&mut self) -> bool {
        let kept =
            self.call(|store, guest| guest.call_keep_checkpoint_lock(store, self.handle).map(Ok));
        kept.unwrap_or(false)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // After a trap there is nothing to close any more.
        let _ = self
            .handle
            .resource_drop(&mut self.instance.borrow_mut().store);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::Python;
    use crate::schema;

    /// Closing, SQLite takes EXCLUSIVE on the database file and after that none of the WAL-index's
    /// locks: nothing but that one lock tells a guest to look again before it removes the WAL.
    #[test]
    fn a_guest_that_closes_last_keeps_what_others_have_committed() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("live.db");
        let created = rusqlite::Connection::open(&database).unwrap();
        schema::create(&created).unwrap();
        drop(created);
        let mut python = Python::start(&database).unwrap();
        let mut guest = Guest::new(Variant::Sound, &database).unwrap();

        let mut in_guest = guest.open().unwrap();
        assert_eq!(schema::newest(&mut *in_guest, 5).unwrap(), 0);
        let mut elsewhere = python.open().unwrap();
        elsewhere
            .execute("INSERT INTO event VALUES (5, 1)", &[])
            .unwrap();
        drop(elsewhere);
        drop(in_guest);

        assert!(!crate::live::with_suffix(&database, "-wal").exists());
        let mut elsewhere = python.open().unwrap();
        assert_eq!(schema::newest(&mut *elsewhere, 5).unwrap(), 1);
    }
}
