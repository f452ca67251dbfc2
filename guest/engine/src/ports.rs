//! What the engine needs from outside: the store, the files of one live database, time, a log.
//!
//! The components bind these traits to their imports; tests bind them to memory.

use std::fmt;

/// Why the store did not do what was asked. The texts are for people. Mirrors `seawall:objects`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    #[error("not found: {0}")]
    NotFound(String),
    #[error("somebody else's object is there already: {0}")]
    PreconditionFailed(String),
    #[error("the store asks for fewer requests: {0}")]
    Throttled(String),
    #[error("access denied: {0}")]
    Denied(String),
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A `put` may or may not have taken effect; only the same conditional `put` again tells.
    #[error("the answer never came: {0}")]
    UnknownOutcome(String),
    #[error("{0}")]
    Invalid(String),
}

/// Bytes `offset .. offset + length` of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub offset: u64,
    pub length: u64,
}

/// What must hold for a `put` to take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    None,
    IfAbsent,
    IfMatch(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Unix time, milliseconds.
    pub modified_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In ascending byte order of their keys.
    pub entries: Vec<Entry>,
    pub truncated: bool,
}

/// Objects under one prefix; see `wit/objects/store.wit` for the meaning of each call.
///
/// Single-threaded: futures need not be `Send`. Several may be in flight at once.
#[allow(async_fn_in_trait)]
pub trait Objects {
    type Upload: Upload;
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Vec<u8>, ObjectError>;
    async fn put(
        &self,
        key: &str,
        body: Vec<u8>,
        condition: Condition,
        created_ms: u64,
    ) -> Result<String, ObjectError>;
    async fn upload(&self, key: &str, created_ms: u64) -> Result<Self::Upload, ObjectError>;
    /// At most 1000 keys that begin with `prefix` and come after `start_after`.
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Page, ObjectError>;
    /// Returns the keys that were not deleted, with the reasons.
    async fn delete(&self, keys: &[String]) -> Result<Vec<(String, ObjectError)>, ObjectError>;
}

/// An object that is sent in parts. Dropped without `complete` it is aborted.
#[allow(async_fn_in_trait)]
pub trait Upload {
    async fn part(&self, number: u32, offset: u64, body: Vec<u8>) -> Result<(), ObjectError>;
    async fn complete(self, condition: Condition) -> Result<String, ObjectError>;
    async fn abort(self);
}

/// Why a file operation failed. Mirrors `seawall:live`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    #[error("no such file")]
    NotFound,
    #[error("{0}")]
    Denied(String),
    #[error("no space left on the device")]
    NoSpace,
    #[error("another process is in the way")]
    Busy,
    #[error("{0}")]
    Io(String),
}

/// The files that belong to one database. The guest cannot name any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    Database,
    Wal,
    Journal,
    /// Checksums of the pages that were shipped; replaced as a whole.
    Checksums,
    /// Where a followed file stands; replaced as a whole.
    Position,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Database => "database",
            FileKind::Wal => "-wal",
            FileKind::Journal => "-journal",
            FileKind::Checksums => "page checksums",
            FileKind::Position => "-txid",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    Unlock,
    Shared,
    Exclusive,
}

/// One open file. Offsets and lengths are bytes. Nothing waits for a lock.
pub trait LiveFile {
    /// Fewer bytes than asked for mean the end of the file.
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, FileError>;
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), FileError>;
    fn truncate(&self, size: u64) -> Result<(), FileError>;
    fn sync(&self, data_only: bool) -> Result<(), FileError>;
    fn size(&self) -> Result<u64, FileError>;
    /// False: somebody else holds a conflicting lock.
    fn lock(&self, start: u64, length: u64, kind: LockKind) -> Result<bool, FileError>;
    /// Would an exclusive lock conflict with somebody else's?
    fn is_locked(&self, start: u64, length: u64) -> Result<bool, FileError>;
    /// Does the path still lead to this file?
    fn is_current(&self) -> bool;
}

/// SQLite's WAL-index file.
pub trait SharedMemory {
    /// False: the file is shorter than `size` and `extend` is false.
    fn ensure(&self, size: u32, extend: bool) -> Result<bool, FileError>;
    fn lock(&self, first: u32, count: u32, kind: LockKind) -> Result<bool, FileError>;
    /// 32-bit words, loaded atomically in ascending order; multiples of 4 bytes.
    fn load(&self, offset: u32, length: u32) -> Vec<u8>;
    /// Runs of words (offset, words), stored in the order given.
    fn store(&self, runs: &[(u32, Vec<u32>)]);
    fn barrier(&self);
    /// Removes the file, if nobody else uses it.
    fn remove(&self);
}

/// The files of one live database.
pub trait Files {
    fn open(&self, kind: FileKind, create: bool) -> Result<Box<dyn LiveFile>, FileError>;
    fn shared_memory(&self) -> Result<Box<dyn SharedMemory>, FileError>;
    fn delete(&self, kind: FileKind, sync_directory: bool) -> Result<(), FileError>;
    fn exists(&self, kind: FileKind) -> bool;
    fn load_whole(&self, kind: FileKind) -> Result<Vec<u8>, FileError>;
    fn replace_whole(&self, kind: FileKind, data: &[u8]) -> Result<(), FileError>;
    fn sleep_micros(&self, micros: u32);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Time, randomness, the log, progress.
pub trait Environment {
    /// Unix time, milliseconds.
    fn now_ms(&self) -> u64;
    fn random(&self) -> u64;
    fn log(&self, level: LogLevel, message: &str);
    /// Bytes done of a long task.
    fn progress(&self, done: u64, total: u64);
}
