//! The engine's `Files` over the import `seawall:live/files`.

use crate::seawall::live::files as host;
use engine::ports::{FileError, FileKind, Files, LiveFile, LockKind, SharedMemory};

pub struct Live;

fn error(error: host::Error) -> FileError {
    match error {
        host::Error::NotFound => FileError::NotFound,
        host::Error::Denied(text) => FileError::Denied(text),
        host::Error::NoSpace => FileError::NoSpace,
        host::Error::Busy => FileError::Busy,
        host::Error::Io(text) => FileError::Io(text),
    }
}

fn kind(kind: FileKind) -> host::Kind {
    match kind {
        FileKind::Database => host::Kind::Database,
        FileKind::Wal => host::Kind::Wal,
        FileKind::Journal => host::Kind::Journal,
        FileKind::Checksums => host::Kind::Checksums,
        FileKind::Position => host::Kind::Position,
    }
}

fn lock_kind(kind: LockKind) -> host::LockKind {
    match kind {
        LockKind::Unlock => host::LockKind::Unlock,
        LockKind::Shared => host::LockKind::Shared,
        LockKind::Exclusive => host::LockKind::Exclusive,
    }
}

impl Files for Live {
    fn open(&self, which: FileKind, create: bool) -> Result<Box<dyn LiveFile>, FileError> {
        let mode = if create {
            host::OpenMode::Create
        } else {
            host::OpenMode::Existing
        };
        let file = host::File::open(kind(which), mode).map_err(error)?;
        Ok(Box::new(file))
    }

    fn shared_memory(&self) -> Result<Box<dyn SharedMemory>, FileError> {
        let memory = host::SharedMemory::open().map_err(error)?;
        Ok(Box::new(memory))
    }

    fn delete(&self, which: FileKind, sync_directory: bool) -> Result<(), FileError> {
        host::delete(kind(which), sync_directory).map_err(error)
    }

    fn exists(&self, which: FileKind) -> bool {
        host::exists(kind(which))
    }

    fn load_whole(&self, which: FileKind) -> Result<Vec<u8>, FileError> {
        host::load_whole(kind(which)).map_err(error)
    }

    fn replace_whole(&self, which: FileKind, data: &[u8]) -> Result<(), FileError> {
        host::replace_whole(kind(which), data).map_err(error)
    }

    fn sleep_micros(&self, micros: u32) {
        host::sleep(micros);
    }
}

impl LiveFile for host::File {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        host::File::read(self, offset, length).map_err(error)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        host::File::write(self, offset, data).map_err(error)
    }

    fn truncate(&self, size: u64) -> Result<(), FileError> {
        host::File::truncate(self, size).map_err(error)
    }

    fn sync(&self, data_only: bool) -> Result<(), FileError> {
        host::File::sync(self, data_only).map_err(error)
    }

    fn size(&self) -> Result<u64, FileError> {
        host::File::size(self).map_err(error)
    }

    fn lock(&self, start: u64, length: u64, kind: LockKind) -> Result<bool, FileError> {
        host::File::lock(self, start, length, lock_kind(kind)).map_err(error)
    }

    fn is_locked(&self, start: u64, length: u64) -> Result<bool, FileError> {
        host::File::is_locked(self, start, length).map_err(error)
    }

    fn is_current(&self) -> bool {
        host::File::is_current(self)
    }
}

impl SharedMemory for host::SharedMemory {
    fn ensure(&self, size: u32, extend: bool) -> Result<bool, FileError> {
        host::SharedMemory::ensure(self, size, extend).map_err(error)
    }

    fn lock(&self, first: u32, count: u32, kind: LockKind) -> Result<bool, FileError> {
        host::SharedMemory::lock(self, first, count, lock_kind(kind)).map_err(error)
    }

    fn load(&self, offset: u32, length: u32) -> Vec<u8> {
        host::SharedMemory::load(self, offset, length)
    }

    fn store(&self, runs: &[(u32, Vec<u32>)]) {
        host::SharedMemory::store(self, runs);
    }

    fn barrier(&self) {
        host::SharedMemory::barrier(self);
    }

    fn remove(&self) {
        host::SharedMemory::remove(self);
    }
}
