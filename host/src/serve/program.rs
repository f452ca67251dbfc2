//! The component of a database that lives in the store, and what an instance of it may touch.

pub use crate::component::limits::Limits;
use crate::component::limits::{self, Limited, Used};
use crate::component::{Access, add_clocks_and_randomness};
use axum::http;
pub use bindings::exports::seawall::edge::upkeep;
use bindings::seawall::edge::settings;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Accessor, Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
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

/// The component as it ships, for whoever runs it in another world than this.
pub fn compiled() -> &'static [u8] {
    COMPILED
}

/// What the component may ask for by name.
pub type Settings = BTreeMap<String, String>;

pub struct State {
    used: Used,
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
    /// An instance's own limits are below: they end a statement and say so.
    limits: Limits,
}

/// How often an instance is looked at while it computes.
const EPOCH: Duration = Duration::from_millis(10);

impl Program {
    pub fn load(limits: Limits) -> wasmtime::Result<Program> {
        let engine = limits::engine(EPOCH)?;
        // SAFETY: `build.rs` of this very program made these bytes with the same wasmtime.
        let component = unsafe { Component::deserialize(&engine, COMPILED)? };
        let mut linker = Linker::new(&engine);
        crate::component::add_store(&mut linker, |state: &mut State| {
            state.used.heard();
            &mut state.store
        })?;
        settings::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        add_wasi(&mut linker)?;
        let service = ServicePre::new(linker.instantiate_pre(&component)?)?;
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
        let state = State {
            used: Used::new(self.limits),
            table: ResourceTable::new(),
            // Nothing is preopened, inherited or allowed; only clocks and randomness are linked.
            wasi: WasiCtx::builder().build(),
            http: WasiHttpCtx::new(),
            nowhere: Nowhere,
            store,
            settings,
        };
        let mut store = Store::new(&self.engine, state);
        limits::limit(&mut store, self.limits, EPOCH);
        store
    }
}

/// What the component imports beside its store and its settings.
pub fn add_wasi<T: WasiView + WasiHttpView + 'static>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    add_clocks_and_randomness(linker)?;
    monotonic_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    Ok(())
}

/// The component answers requests; it sends none but to its store.
pub struct Nowhere;

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

impl Limited for State {
    fn used(&mut self) -> &mut Used {
        &mut self.used
    }
}

impl WasiView for State {
    /// Each question for the time passes here, and the component asks for it while SQL runs.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.used.heard();
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
