//! A file, a clock and a log in memory.

use std::cell::{Cell, RefCell};

use crate::ports::{Environment, FileError, LiveFile, LockKind, LogLevel};

/// A file of nobody else's.
#[derive(Default)]
pub struct MemoryFile {
    pub bytes: RefCell<Vec<u8>>,
    pub writes: Cell<usize>,
    pub syncs: Cell<usize>,
    /// What writes answer from now on.
    pub broken: RefCell<Option<FileError>>,
}

impl LiveFile for MemoryFile {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        let bytes = self.bytes.borrow();
        let from = bytes.len().min(offset as usize);
        let to = bytes.len().min(from + length as usize);
        Ok(bytes[from..to].to_vec())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        if let Some(error) = self.broken.borrow().clone() {
            return Err(error);
        }
        let (from, to) = (offset as usize, offset as usize + data.len());
        let mut bytes = self.bytes.borrow_mut();
        let length = bytes.len().max(to);
        bytes.resize(length, 0);
        bytes[from..to].copy_from_slice(data);
        self.writes.set(self.writes.get() + 1);
        self.syncs.set(0);
        Ok(())
    }

    fn truncate(&self, size: u64) -> Result<(), FileError> {
        self.bytes.borrow_mut().resize(size as usize, 0);
        self.syncs.set(0);
        Ok(())
    }

    /// Counts syncs since the last change.
    fn sync(&self, _data_only: bool) -> Result<(), FileError> {
        self.syncs.set(self.syncs.get() + 1);
        Ok(())
    }

    fn size(&self) -> Result<u64, FileError> {
        Ok(self.bytes.borrow().len() as u64)
    }

    fn lock(&self, _start: u64, _length: u64, _kind: LockKind) -> Result<bool, FileError> {
        Ok(true)
    }

    fn is_locked(&self, _start: u64, _length: u64) -> Result<bool, FileError> {
        Ok(false)
    }

    fn is_current(&self) -> bool {
        true
    }
}

/// A clock that is set, and a record of what was said.
#[derive(Default)]
pub struct TestEnvironment {
    pub now_ms: Cell<u64>,
    pub random: Cell<u64>,
    pub log: RefCell<Vec<(LogLevel, String)>>,
    pub progress: RefCell<Vec<(u64, u64)>>,
}

impl Environment for TestEnvironment {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    fn random(&self) -> u64 {
        self.random.set(self.random.get() + 1);
        self.random.get()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }

    fn progress(&self, done: u64, total: u64) {
        self.progress.borrow_mut().push((done, total));
    }
}
