//! The app's SQLite runs natively, on the simulated disk: the engine's VFS over this machine's
//! files. One VFS serves all apps of a thread; who is running is said before.

use crate::disk::{Disk, Handle};
use crate::machine::Process;
use engine::ports::{
    Environment, FileError, FileKind, Files, LiveFile, LockKind, LogLevel, SharedMemory,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static RUNNING: RefCell<Option<Process>> = const { RefCell::new(None) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static NAME: String = register();
}

/// SQLite knows VFSes by name for all threads.
static THREADS: AtomicU64 = AtomicU64::new(0);

fn register() -> String {
    let name = format!("app-{}", THREADS.fetch_add(1, Ordering::Relaxed));
    engine::vfs::register(&name, Rc::new(AppFiles), Rc::new(World));
    name
}

/// The VFS of this thread.
pub fn vfs_name() -> String {
    NAME.with(String::clone)
}

/// Runs `call` as that process; calls may be nested.
pub fn run_as<T>(process: &Process, now_ms: u64, call: impl FnOnce() -> T) -> T {
    NOW_MS.set(now_ms);
    let before = RUNNING.replace(Some(process.clone()));
    let output = call();
    RUNNING.set(before);
    output
}

/// What SQLite draws (salts and the like) from now on.
pub fn seed_randomness(seed: u64) {
    RANDOM.set(seed | 1);
}

struct World;

impl Environment for World {
    fn now_ms(&self) -> u64 {
        NOW_MS.get()
    }

    fn random(&self) -> u64 {
        let mut state = RANDOM.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        RANDOM.set(state);
        state
    }

    fn log(&self, _level: LogLevel, _message: &str) {}

    fn progress(&self, _done: u64, _total: u64) {}
}

fn dead() -> FileError {
    FileError::Io("the process is dead".to_owned())
}

fn running() -> Process {
    let process = RUNNING.with_borrow(Clone::clone);
    process.expect("an app runs within `run_as`")
}

/// The running process, if it survives this call.
fn step() -> Result<Process, FileError> {
    let process = running();
    process.step().map_err(|_| dead())?;
    Ok(process)
}

/// Where the WAL-index has the count of copied frames and the read marks, after two copies of its
/// header.
const CHECKPOINT_INFO: u32 = 96;

struct AppFiles;

struct OpenFile {
    process: Process,
    handle: Handle,
}

impl OpenFile {
    fn disk(&self) -> Result<&Disk, FileError> {
        self.process.step().map_err(|_| dead())?;
        Ok(&self.process.machine.disk)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.process.machine.disk.close(self.handle);
    }
}

impl Files for AppFiles {
    fn open(&self, kind: FileKind, create: bool) -> Result<Box<dyn LiveFile>, FileError> {
        let process = step()?;
        let handle = process.machine.disk.open(process.id, kind, create)?;
        Ok(Box::new(OpenFile { process, handle }))
    }

    fn shared_memory(&self) -> Result<Box<dyn SharedMemory>, FileError> {
        let process = step()?;
        let handle = process.machine.disk.open_memory(process.id);
        Ok(Box::new(OpenFile { process, handle }))
    }

    fn delete(&self, kind: FileKind, sync_directory: bool) -> Result<(), FileError> {
        step()?.machine.disk.delete(kind, sync_directory)
    }

    fn exists(&self, kind: FileKind) -> bool {
        step().is_ok_and(|process| process.machine.disk.exists(kind))
    }

    fn load_whole(&self, _kind: FileKind) -> Result<Vec<u8>, FileError> {
        Err(FileError::NotFound)
    }

    fn replace_whole(&self, _kind: FileKind, _data: &[u8]) -> Result<(), FileError> {
        Err(FileError::Denied("not an app's business".to_owned()))
    }

    fn sleep_micros(&self, _micros: u32) {}
}

impl LiveFile for OpenFile {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        self.disk()?.read(self.handle, offset, length)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        self.disk()?.write(self.handle, offset, data)
    }

    fn truncate(&self, size: u64) -> Result<(), FileError> {
        self.disk()?.truncate(self.handle, size)
    }

    fn sync(&self, _data_only: bool) -> Result<(), FileError> {
        self.disk()?.sync(self.handle)
    }

    fn size(&self) -> Result<u64, FileError> {
        self.disk()?.file_size(self.handle)
    }

    fn lock(&self, start: u64, length: u64, kind: LockKind) -> Result<bool, FileError> {
        self.disk()?.lock(self.handle, start, length, kind)
    }

    fn is_locked(&self, start: u64, length: u64) -> Result<bool, FileError> {
        self.disk()?.is_locked(self.handle, start, length)
    }

    fn is_current(&self) -> bool {
        self.process.machine.disk.is_current(self.handle)
    }
}

/// Where SQLite's lock bytes of the WAL-index are among those of the file.
const FIRST_LOCK: u64 = 120;

impl SharedMemory for OpenFile {
    fn ensure(&self, size: u32, extend: bool) -> Result<bool, FileError> {
        self.disk()?.ensure_memory(size, extend)
    }

    fn lock(&self, first: u32, count: u32, kind: LockKind) -> Result<bool, FileError> {
        let (start, length) = (FIRST_LOCK + u64::from(first), u64::from(count));
        self.disk()?.lock(self.handle, start, length, kind)
    }

    fn load(&self, offset: u32, length: u32) -> Vec<u8> {
        // Memory that is mapped is there as long as the process is; a dead one sees nothing new.
        let loaded = self
            .disk()
            .ok()
            .and_then(|disk| disk.load_memory(offset, length));
        loaded.unwrap_or_else(|| vec![0; length as usize])
    }

    fn store(&self, runs: &[(u32, Vec<u32>)]) {
        let mut header_done = false;
        for (offset, words) in runs {
            // SQLite restarts a WAL by the header and, a few instructions later, by the count of copied
            // frames. Who dies just between makes it ignore the next commits; no process of ours can
            // be in the way of that, so nobody dies there.
            let same_breath =
                header_done && (CHECKPOINT_INFO..CHECKPOINT_INFO + 40).contains(offset);
            if same_breath {
                self.process.machine.disk.store_memory(*offset, words);
                continue;
            }
            let Ok(disk) = self.disk() else {
                return;
            };
            disk.store_memory(*offset, words);
            header_done |= *offset < CHECKPOINT_INFO / 2;
        }
    }

    fn barrier(&self) {}

    fn remove(&self) {
        if let Ok(disk) = self.disk() {
            disk.remove_memory(self.handle);
        }
    }
}
