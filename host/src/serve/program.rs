//! The component of a database that lives in the store, and what an instance of it may touch.

use crate::component::{Access, add_clocks_and_randomness};
use axum::http;
pub use bindings::exports::seawall::edge::upkeep;
use bindings::seawall::edge::settings;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Accessor, Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::Proxy;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["../wit/objects", "../wit/deps/spin-sqlite@3.1.0", "../wit/edge"],
        world: "seawall:edge/hosted",
        imports: { default: trappable },
        exports: { default: async | store },
    });
}

/// Compiled ahead of time for this target by `build.rs`.
static COMPILED: &[u8] = include_bytes!(env!("SEAWALL_EDGE_CWASM"));

/// What the component may ask for by name.
pub type Settings = BTreeMap<String, String>;

pub struct State {
    /// Epochs in which the component computed since it last asked for anything: a clock, the store.
    /// While it waits for an answer none is counted.
    silent: u32,
    memory: StoreLimits,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    nowhere: Nowhere,
    store: Access,
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub struct Program {
    engine: Engine,
    service: ServicePre<State>,
    limits: Limits,
}

/// What ends an instance. Its own limits are below: they end a statement and say so.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// It computes for so long without asking for anything, not even the time.
    pub silence: Duration,
    /// Bytes of its memory.
    pub memory: usize,
}

impl Default for Limits {
    /// For work that somebody asks for by hand.
    fn default() -> Limits {
        Limits {
            silence: Duration::from_secs(600),
            memory: 2 << 30,
        }
    }
}

/// How often an instance is looked at while it computes.
const EPOCH: Duration = Duration::from_millis(10);

impl Program {
    pub fn load(limits: Limits) -> wasmtime::Result<Program> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config)?;
        // SAFETY: `build.rs` of this very program made these bytes with the same wasmtime.
        let component = unsafe { Component::deserialize(&engine, COMPILED)? };
        let mut linker = Linker::new(&engine);
        crate::component::add_store(&mut linker, |state: &mut State| {
            state.silent = 0;
            &mut state.store
        })?;
        settings::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        add_clocks_and_randomness(&mut linker)?;
        monotonic_clock::add_to_linker::<State, WasiClocks>(&mut linker, State::clocks)?;
        let service = ServicePre::new(linker.instantiate_pre(&component)?)?;
        count_epochs(&engine);
        Ok(Program {
            engine,
            service,
            limits,
        })
    }

    pub fn imports(&self) -> Vec<String> {
        let component = self.service.instance_pre().component().component_type();
        let imports = component.imports(&self.engine);
        imports.map(|(name, _)| name.to_owned()).collect()
    }

    pub async fn instantiate(
        &self,
        store: Access,
        settings: Arc<Settings>,
    ) -> wasmtime::Result<(Store<State>, Proxy)> {
        let mut store = self.store(store, settings);
        let service = self.service.instantiate_async(&mut store).await?;
        Ok((store, Proxy::P3(service)))
    }

    /// In an instance of its own. The inner error is the component's.
    pub async fn maintain(
        &self,
        store: Access,
        settings: Settings,
        schedule: upkeep::Schedule,
    ) -> wasmtime::Result<Result<upkeep::Maintained, String>> {
        let mut store = self.store(store, Arc::new(settings));
        let instance = self
            .service
            .instance_pre()
            .instantiate_async(&mut store)
            .await?;
        let host = bindings::Hosted::new(&mut store, &instance)?;
        let upkeep = host.seawall_edge_upkeep();
        let answer =
            async |accessor: &Accessor<State>| upkeep.call_maintain(accessor, schedule).await;
        store.run_concurrent(answer).await?
    }

    fn store(&self, store: Access, settings: Arc<Settings>) -> Store<State> {
        let memory = StoreLimitsBuilder::new().memory_size(self.limits.memory);
        let state = State {
            silent: 0,
            memory: memory.build(),
            table: ResourceTable::new(),
            // Nothing is preopened, inherited or allowed; only clocks and randomness are linked.
            wasi: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            nowhere: Nowhere,
            store,
            settings,
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        let silence = self.limits.silence;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut context| {
            let silent = &mut context.data_mut().silent;
            *silent += 1;
            if EPOCH * *silent > silence {
                wasmtime::bail!("one step of a statement took longer than {silence:?}");
            }
            // Others have their turn.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// As long as the engine is there.
fn count_epochs(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    });
}

/// The component answers requests; it sends none but to its store.
struct Nowhere;

impl WasiHttpHooks for Nowhere {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _io: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<
        dyn Future<
                Output = wasmtime_wasi_http::Result<(
                    http::Response<WasiBody>,
                    Box<dyn Future<Output = Result<(), Error>> + Send>,
                )>,
            > + Send,
    > {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiView for State {
    /// Each question for the time passes here, and the component asks for it while SQL runs.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.silent = 0;
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.nowhere,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

impl settings::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.settings.get(&name).cloned())
    }

    fn log(&mut self, level: settings::Level, message: String) -> wasmtime::Result<()> {
        match level {
            settings::Level::Error => tracing::error!("{message}"),
            settings::Level::Warn => tracing::warn!("{message}"),
            settings::Level::Info => tracing::info!("{message}"),
            settings::Level::Debug => tracing::debug!("{message}"),
        }
        Ok(())
    }
}
