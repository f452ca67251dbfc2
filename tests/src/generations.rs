//! A backup in the format of Litestream 0.3, made by hand from a real database.
//!
//! ```text
//! generations/<16 hex>/snapshots/<8 hex: index>.snapshot.lz4
//! generations/<16 hex>/wal/<8 hex: index>_<8 hex: offset>.wal.lz4
//! ```
//!
//! A snapshot is the database file as it was when the WAL of its index began; a segment is a piece
//! of a WAL, from one commit to another. Both are LZ4 frames.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use rusqlite::Connection;

use crate::bucket::Objects;
use crate::history::rfc3339;
use crate::now_ms;
use crate::places::wal_of;
use crate::scene::Scene;

/// S3 tells the time of an object in whole seconds.
const APART: Duration = Duration::from_millis(2200);

/// A state that the backup holds.
pub struct Kept {
    /// Between the objects of this state and those of the next, as `-timestamp` takes it.
    pub timestamp: String,
    /// The database as it was, with its WAL beside it.
    pub db: PathBuf,
}

/// One generation in the making, with the database that it is a backup of.
pub struct Generation<'a> {
    objects: &'a Objects,
    name: &'a str,
    db: PathBuf,
    connection: Connection,
    /// Of the WAL that is being written.
    index: u32,
    /// Bytes of that WAL that are backed up.
    offset: usize,
}

impl<'a> Generation<'a> {
    /// Makes a database in `scene` and backs it up as the snapshot of index 0. Nobody else opens
    /// that database. `name` has 16 hex digits.
    pub fn begin(
        scene: &Scene,
        objects: &'a Objects,
        name: &'a str,
        page_size: u32,
    ) -> Result<Self> {
        let db = scene.fresh("generation.db");
        let connection = Connection::open(&db)?;
        connection.execute_batch(&format!(
            "PRAGMA page_size = {page_size};
             PRAGMA journal_mode = WAL;
             PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)"
        ))?;
        let generation = Self {
            objects,
            name,
            db,
            connection,
            index: 0,
            offset: 0,
        };
        generation.write(20)?;
        generation.checkpoint()?;
        generation.snapshot()?;
        Ok(generation)
    }

    fn write(&self, rows: u32) -> Result<()> {
        let sql = "INSERT INTO t(body) VALUES (randomblob(3000))";
        for _ in 0..rows {
            self.connection.execute(sql, [])?;
        }
        let sql = "UPDATE t SET body = randomblob(2000) WHERE id % 5 = abs(random()) % 5";
        self.connection.execute(sql, [])?;
        Ok(())
    }

    fn checkpoint(&self) -> Result<()> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        ensure!(busy == 0, "somebody else has the database open");
        Ok(())
    }

    fn snapshot(&self) -> Result<()> {
        let (name, index) = (self.name, self.index);
        let key = format!("generations/{name}/snapshots/{index:08x}.snapshot.lz4");
        self.objects
            .put(&key, &lz4_frame(&std::fs::read(&self.db)?)?)
    }

    /// Commits, and backs up what was committed as one segment.
    pub fn segment(&mut self) -> Result<()> {
        self.write(5)?;
        let wal = std::fs::read(wal_of(&self.db))?;
        let (name, index) = (self.name, self.index);
        let offset = std::mem::replace(&mut self.offset, wal.len());
        let piece = wal.get(offset..).context("the WAL has become shorter")?;
        ensure!(!piece.is_empty(), "nothing was committed");
        let key = format!("generations/{name}/wal/{index:08x}_{offset:08x}.wal.lz4");
        self.objects.put(&key, &lz4_frame(piece)?)
    }

    /// Begins the next WAL; what was backed up of the one before is in the database file now.
    pub fn next_index(&mut self) -> Result<()> {
        self.checkpoint()?;
        (self.index, self.offset) = (self.index + 1, 0);
        Ok(())
    }

    /// As [`next_index`](Self::next_index), with a snapshot at its beginning.
    pub fn next_snapshot(&mut self) -> Result<()> {
        self.next_index()?;
        self.snapshot()
    }

    /// Keeps the present state, in the middle of a pause of the backup.
    pub fn keep(&self, scene: &Scene) -> Result<Kept> {
        std::thread::sleep(APART / 2);
        let timestamp = rfc3339(now_ms())?;
        let db = scene.fresh("kept.db");
        std::fs::copy(&self.db, &db)?;
        std::fs::copy(wal_of(&self.db), wal_of(&db))?;
        std::thread::sleep(APART / 2);
        Ok(Kept { timestamp, db })
    }
}

/// As Litestream 0.3 writes it: blocks of 4 MiB that do not lean on each other, and a checksum.
fn lz4_frame(content: &[u8]) -> Result<Vec<u8>> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max4MB)
        .block_mode(BlockMode::Independent)
        .content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}
