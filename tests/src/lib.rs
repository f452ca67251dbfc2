//! The end-to-end tests' own tools: a machine that can be lost, an S3 server behind a proxy that
//! makes bad weather, the app, the program under test, and judges of what came back.
//!
//! Tests run `seawall` from the same target directory (or `SEAWALL_BIN`). With
//! `PROGRAM_UNDER_TEST=litestream` those that make sense for it run the peer instead.
//! `KEEP_SCENES=1` keeps each test's files; a failed test prints its programs' logs.
//!
//! No test opens a live database in its own process: SQLite's POSIX locks are a process's, so a
//! test that closed one descriptor would drop the locks of another. [`shell::Shell`] is a process
//! apart for that.

pub mod ack;
pub mod app;
pub mod browser;
pub mod bucket;
pub mod disk;
pub mod edge;
pub mod figures;
pub mod generations;
pub mod history;
pub mod judge;
pub mod ltx;
pub mod pages;
pub mod places;
pub mod pod;
pub mod process;
pub mod program;
pub mod proxy;
pub mod replica;
pub mod scene;
pub mod shell;
pub mod stalls;
pub mod stock;
pub mod traffic;
pub mod upkeep;
pub mod weed;
pub mod workload;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

/// Wall-clock milliseconds, as the app's acknowledgements have them.
pub fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1000.0
}

/// Asks `question` until it has an answer; gives up after `limit`.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = question()? {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
