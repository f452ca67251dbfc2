//! An app that commits small rows, in a process of its own: native SQLite, and nothing else in the way.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use end_to_end::places::wal_of;
use end_to_end::process::Running;
use end_to_end::scene::Scene;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// Looked at after so many commits.
const WAL_EVERY: u64 = 50;

#[derive(Args)]
pub struct Words {
    db: PathBuf,
    #[arg(long)]
    seconds: f64,
    /// Commits a second; 0: as many as it can.
    #[arg(long)]
    rate: u64,
    /// SQLite's `synchronous`.
    #[arg(long)]
    synchronous: String,
}

/// How it went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    pub commits_per_s: f64,
    /// The commit that took longest.
    pub longest_ms: f64,
    pub wal_mb: f64,
    pub refused: u64,
}

/// Rows of 100 bytes.
const ROW: usize = 100;

pub fn run(words: &Words) -> Result<()> {
    let connection = Connection::open(&words.db)?;
    connection.busy_timeout(Duration::from_secs(60))?;
    connection.pragma_update(None, "synchronous", &words.synchronous)?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS written(id INTEGER PRIMARY KEY, at REAL, body BLOB)",
    )?;
    let mut insert = connection.prepare("INSERT INTO written(at, body) VALUES (?, ?)")?;
    let wal = wal_of(&words.db);
    let pause = match words.rate {
        0 => Duration::ZERO,
        rate => Duration::from_secs_f64(1.0 / rate as f64),
    };
    let (mut commits, mut refused, mut wal_bytes) = (0_u64, 0, 0);
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(words.seconds);
    let mut next = start;
    while Instant::now() < end {
        let began = Instant::now();
        match insert.execute(params![commits as f64, [7_u8; ROW]]) {
            Ok(_) => commits += 1,
            Err(_) => refused += 1,
        }
        longest = longest.max(began.elapsed());
        if commits.is_multiple_of(WAL_EVERY) {
            wal_bytes = wal_bytes.max(wal.metadata().map_or(0, |meta| meta.len()));
        }
        if pause > Duration::ZERO {
            next += pause;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
    let written = Written {
        commits_per_s: commits as f64 / start.elapsed().as_secs_f64(),
        longest_ms: longest.as_secs_f64() * 1000.0,
        wal_mb: wal_bytes as f64 / 1e6,
        refused,
    };
    println!("{}", serde_json::to_string(&written)?);
    Ok(())
}

/// A writer that runs.
pub struct Writer {
    process: Running,
    seconds: Duration,
}

impl Writer {
    pub fn start(
        scene: &Scene,
        db: &Path,
        seconds: Duration,
        rate: u64,
        synchronous: &str,
    ) -> Result<Writer> {
        let mut command = Command::new(std::env::current_exe()?);
        let (length, rate) = (seconds.as_secs_f64().to_string(), rate.to_string());
        command
            .arg("writer")
            .arg(db)
            .args(["--seconds", &length, "--rate", &rate])
            .args(["--synchronous", synchronous])
            .stdin(Stdio::null());
        let process = Running::start("the writer", &mut command, &scene.fresh("writer.log"))?;
        Ok(Writer { process, seconds })
    }

    pub fn wait(self) -> Result<Written> {
        let outcome = self.process.wait(self.seconds * 3 + crate::stage::LIMIT)?;
        let outcome = outcome.ok()?;
        let line = outcome
            .output
            .lines()
            .last()
            .context("the writer said nothing")?;
        Ok(serde_json::from_str(line)?)
    }
}
