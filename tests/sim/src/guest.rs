//! The shipped replicator, with a simulated world behind every import.

use crate::bucket::{self, Bucket};
use crate::dice::Dice;
use crate::disk::Handle;
use crate::machine::{Dead, Machine, Process};
use crate::time::Clock;
use crate::trace::Trace;
use bindings::seawall::live::files;
use bindings::seawall::objects::store;
use bindings::seawall::replicator::report;
use seawall::serve::Nowhere;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Accessor, Component, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

mod disk_calls;

pub mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/objects", "../../wit/live", "../../wit/replicator"],
        world: "seawall:replicator/replicate",
        with: {
            "seawall:live/files.file": super::OpenFile,
            "seawall:live/files.shared-memory": super::OpenMemory,
            "seawall:objects/store.upload": super::Upload,
        },
        imports: { default: trappable },
        exports: { default: async | store },
    });
}

pub use bindings::exports::seawall::replicator::replicator as wit;

/// What the guest has open; gone with the process.
pub struct OpenFile(Handle);

pub struct OpenMemory(Handle);

#[derive(Clone)]
pub struct Upload {
    key: String,
    number: u64,
}

/// Called before the guest's calls to its files take effect: others run meanwhile.
pub type Meanwhile = Arc<dyn Fn() + Send + Sync>;

pub struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    nowhere: Nowhere,
    /// Told to the edge, which has no setting to spare for it.
    pub mutant: u32,
    pub process: Process,
    bucket: Bucket,
    clock: Clock,
    trace: Trace,
    meanwhile: Meanwhile,
}

/// The compiled component, ready to be instantiated any number of times.
#[derive(Clone)]
pub struct Program {
    engine: Engine,
    component: Component,
    linker: Arc<Linker<State>>,
    /// The number of the deliberate fault that is in it; 0: none.
    pub mutant: u32,
}

/// As the machine's clock says.
struct Wall(Clock, Machine);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        let us = self.0.now_us();
        Duration::from_micros(us.saturating_add_signed(self.1.clock_ahead_ms() * 1000))
    }
}

struct Monotonic(Clock);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1000
    }

    fn now(&self) -> u64 {
        self.0.elapsed_us() * 1000
    }
}

/// Clocks and randomness of the simulation, and nothing else.
fn wasi(clock: &Clock, machine: &Machine, dice: &Dice) -> WasiCtx {
    WasiCtx::builder()
        .wall_clock(Wall(clock.clone(), machine.clone()))
        .monotonic_clock(Monotonic(clock.clone()))
        .secure_random(dice.source())
        .insecure_random(dice.source())
        .insecure_random_seed(dice.number().into())
        .build()
}

/// As the program's own components are compiled. Nobody counts epochs here.
pub fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    Engine::new(&config)
}

/// What an instance lives in.
pub fn room(engine: &Engine, state: State) -> Store<State> {
    let mut store = Store::new(engine, state);
    store.set_epoch_deadline(u64::MAX / 2);
    store
}

impl Program {
    /// `compiled`: by the wasmtime that this program is linked with.
    ///
    /// # Safety
    /// As of `Component::deserialize`: nobody tampered with the bytes.
    pub unsafe fn load(compiled: &[u8]) -> wasmtime::Result<Program> {
        let engine = engine()?;
        // SAFETY: promised by the caller.
        let component = unsafe { Component::deserialize(&engine, compiled)? };
        let mut linker = Linker::new(&engine);
        store::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        files::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        report::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
        seawall::component::add_clocks_and_randomness(&mut linker)?;
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
        meanwhile: Meanwhile,
    ) -> wasmtime::Result<(Store<State>, bindings::Replicate)> {
        let state = State::new(process, bucket, clock, dice, trace, meanwhile);
        let mut store = room(&self.engine, state);
        let guest =
            bindings::Replicate::instantiate_async(&mut store, &self.component, &self.linker)
                .await?;
        Ok((store, guest))
    }
}

impl State {
    pub fn new(
        process: Process,
        bucket: Bucket,
        clock: Clock,
        dice: &Dice,
        trace: Trace,
        meanwhile: Meanwhile,
    ) -> State {
        State {
            table: ResourceTable::new(),
            wasi: wasi(&clock, &process.machine, dice),
            http: WasiHttpCtx::new(),
            nowhere: Nowhere,
            mutant: 0,
            process,
            bucket,
            clock,
            trace,
            meanwhile,
        }
    }

    pub fn note(&self, text: impl FnOnce(u32) -> String) {
        let machine = self.process.machine.number;
        self.trace.note(|| text(machine));
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
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

impl report::Host for State {
    fn log(&mut self, level: report::Level, message: String) -> wasmtime::Result<()> {
        self.note(|machine| format!("machine {machine}: {level:?}: {message}"));
        Ok(())
    }

    fn progress(&mut self, _done: u64, _total: u64) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// A dead process traps: nothing of it goes on.
fn dead(dead: Dead) -> wasmtime::Error {
    wasmtime::Error::msg(dead.to_string())
}

fn refusal(error: bucket::Error) -> wasmtime::Result<store::Error> {
    use bucket::Error as E;
    Ok(match error {
        E::NotFound(text) => store::Error::NotFound(text),
        E::PreconditionFailed(text) => store::Error::PreconditionFailed(text),
        E::Throttled(text) => store::Error::Throttled(text),
        E::Denied(text) => store::Error::Denied(text),
        E::Unavailable(text) => store::Error::Unavailable(text),
        E::UnknownOutcome(text) => store::Error::UnknownOutcome(text),
        E::Invalid(text) => store::Error::Invalid(text),
        E::Dead => return Err(dead(Dead)),
    })
}

type Stored<T> = wasmtime::Result<Result<T, store::Error>>;

fn stored<T>(result: Result<T, bucket::Error>) -> Stored<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(refusal(error)?)),
    }
}

fn condition(condition: store::Condition) -> bucket::Condition {
    match condition {
        store::Condition::None => bucket::Condition::None,
        store::Condition::IfAbsent => bucket::Condition::IfAbsent,
        store::Condition::IfMatch(etag) => bucket::Condition::IfMatch(etag),
    }
}

/// Who asks, and whom. A process that stands still sends nothing until it goes on.
async fn parties(accessor: &Accessor<State, HasSelf<State>>) -> (Bucket, Process) {
    let (bucket, process, clock) = accessor.with(|mut access| {
        let state = access.get();
        (
            state.bucket.clone(),
            state.process.clone(),
            state.clock.clone(),
        )
    });
    wait_while_suspended(&clock, &process).await;
    (bucket, process)
}

/// It may be woken earlier, or killed.
pub async fn wait_while_suspended(clock: &Clock, process: &Process) {
    while process.is_alive() {
        match process
            .machine
            .suspended_until_us()
            .checked_sub(clock.now_us())
        {
            Some(left) => clock.sleep_us(left.clamp(1, 100_000)).await,
            None => break,
        }
    }
}

impl store::HostWithStore<State> for HasSelf<State> {
    async fn get(
        accessor: &Accessor<State, Self>,
        key: String,
        range: Option<store::Range>,
    ) -> Stored<Vec<u8>> {
        let (bucket, process) = parties(accessor).await;
        let range = range.map(|range| (range.offset, range.length));
        stored(bucket.get(&process, &key, range).await)
    }

    async fn put(
        accessor: &Accessor<State, Self>,
        key: String,
        body: Vec<u8>,
        when: store::Condition,
        _created_ms: u64,
    ) -> Stored<String> {
        let (bucket, process) = parties(accessor).await;
        stored(bucket.put(&process, &key, body, condition(when)).await)
    }

    async fn list(
        accessor: &Accessor<State, Self>,
        prefix: String,
        start_after: Option<String>,
    ) -> Stored<store::Listing> {
        let (bucket, process) = parties(accessor).await;
        let listed = bucket.list(&process, &prefix, start_after.as_deref()).await;
        stored(listed.map(|(entries, truncated)| {
            store::Listing {
                entries: entries
                    .into_iter()
                    .map(|entry| store::Entry {
                        key: entry.key,
                        size: entry.size,
                        modified_ms: entry.modified_ms,
                    })
                    .collect(),
                truncated,
            }
        }))
    }

    async fn delete(
        accessor: &Accessor<State, Self>,
        keys: Vec<String>,
    ) -> Stored<Vec<store::FailedDelete>> {
        let (bucket, process) = parties(accessor).await;
        stored(bucket.delete(&process, keys).await.map(|()| Vec::new()))
    }
}

impl store::HostUploadWithStore<State> for HasSelf<State> {
    async fn start(
        accessor: &Accessor<State, Self>,
        key: String,
        _created_ms: u64,
    ) -> Stored<Resource<Upload>> {
        let (bucket, process) = parties(accessor).await;
        match bucket.start_upload(&process).await {
            Ok(number) => accessor.with(|mut access| {
                let upload = Upload { key, number };
                Ok(Ok(access.get().table.push(upload)?))
            }),
            Err(error) => Ok(Err(refusal(error)?)),
        }
    }

    async fn part(
        accessor: &Accessor<State, Self>,
        this: Resource<Upload>,
        number: u32,
        offset: u64,
        body: Vec<u8>,
    ) -> Stored<()> {
        let (bucket, process) = parties(accessor).await;
        let upload = upload(accessor, &this)?;
        stored(
            bucket
                .part(&process, upload.number, number, offset, body)
                .await,
        )
    }

    async fn complete(
        accessor: &Accessor<State, Self>,
        this: Resource<Upload>,
        when: store::Condition,
    ) -> Stored<String> {
        let (bucket, process) = parties(accessor).await;
        let Upload { key, number } = upload(accessor, &this)?;
        stored(
            bucket
                .complete(&process, number, &key, condition(when))
                .await,
        )
    }

    async fn abort(
        accessor: &Accessor<State, Self>,
        this: Resource<Upload>,
    ) -> wasmtime::Result<()> {
        let (bucket, _) = parties(accessor).await;
        bucket.abort(upload(accessor, &this)?.number);
        Ok(())
    }
}

fn upload(
    accessor: &Accessor<State, HasSelf<State>>,
    this: &Resource<Upload>,
) -> wasmtime::Result<Upload> {
    accessor.with(|mut access| Ok(access.get().table.get(this)?.clone()))
}

impl store::HostUpload for State {
    fn drop(&mut self, upload: Resource<Upload>) -> wasmtime::Result<()> {
        let Upload { number, .. } = self.table.delete(upload)?;
        self.bucket.abort(number);
        Ok(())
    }
}

impl store::Host for State {}
