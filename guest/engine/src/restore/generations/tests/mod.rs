//! Restoring backups in Litestream 0.3's layout, made of a real SQLite database's files.

mod damage;
mod inflating;
mod large;
mod litestream;
mod planning;
mod whole;

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use futures::executor::block_on;
use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    Break, Generation, GenerationError, InflateError, Leftover, Moment, Restored, Span, Tail,
    WalIndex, list, plan, restore,
};
use crate::ltx::page_checksum;
use crate::restore::RestoreError;
use crate::testing::{MemoryFile, MemoryStore, Operation, TestEnvironment};
use crate::units::{PageSize, Pgno};
use crate::wal;

/// As Litestream 0.3 wrote them, but for shorter blocks, so that there are several.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new()
        .content_checksum(true)
        .block_size(BlockSize::Max64KB);
    frame_with(info, bytes)
}

fn frame_with(info: FrameInfo, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A replica that apps are backed up to.
#[derive(Default)]
struct Replica {
    store: MemoryStore,
    environment: TestEnvironment,
}

impl Replica {
    fn restore(&self, until_ms: Option<u64>) -> Result<(Restored, MemoryFile), RestoreError> {
        let file = MemoryFile::default();
        // What was in the file before must not shine through.
        file.bytes.replace(vec![0xee; 100_000]);
        let restoring = async {
            let backups = list(&self.store).await?;
            let plan = plan(&backups, until_ms)?;
            restore(&self.store, &self.environment, &file, &plan, 8).await
        };
        block_on(restoring).map(|restored| (restored, file))
    }

    fn error(&self, until_ms: Option<u64>) -> RestoreError {
        self.restore(until_ms).map(|_| ()).unwrap_err()
    }

    /// Restores and compares every byte.
    fn check(&self, until_ms: Option<u64>, expected: &[u8]) -> Restored {
        let (restored, file) = self.restore(until_ms).unwrap();
        assert!(file.bytes.borrow()[..] == *expected, "other bytes");
        assert_eq!(file.syncs.get(), 1, "a sync after the last change");
        let size = restored.page_size.bytes();
        assert_eq!(restored.pages as usize * size, expected.len());
        let checksums = expected.chunks(size).zip(1..);
        let checksums = checksums.map(|(page, pgno)| page_checksum(Pgno(pgno), page));
        assert!(restored.page_checksums == checksums.collect::<Vec<_>>());
        restored
    }

    /// What was said at warning level.
    fn warnings(&self) -> Vec<String> {
        let log = self.environment.log.borrow();
        let warnings = log
            .iter()
            .filter(|(level, _)| *level == crate::ports::LogLevel::Warn);
        warnings.map(|(_, told)| told.clone()).collect()
    }
}

/// An app's database, and where its backup is.
struct App {
    directory: TempDir,
    connection: Connection,
    store: MemoryStore,
    generation: u64,
    index: Cell<u32>,
    /// Up to which byte the WAL is in the backup.
    shipped: Cell<usize>,
    rows: Cell<u32>,
}

impl App {
    fn new(replica: &Replica, generation: u64, page_size: u32) -> App {
        let directory = TempDir::new().unwrap();
        let connection = Connection::open(directory.path().join("db")).unwrap();
        let setup = format!(
            "PRAGMA page_size = {page_size}; PRAGMA journal_mode = wal;
             PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = off;
             CREATE TABLE t(id INTEGER PRIMARY KEY, noise BLOB); CREATE INDEX i ON t(noise);
             PRAGMA wal_checkpoint(TRUNCATE);"
        );
        connection.execute_batch(&setup).unwrap();
        App {
            directory,
            connection,
            store: replica.store.clone(),
            generation,
            index: Cell::new(0),
            shipped: Cell::new(0),
            rows: Cell::new(0),
        }
    }

    /// Another app that goes on from here, in the next WAL.
    fn fork(&self) -> App {
        let directory = TempDir::new().unwrap();
        for name in ["db", "db-wal"] {
            fs::copy(self.path(name), directory.path().join(name)).unwrap();
        }
        let connection = Connection::open(directory.path().join("db")).unwrap();
        let app = App {
            directory,
            connection,
            store: self.store.clone(),
            index: self.index.clone(),
            shipped: Cell::new(0),
            rows: self.rows.clone(),
            ..*self
        };
        app.execute("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = off");
        app.next_wal();
        app
    }

    fn execute(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    /// Commits some rows, each in a transaction of its own.
    fn write(&self, rows: u32) {
        for _ in 0..rows {
            self.rows.set(self.rows.get() + 1);
            let sql = "INSERT INTO t(noise) VALUES (randomblob(abs(random()) % 3000))";
            self.execute(sql);
            if self.rows.get().is_multiple_of(7) {
                self.execute("DELETE FROM t WHERE id % 5 = 0");
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn wal(&self) -> Vec<u8> {
        fs::read(self.path("db-wal")).unwrap()
    }

    fn snapshot_key(&self, index: u32) -> String {
        let generation = self.generation;
        format!("generations/{generation:016x}/snapshots/{index:08x}.snapshot.lz4")
    }

    fn segment_key(&self, index: u32, offset: usize) -> String {
        let generation = self.generation;
        format!("generations/{generation:016x}/wal/{index:08x}_{offset:08x}.wal.lz4")
    }

    /// The database as it was when the WAL began.
    fn snapshot(&self) -> String {
        let key = self.snapshot_key(self.index.get());
        let database = fs::read(self.path("db")).unwrap();
        self.store.insert(&key, frame(&database));
        key
    }

    /// Backs up the WAL as far as it was written.
    fn ship(&self) -> String {
        let (wal, from) = (self.wal(), self.shipped.get());
        let key = self.segment_key(self.index.get(), from);
        self.store.insert(&key, frame(&wal[from..]));
        self.shipped.set(wal.len());
        key
    }

    /// Writes and backs up, so many times.
    fn run(&self, times: u32) {
        for _ in 0..times {
            self.write(3);
            self.ship();
        }
    }

    /// Begins the next WAL. What was not shipped never will be.
    fn next_wal(&self) {
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)");
        self.index.set(self.index.get() + 1);
        self.shipped.set(0);
    }

    /// The database file as SQLite's own checkpoint would leave it now.
    fn state(&self) -> Vec<u8> {
        checkpointed(&fs::read(self.path("db")).unwrap(), &self.wal())
    }
}

/// What SQLite makes of a database and its WAL.
fn checkpointed(database: &[u8], wal: &[u8]) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("db");
    fs::write(&path, database).unwrap();
    fs::write(directory.path().join("db-wal"), wal).unwrap();
    let connection = Connection::open(&path).unwrap();
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
    fs::read(&path).unwrap()
}

/// SQLite's own judgement of a database file.
fn integrity(database: &[u8]) -> String {
    let directory = TempDir::new().unwrap();
    let path: &Path = &directory.path().join("db");
    fs::write(path, database).unwrap();
    let connection = Connection::open(path).unwrap();
    let mode = "PRAGMA journal_mode";
    let mode: String = connection.query_row(mode, [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal", "the header stays as it was");
    let check = "PRAGMA integrity_check";
    connection.query_row(check, [], |row| row.get(0)).unwrap()
}
