//! The guest's calls to its files and to SQLite's shared memory.

use super::bindings::seawall::live::files;
use super::{OpenFile, OpenMemory, State, dead};
use crate::disk::Handle;
use engine::ports::{FileError, FileKind, LockKind};
use wasmtime::component::Resource;

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
