//! The shipped replicator, with a simulated world behind every import.

use crate::bucket::{self, Bucket};
use crate::dice::Dice;
use crate::disk::Handle;
use crate::machine::{Dead, Process};
use crate::time::Clock;
use crate::trace::Trace;
use bindings::seawall::live::files;
use bindings::seawall::objects::store;
use bindings::seawall::replicator::report;
use engine::ports::{FileError, FileKind, LockKind};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Accessor, Component, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

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
}

struct Wall(Clock);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.0.now_us())
    }
}

impl HostMonotonicClock for Wall {
    fn resolution(&self) -> u64 {
        1000
    }

    fn now(&self) -> u64 {
        self.0.elapsed_us() * 1000
    }
}

/// Clocks and randomness of the simulation, and nothing else.
pub fn wasi(clock: &Clock, dice: &Dice) -> WasiCtx {
    WasiCtx::builder()
        .wall_clock(Wall(clock.clone()))
        .monotonic_clock(Wall(clock.clone()))
        .secure_random(dice.source())
        .insecure_random(dice.source())
        .insecure_random_seed(dice.number().into())
        .build()
}

impl Program {
    /// `compiled`: by the wasmtime that this program is linked with.
    ///
    /// # Safety
    /// As of `Component::deserialize`: nobody tampered with the bytes.
    pub unsafe fn load(compiled: &[u8]) -> wasmtime::Result<Program> {
        let engine = Engine::new(&Config::new())?;
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
        let state = State {
            table: ResourceTable::new(),
            wasi: wasi(&clock, dice),
            process,
            bucket,
            clock,
            trace,
            meanwhile,
        };
        let mut store = Store::new(&self.engine, state);
        let guest =
            bindings::Replicate::instantiate_async(&mut store, &self.component, &self.linker)
                .await?;
        Ok((store, guest))
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

impl report::Host for State {
    fn log(&mut self, level: report::Level, message: String) -> wasmtime::Result<()> {
        let machine = self.process.machine.number;
        self.trace
            .note(|| format!("machine {machine}: {level:?}: {message}"));
        Ok(())
    }

    fn progress(&mut self, _done: u64, _total: u64) -> wasmtime::Result<()> {
        Ok(())
    }
}

type Answer<T> = wasmtime::Result<Result<T, files::Error>>;

fn kind(kind: files::Kind) -> FileKind {
    match kind {
        files::Kind::Database => FileKind::Database,
        files::Kind::Wal => FileKind::Wal,
        files::Kind::Journal => FileKind::Journal,
        files::Kind::Checksums => FileKind::Checksums,
        files::Kind::Position => FileKind::Position,
    }
}

fn lock_kind(kind: files::LockKind) -> LockKind {
    match kind {
        files::LockKind::Unlock => LockKind::Unlock,
        files::LockKind::Shared => LockKind::Shared,
        files::LockKind::Exclusive => LockKind::Exclusive,
    }
}

fn answer<T>(result: Result<T, FileError>) -> Answer<T> {
    Ok(result.map_err(|error| match error {
        FileError::NotFound => files::Error::NotFound,
        FileError::Denied(text) => files::Error::Denied(text),
        FileError::NoSpace => files::Error::NoSpace,
        FileError::Busy => files::Error::Busy,
        FileError::Io(text) => files::Error::Io(text),
    }))
}

/// A dead process traps: nothing of it goes on.
fn dead(dead: Dead) -> wasmtime::Error {
    wasmtime::Error::msg(dead.to_string())
}

impl State {
    /// Others run, and this process may die.
    fn step(&self) -> wasmtime::Result<()> {
        (self.meanwhile)();
        self.process.step().map_err(dead)
    }

    fn file(&self, file: &Resource<OpenFile>) -> wasmtime::Result<Handle> {
        self.step()?;
        Ok(self.table.get(file)?.0)
    }

    fn memory(&self, memory: &Resource<OpenMemory>) -> wasmtime::Result<Handle> {
        self.step()?;
        Ok(self.table.get(memory)?.0)
    }
}

impl files::HostFile for State {
    fn open(&mut self, which: files::Kind, mode: files::OpenMode) -> Answer<Resource<OpenFile>> {
        self.step()?;
        let create = matches!(mode, files::OpenMode::Create);
        let disk = &self.process.machine.disk;
        match disk.open(self.process.id, kind(which), create) {
            Ok(handle) => Ok(Ok(self.table.push(OpenFile(handle))?)),
            Err(error) => answer(Err(error)),
        }
    }

    fn read(&mut self, file: Resource<OpenFile>, offset: u64, length: u32) -> Answer<Vec<u8>> {
        let file = self.file(&file)?;
        answer(self.process.machine.disk.read(file, offset, length))
    }

    fn write(&mut self, file: Resource<OpenFile>, offset: u64, data: Vec<u8>) -> Answer<()> {
        let file = self.file(&file)?;
        answer(self.process.machine.disk.write(file, offset, &data))
    }

    fn truncate(&mut self, file: Resource<OpenFile>, size: u64) -> Answer<()> {
        let file = self.file(&file)?;
        answer(self.process.machine.disk.truncate(file, size))
    }

    fn sync(&mut self, file: Resource<OpenFile>, _data_only: bool) -> Answer<()> {
        let file = self.file(&file)?;
        answer(self.process.machine.disk.sync(file))
    }

    fn size(&mut self, file: Resource<OpenFile>) -> Answer<u64> {
        let file = self.file(&file)?;
        answer(self.process.machine.disk.file_size(file))
    }

    fn lock(
        &mut self,
        file: Resource<OpenFile>,
        start: u64,
        length: u64,
        kind: files::LockKind,
    ) -> Answer<bool> {
        let file = self.file(&file)?;
        answer(
            self.process
                .machine
                .disk
                .lock(file, start, length, lock_kind(kind)),
        )
    }

    fn is_locked(&mut self, file: Resource<OpenFile>, start: u64, length: u64) -> Answer<bool> {
        let file = self.file(&file)?;
        answer(self.process.machine.disk.is_locked(file, start, length))
    }

    fn is_current(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<bool> {
        let file = self.file(&file)?;
        Ok(self.process.machine.disk.is_current(file))
    }

    fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        let OpenFile(handle) = self.table.delete(file)?;
        self.process.machine.disk.close(handle);
        Ok(())
    }
}

/// Where SQLite's lock bytes of the WAL-index are among those of the file.
const FIRST_LOCK: u64 = 120;

impl files::HostSharedMemory for State {
    fn open(&mut self) -> Answer<Resource<OpenMemory>> {
        self.step()?;
        let handle = self.process.machine.disk.open_memory(self.process.id);
        Ok(Ok(self.table.push(OpenMemory(handle))?))
    }

    fn ensure(&mut self, memory: Resource<OpenMemory>, size: u32, extend: bool) -> Answer<bool> {
        self.memory(&memory)?;
        answer(self.process.machine.disk.ensure_memory(size, extend))
    }

    fn lock(
        &mut self,
        memory: Resource<OpenMemory>,
        first: u32,
        count: u32,
        kind: files::LockKind,
    ) -> Answer<bool> {
        let memory = self.memory(&memory)?;
        let (start, length) = (FIRST_LOCK + u64::from(first), u64::from(count));
        answer(
            self.process
                .machine
                .disk
                .lock(memory, start, length, lock_kind(kind)),
        )
    }

    fn load(
        &mut self,
        memory: Resource<OpenMemory>,
        offset: u32,
        length: u32,
    ) -> wasmtime::Result<Vec<u8>> {
        self.memory(&memory)?;
        let loaded = self.process.machine.disk.load_memory(offset, length);
        loaded.ok_or_else(|| wasmtime::Error::msg("load beyond the end"))
    }

    fn store(
        &mut self,
        memory: Resource<OpenMemory>,
        runs: Vec<(u32, Vec<u32>)>,
    ) -> wasmtime::Result<()> {
        self.memory(&memory)?;
        for (offset, words) in runs {
            // A process may die between any two words; between two runs is enough to tear a header.
            self.process.step().map_err(dead)?;
            let stored = self.process.machine.disk.store_memory(offset, &words);
            stored.ok_or_else(|| wasmtime::Error::msg("store beyond the end"))?;
        }
        Ok(())
    }

    fn barrier(&mut self, memory: Resource<OpenMemory>) -> wasmtime::Result<()> {
        self.memory(&memory).map(drop)
    }

    fn remove(&mut self, memory: Resource<OpenMemory>) -> wasmtime::Result<()> {
        let memory = self.memory(&memory)?;
        self.process.machine.disk.remove_memory(memory);
        Ok(())
    }

    fn drop(&mut self, memory: Resource<OpenMemory>) -> wasmtime::Result<()> {
        let OpenMemory(handle) = self.table.delete(memory)?;
        self.process.machine.disk.close(handle);
        Ok(())
    }
}

impl files::Host for State {
    fn delete(&mut self, which: files::Kind, sync_directory: bool) -> Answer<()> {
        self.step()?;
        answer(
            self.process
                .machine
                .disk
                .delete(kind(which), sync_directory),
        )
    }

    fn exists(&mut self, which: files::Kind) -> wasmtime::Result<bool> {
        self.step()?;
        Ok(self.process.machine.disk.exists(kind(which)))
    }

    fn load_whole(&mut self, which: files::Kind) -> Answer<Vec<u8>> {
        self.step()?;
        let bytes = self.process.machine.disk.bytes(kind(which));
        answer(bytes.ok_or(FileError::NotFound))
    }

    fn replace_whole(&mut self, which: files::Kind, data: Vec<u8>) -> Answer<()> {
        self.step()?;
        answer(self.process.machine.disk.replace(kind(which), &data))
    }

    fn sleep(&mut self, microseconds: u32) -> wasmtime::Result<()> {
        self.step()?;
        self.clock.pass_us(microseconds.into());
        Ok(())
    }
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

pub async fn wait_while_suspended(clock: &Clock, process: &Process) {
    let until = process.machine.suspended_until_us();
    if let Some(left) = until.checked_sub(clock.now_us()) {
        clock.sleep_us(left).await;
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
