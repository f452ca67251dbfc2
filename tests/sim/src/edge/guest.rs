//! The shipped edge component, with a simulated store behind it.

use crate::bucket::Bucket;
use crate::dice::Dice;
use crate::guest::{State, bindings as replicate, engine, room};
use crate::machine::Process;
use crate::time::Clock;
use crate::trace::Trace;
use bindings::exports::spin::sqlite::sqlite as spin;
use bindings::seawall::edge::settings;
use std::sync::Arc;
use wasmtime::component::{Accessor, Component, HasSelf, Linker, ResourceAny};
use wasmtime::{Engine, Store};

pub mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/objects", "../../wit/deps/spin-sqlite@3.1.0", "../../wit/edge"],
        world: "seawall:edge/edge",
        with: { "seawall:objects/store": crate::guest::bindings::seawall::objects::store },
        imports: { default: trappable },
        exports: { default: async | store },
    });
}

pub use bindings::exports::seawall::edge::upkeep;

#[derive(Clone)]
pub struct Program {
    engine: Engine,
    component: Component,
    linker: Arc<Linker<State>>,
    /// The number of the deliberate fault that is in it; 0: none.
    pub mutant: u32,
}

/// What the outside told an instance of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Done,
    /// It certainly had no effect.
    Refused(String),
    /// It may have had one.
    Unknown(String),
}

/// As `engine::edge::EdgeError` and SQLite say it.
const NOBODY_KNOWS: &str = "was committed is not known";

impl Program {
    /// `compiled`: by the wasmtime that this program is linked with, as the program's own edge is.
    ///
    /// # Safety
    /// As of `Component::deserialize`: nobody tampered with the bytes.
    pub unsafe fn load(compiled: &[u8]) -> wasmtime::Result<Program> {
        let engine = engine()?;
        // SAFETY: promised by the caller.
        let component = unsafe { Component::deserialize(&engine, compiled)? };
        let mut linker = Linker::new(&engine);
        replicate::seawall::objects::store::add_to_linker::<_, HasSelf<State>>(
            &mut linker,
            |state| state,
        )?;
        settings::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        seawall::serve::add_wasi(&mut linker)?;
        Ok(Program {
            engine,
            component,
            linker: Arc::new(linker),
            mutant: 0,
        })
    }

    pub async fn instantiate(
        &self,
        process: Process,
        bucket: Bucket,
        clock: Clock,
        dice: &Dice,
        trace: Trace,
    ) -> wasmtime::Result<(Store<State>, bindings::Edge)> {
        let mut state = State::new(process, bucket, clock, dice, trace, Arc::new(|| {}));
        state.mutant = self.mutant;
        let mut store = room(&self.engine, state);
        let guest =
            bindings::Edge::instantiate_async(&mut store, &self.component, &self.linker).await?;
        Ok((store, guest))
    }
}

/// A connection of one instance.
pub struct Connection<'a> {
    guest: &'a bindings::Edge,
    accessor: &'a Accessor<State>,
    open: ResourceAny,
}

impl<'a> Connection<'a> {
    /// The inner error is the component's.
    pub async fn open(
        guest: &'a bindings::Edge,
        accessor: &'a Accessor<State>,
    ) -> wasmtime::Result<Result<Connection<'a>, String>> {
        let connections = guest.spin_sqlite_sqlite().connection();
        let opened = connections.call_open_async(accessor, "default".to_owned());
        Ok(match opened.await? {
            Ok(open) => Ok(Connection {
                guest,
                accessor,
                open,
            }),
            Err(error) => Err(text(error)),
        })
    }

    /// Runs a statement to its end. The rows interest nobody.
    pub async fn run(&self, sql: &str, values: &[i64]) -> wasmtime::Result<Told> {
        let values = values.iter().map(|value| spin::Value::Integer(*value));
        let connections = self.guest.spin_sqlite_sqlite().connection();
        let answer = connections
            .call_execute_async(self.accessor, self.open, sql.to_owned(), values.collect())
            .await?;
        Ok(match answer {
            Ok((_, mut rows, mut ended)) => {
                rows.close_with(self.accessor)?;
                ended.close_with(self.accessor)?;
                Told::Done
            }
            Err(error) => match text(error) {
                unknown if unknown.contains(NOBODY_KNOWS) => Told::Unknown(unknown),
                refused => Told::Refused(refused),
            },
        })
    }
}

fn text(error: spin::Error) -> String {
    match error {
        spin::Error::Io(text) => text,
        other => format!("{other:?}"),
    }
}

impl settings::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(match name.as_str() {
            // Pages are fetched again and again.
            "cache" => Some("100kB".to_owned()),
            "mutant" => Some(self.mutant.to_string()),
            _ => None,
        })
    }

    fn log(&mut self, level: settings::Level, message: String) -> wasmtime::Result<()> {
        self.note(|number| format!("instance {number}: {level:?}: {message}"));
        Ok(())
    }
}
