//! A SQLite client for the tests to start, talk to and kill.
//!
//!   client shell DB                      one line of statements in, one line of JSON out
//!   client load DB INTERVAL_MS BYTES     commits a row at a steady pace until SIGTERM
//!   client append DB INTERVAL_MS BYTES   the same, and never checkpoints
//!   client hour DB SEED SECONDS          an hour of HedgeDoc in so many seconds
//!   client tear DB                       leaves the WAL-index as a killed writer does

use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::now_ms;
use end_to_end::places::wal_of;
use end_to_end::workload::{self, Commit, prose};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, params};
use serde_json::{Value, json};

const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["shell", db] => shell(db),
        ["load", db, interval_ms, bytes] => load(&open(db)?, interval_ms.parse()?, bytes.parse()?),
        ["append", db, interval_ms, bytes] => {
            let connection = open(db)?;
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            load(&connection, interval_ms.parse()?, bytes.parse()?)
        }
        ["hour", db, seed, seconds] => hour(db, seed.parse()?, seconds.parse()?),
        ["tear", db] => tear(Path::new(db)),
        _ => bail!("usage: client shell|load|append|hour|tear DB ..."),
    }
}

fn open(db: &str) -> Result<Connection> {
    let connection = Connection::open(db)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn shell(db: &str) -> Result<()> {
    let connection = open(db)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let start = Instant::now();
        let result = run(&connection, &line);
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        let (rows, error) = match result {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        println!("{}", json!({ "rows": rows, "error": error, "ms": ms }));
    }
    Ok(())
}

/// Runs all statements; returns the rows of the last one.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut batch = Batch::new(connection, sql);
    let mut last = Vec::new();
    while let Some(mut statement) = batch.next()? {
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        last.clear();
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|at| Ok(to_json(row.get_ref(at)?)));
            last.push(values.collect::<rusqlite::Result<_>>()?);
        }
    }
    Ok(last)
}

fn to_json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!(bytes.len()),
    }
}

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_sigterm(_signal: libc::c_int) {
    STOP.store(true, Ordering::Relaxed);
}

fn load(connection: &Connection, interval_ms: u64, bytes: usize) -> Result<()> {
    let handler = on_sigterm as extern "C" fn(libc::c_int);
    // SAFETY: the handler only stores to an atomic.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS load(id INTEGER PRIMARY KEY, at REAL, body BLOB)",
    )?;
    println!("{}", json!({ "what": "start", "notes": 0, "bad": 0 }));
    let mut insert = connection.prepare("INSERT INTO load(at, body) VALUES (?, ?)")?;
    let wal = wal_of(Path::new(
        connection.path().context("a database in no file")?,
    ));
    let mut body = vec![0_u8; bytes];
    let mut next = Instant::now();
    while !STOP.load(Ordering::Relaxed) {
        rand::rng().fill(&mut body[..]);
        let sent = now_ms();
        let line = match insert.execute(params![sent, body]) {
            Ok(_) => json!({
                "what": "load", "id": connection.last_insert_rowid().to_string(),
                "sent": sent, "at": now_ms(),
                "wal_bytes": std::fs::metadata(&wal).map_or(0, |meta| meta.len()),
            }),
            Err(error) => json!({ "what": "error", "op": "load", "message": error.to_string() }),
        };
        println!("{line}");
        std::io::stdout().flush()?;
        next += Duration::from_millis(interval_ms);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Commits what HedgeDoc would, each at its time, and acknowledges it.
fn hour(db: &str, seed: u64, seconds: u64) -> Result<()> {
    let connection = open(db)?;
    println!("{}", json!({ "what": "start", "notes": 0, "bad": 0 }));
    let mut chance = StdRng::seed_from_u64(seed);
    let (wal, start) = (wal_of(Path::new(db)), Instant::now());
    for event in workload::hour(seed, Duration::from_secs(seconds)) {
        std::thread::sleep((start + event.at).saturating_duration_since(Instant::now()));
        let sent = now_ms();
        let (what, result) = match event.commit {
            Commit::Note { note, bytes } => {
                let text = prose(&mut chance, bytes);
                let sql = "UPDATE Notes SET content = ?, updatedAt = ? WHERE id = ?";
                ("note", connection.execute(sql, params![text, sent, note]))
            }
            Commit::Revision { note, bytes } => {
                let text = prose(&mut chance, bytes);
                let sql = "INSERT INTO Revisions(noteId, patch, createdAt) VALUES (?, ?, ?)";
                (
                    "revision",
                    connection.execute(sql, params![note, text, sent]),
                )
            }
            Commit::Session => {
                let sql = "INSERT INTO Sessions(data, expires) VALUES (hex(randomblob(100)), ?)";
                ("session", connection.execute(sql, params![sent]))
            }
        };
        let line = match result {
            Ok(_) => json!({
                "what": what, "id": connection.last_insert_rowid().to_string(),
                "sent": sent, "at": now_ms(),
                "wal_bytes": std::fs::metadata(&wal).map_or(0, |meta| meta.len()),
            }),
            Err(error) => json!({ "what": "error", "op": what, "message": error.to_string() }),
        };
        println!("{line}");
        std::io::stdout().flush()?;
    }
    println!("{}", json!({ "what": "stop" }));
    Ok(())
}

/// SQLite writes the second copy of the WAL-index header first and the first one after it, under
/// the write lock. A process killed between the two leaves copies that differ.
fn tear(db: &Path) -> Result<()> {
    const HEADER_BYTES: u64 = 48;
    const CHANGE_COUNTER_AT: u64 = 8;
    const WRITE_LOCK_BYTE: i64 = 120;
    let mut name = db.as_os_str().to_owned();
    name.push("-shm");
    let shm = File::options().read(true).write(true).open(&name)?;
    // SAFETY: flock is plain data; zero is valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = WRITE_LOCK_BYTE;
    lock.l_len = 1;
    // SAFETY: the descriptor is open and the structure outlives the call.
    let locked = unsafe { libc::fcntl(shm.as_raw_fd(), libc::F_SETLKW, &raw const lock) };
    ensure!(locked == 0, "cannot take the write lock");
    let at = HEADER_BYTES + CHANGE_COUNTER_AT;
    let mut counter = [0; 4];
    shm.read_exact_at(&mut counter, at)
        .context("no WAL-index")?;
    let next = u32::from_ne_bytes(counter).wrapping_add(1);
    shm.write_all_at(&next.to_ne_bytes(), at)?;
    Ok(())
}
