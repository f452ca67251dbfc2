//! Hosts the component: gives it the files of one database, one prefix of one store, clocks,
//! randomness and a log, and nothing else.

pub mod limits;
mod live;
mod objects;
mod session;

pub mod bindings {
    wasmtime::component::bindgen!({
        path: ["../wit/objects", "../wit/live", "../wit/replicator"],
        world: "seawall:replicator/replicate",
        with: {
            "seawall:live/files.file": crate::live::LiveFile,
            "seawall:live/files.shared-memory": crate::live::SharedMemory,
            "seawall:objects/store.upload": super::objects::SharedUpload,
        },
        imports: { default: trappable },
        exports: { default: async | store },
    });
}

pub use bindings::exports::seawall::replicator::replicator as wit;
pub use session::{Answer, Session, kind, open_replica, settings};

use crate::live::Files;
use crate::objects::{Meter, Shared, Store as Objects};
use bindings::seawall::live::files;
use bindings::seawall::objects::store;
use bindings::seawall::replicator::report;
use limits::{Limited, Limits, Used};
pub use objects::Access;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The component, compiled ahead of time for this target by `build.rs`.
static COMPILED: &[u8] = include_bytes!(env!("SEAWALL_CWASM"));

/// The component as it ships, for whoever runs it in another world than this.
pub fn compiled() -> &'static [u8] {
    COMPILED
}

/// How often an instance is looked at while it computes: seldom, for an idle program costs nothing.
const EPOCH: Duration = Duration::from_secs(1);

/// Told of a long task's progress: bytes done, bytes in all.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// What one instance may touch.
pub struct State {
    used: Used,
    table: ResourceTable,
    wasi: WasiCtx,
    files: Files,
    store: objects::Access,
    progress: Progress,
    /// What the log lines are about.
    subject: String,
}

/// The compiled component, ready to be instantiated any number of times.
#[derive(Clone)]
pub struct Program {
    engine: Engine,
    component: Component,
    linker: Arc<Linker<State>>,
    limits: Limits,
    /// What the stores of all instances have in common.
    shared: Shared,
}

/// The text of an error that the component answered with.
pub fn text(error: &wit::Error) -> &str {
    match error {
        wit::Error::Fenced(text)
        | wit::Error::Store(text)
        | wit::Error::Denied(text)
        | wit::Error::Busy(text)
        | wit::Error::Database(text)
        | wit::Error::Replica(text)
        | wit::Error::Nothing(text) => text,
    }
}

/// The component itself failed (a trap), which is a defect of ours.
pub fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("the component failed: {error:?}")
}

/// One instance: one database.
pub struct Instance {
    pub store: Store<State>,
    pub replicate: bindings::Replicate,
}

impl Program {
    /// Errors: the compiled code does not fit this machine (a processor without what the target
    /// takes for granted).
    pub fn load() -> wasmtime::Result<Program> {
        // SAFETY: `build.rs` of this very program made these bytes with the same wasmtime.
        unsafe { Program::of(COMPILED, Limits::GENEROUS) }
    }

    /// Another component of the same world in its place, with the same powers.
    ///
    /// Errors: it wants more than this world has to give; otherwise as [`Program::load`].
    ///
    /// # Safety
    /// wasmtime made these bytes when it compiled a component: they are code that is run as it is.
    pub unsafe fn of(compiled: &[u8], limits: Limits) -> wasmtime::Result<Program> {
        let engine = limits::engine(EPOCH)?;
        // SAFETY: promised by the caller.
        let component = unsafe { Component::deserialize(&engine, compiled)? };
        let mut linker = Linker::new(&engine);
        add_store(&mut linker, |state: &mut State| {
            state.used.heard();
            &mut state.store
        })?;
        files::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| {
            state.used.heard();
            state
        })?;
        report::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        add_clocks_and_randomness(&mut linker)?;
        Ok(Program {
            engine,
            component,
            linker: Arc::new(linker),
            limits,
            shared: Shared::default(),
        })
    }

    /// The same program for a database whose requests are counted by `meter`.
    pub fn counted_by(&self, meter: Meter) -> Program {
        Program {
            shared: self.shared.counted_by(meter),
            ..self.clone()
        }
    }

    /// The interfaces that the component imports.
    pub fn imports(&self) -> Vec<String> {
        let component = self.component.component_type();
        component
            .imports(&self.engine)
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    pub async fn instantiate(
        &self,
        subject: String,
        files: Files,
        objects: Objects,
        progress: Progress,
    ) -> wasmtime::Result<Instance> {
        let state = State {
            used: Used::new(self.limits),
            table: ResourceTable::new(),
            // Nothing is preopened, inherited or allowed; only clocks and randomness are linked.
            wasi: WasiCtx::builder().build(),
            files,
            store: objects::Access::new(objects),
            progress,
            subject,
        };
        let mut store = Store::new(&self.engine, state);
        limits::limit(&mut store, self.limits, EPOCH);
        let replicate =
            bindings::Replicate::instantiate_async(&mut store, &self.component, &self.linker)
                .await?;
        Ok(Instance { store, replicate })
    }
}

/// The store that is somewhere in an instance's state.
pub fn add_store<T: Send + 'static>(
    linker: &mut Linker<T>,
    access: fn(&mut T) -> &mut Access,
) -> wasmtime::Result<()> {
    store::add_to_linker::<T, HasSelf<Access>>(linker, access)
}

/// What every component gets of WASI.
pub fn add_clocks_and_randomness<T: WasiView + 'static>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::{clocks, random};
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    random::random::add_to_linker::<T, WasiRandom>(linker, T::random)?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, T::random)?;
    Ok(())
}

impl Limited for State {
    fn used(&mut self) -> &mut Used {
        &mut self.used
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.used.heard();
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl report::Host for State {
    fn log(&mut self, level: report::Level, message: String) -> wasmtime::Result<()> {
        let database = &self.subject;
        match level {
            report::Level::Error => tracing::error!(database, "{message}"),
            report::Level::Warn => tracing::warn!(database, "{message}"),
            report::Level::Info => tracing::info!(database, "{message}"),
            report::Level::Debug => tracing::debug!(database, "{message}"),
        }
        Ok(())
    }

    fn progress(&mut self, done: u64, total: u64) -> wasmtime::Result<()> {
        (self.progress)(done, total);
        Ok(())
    }
}
