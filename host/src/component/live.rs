//! Answers the component's import `seawall:live/files`.

use super::State;
use super::bindings::seawall::live::files as wit;
use crate::live::{Kind, LiveFile, LockKind, SharedMemory};
use std::io;
use std::time::Duration;
use wasmtime::component::Resource;

/// SQLite's busy handler sleeps for milliseconds; more would be a mistake that stops everything.
const MAX_SLEEP: Duration = Duration::from_millis(200);

fn failure(error: &io::Error) -> wit::Error {
    match error.kind() {
        io::ErrorKind::NotFound => wit::Error::NotFound,
        io::ErrorKind::WouldBlock => wit::Error::Busy,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            wit::Error::Denied(error.to_string())
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            wit::Error::NoSpace
        }
        _ => wit::Error::Io(error.to_string()),
    }
}

fn kind(kind: wit::Kind) -> Kind {
    match kind {
        wit::Kind::Database => Kind::Database,
        wit::Kind::Wal => Kind::Wal,
        wit::Kind::Journal => Kind::Journal,
        wit::Kind::Checksums => Kind::Checksums,
        wit::Kind::Position => Kind::Position,
    }
}

fn lock_kind(kind: wit::LockKind) -> LockKind {
    match kind {
        wit::LockKind::Unlock => LockKind::Unlock,
        wit::LockKind::Shared => LockKind::Shared,
        wit::LockKind::Exclusive => LockKind::Exclusive,
    }
}

/// What the guest sees of an I/O result; a trap is for what no honest guest does.
type Answer<T> = wasmtime::Result<Result<T, wit::Error>>;

fn answer<T>(result: io::Result<T>) -> Answer<T> {
    Ok(result.map_err(|error| failure(&error)))
}

impl State {
    fn file(&self, file: &Resource<LiveFile>) -> wasmtime::Result<&LiveFile> {
        Ok(self.table.get(file)?)
    }

    fn memory(&self, memory: &Resource<SharedMemory>) -> wasmtime::Result<&SharedMemory> {
        Ok(self.table.get(memory)?)
    }
}

impl wit::HostFile for State {
    fn open(&mut self, which: wit::Kind, mode: wit::OpenMode) -> Answer<Resource<LiveFile>> {
        let create = matches!(mode, wit::OpenMode::Create);
        match self.files.open(kind(which), create) {
            Ok(file) => Ok(Ok(self.table.push(file)?)),
            Err(error) => Ok(Err(failure(&error))),
        }
    }

    fn read(&mut self, file: Resource<LiveFile>, offset: u64, length: u32) -> Answer<Vec<u8>> {
        answer(self.file(&file)?.read(offset, length as usize))
    }

    fn write(&mut self, file: Resource<LiveFile>, offset: u64, data: Vec<u8>) -> Answer<()> {
        answer(self.file(&file)?.write(offset, &data))
    }

    fn truncate(&mut self, file: Resource<LiveFile>, size: u64) -> Answer<()> {
        answer(self.file(&file)?.truncate(size))
    }

    fn sync(&mut self, file: Resource<LiveFile>, data_only: bool) -> Answer<()> {
        answer(self.file(&file)?.sync(data_only))
    }

    fn size(&mut self, file: Resource<LiveFile>) -> Answer<u64> {
        answer(self.file(&file)?.size())
    }

    fn lock(
        &mut self,
        file: Resource<LiveFile>,
        start: u64,
        length: u64,
        kind: wit::LockKind,
    ) -> Answer<bool> {
        answer(self.file(&file)?.lock(start, length, lock_kind(kind)))
    }

    fn is_locked(&mut self, file: Resource<LiveFile>, start: u64, length: u64) -> Answer<bool> {
        answer(self.file(&file)?.is_locked(start, length))
    }

    fn is_current(&mut self, file: Resource<LiveFile>) -> wasmtime::Result<bool> {
        Ok(self.file(&file)?.is_current())
    }

    fn drop(&mut self, file: Resource<LiveFile>) -> wasmtime::Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

impl wit::HostSharedMemory for State {
    fn open(&mut self) -> Answer<Resource<SharedMemory>> {
        match self.files.shared_memory() {
            Ok(memory) => Ok(Ok(self.table.push(memory)?)),
            Err(error) => Ok(Err(failure(&error))),
        }
    }

    fn ensure(&mut self, memory: Resource<SharedMemory>, size: u32, extend: bool) -> Answer<bool> {
        answer(self.table.get_mut(&memory)?.ensure(size as usize, extend))
    }

    fn lock(
        &mut self,
        memory: Resource<SharedMemory>,
        first: u32,
        count: u32,
        kind: wit::LockKind,
    ) -> Answer<bool> {
        if count == 0 || first.saturating_add(count) > 8 {
            return Err(wasmtime::Error::msg("there are eight lock bytes"));
        }
        answer(self.memory(&memory)?.lock(first, count, lock_kind(kind)))
    }

    fn load(
        &mut self,
        memory: Resource<SharedMemory>,
        offset: u32,
        length: u32,
    ) -> wasmtime::Result<Vec<u8>> {
        self.memory(&memory)?
            .load(offset as usize, length as usize)
            .ok_or_else(|| wasmtime::Error::msg("load outside of what `ensure` made accessible"))
    }

    fn store(
        &mut self,
        memory: Resource<SharedMemory>,
        runs: Vec<(u32, Vec<u32>)>,
    ) -> wasmtime::Result<()> {
        let memory = self.memory(&memory)?;
        for (offset, words) in runs {
            memory.store(offset as usize, &words).ok_or_else(|| {
                wasmtime::Error::msg("store outside of what `ensure` made accessible")
            })?;
        }
        Ok(())
    }

    fn barrier(&mut self, memory: Resource<SharedMemory>) -> wasmtime::Result<()> {
        self.memory(&memory)?.barrier();
        Ok(())
    }

    fn remove(&mut self, memory: Resource<SharedMemory>) -> wasmtime::Result<()> {
        self.memory(&memory)?.remove();
        Ok(())
    }

    fn drop(&mut self, memory: Resource<SharedMemory>) -> wasmtime::Result<()> {
        self.table.delete(memory)?;
        Ok(())
    }
}

impl wit::Host for State {
    fn delete(&mut self, which: wit::Kind, sync_directory: bool) -> Answer<()> {
        answer(self.files.delete(kind(which), sync_directory))
    }

    fn exists(&mut self, which: wit::Kind) -> wasmtime::Result<bool> {
        Ok(self.files.exists(kind(which)))
    }

    fn load_whole(&mut self, which: wit::Kind) -> Answer<Vec<u8>> {
        answer(self.files.load_whole(kind(which)))
    }

    fn replace_whole(&mut self, which: wit::Kind, data: Vec<u8>) -> Answer<()> {
        if !matches!(which, wit::Kind::Checksums | wit::Kind::Position) {
            return Err(wasmtime::Error::msg(
                "only the page checksums and the position are replaced as a whole",
            ));
        }
        answer(self.files.replace_whole(kind(which), &data))
    }

    fn sleep(&mut self, microseconds: u32) -> wasmtime::Result<()> {
        std::thread::sleep(Duration::from_micros(microseconds.into()).min(MAX_SLEEP));
        Ok(())
    }
}
