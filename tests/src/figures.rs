//! Figures: how they are gathered from a running program, and how they are summed up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::ack::Ack;
use crate::ltx::Header;
use crate::proxy::Exchange;

/// A distribution of milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub count: usize,
}

impl Spread {
    /// Sums up at least one value.
    pub fn of(mut values: Vec<f64>) -> Result<Self> {
        values.sort_by(f64::total_cmp);
        let max_ms = *values.last().context("no values to sum up")?;
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Ok(Self {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms,
            count: values.len(),
        })
    }
}

/// How long each commit waited after its acknowledgement until the store had answered 200 for an
/// object that reaches as far into the WAL. Holds as long as the WAL is not started again.
pub fn durable_after_ms(acks: &[Ack], log: &[Exchange]) -> Vec<f64> {
    let puts = log
        .iter()
        .filter(|put| put.puts_level(0) && put.status == Some(200));
    let mut reached: Vec<(f64, u64)> = puts
        .filter_map(|put| {
            let header = Header::parse(&put.opening).ok()?;
            Some((put.ended, header.wal_offset + header.wal_size))
        })
        .collect();
    reached.sort_by(|a, b| a.0.total_cmp(&b.0));
    let durable = |ack: &Ack| {
        let mut later = reached.iter().filter(|(_, end)| *end >= ack.wal_bytes);
        later.next().map(|(ended, _)| (ended - ack.at).max(0.0))
    };
    acks.iter().filter_map(durable).collect()
}

/// What a process uses of the machine, as the kernel tells.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Usage {
    pub rss_mb: f64,
    pub peak_rss_mb: f64,
    pub cpu_s: f64,
    pub threads: usize,
    /// Open file descriptors.
    pub files: usize,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let fields: BTreeMap<&str, &str> = status
            .lines()
            .filter_map(|line| line.split_once(':'))
            .collect();
        let mb = |name: &str| -> Result<f64> {
            let field = fields.get(name).context("no such field in /proc")?;
            let kb = field.trim().trim_end_matches(" kB").parse::<f64>()?;
            Ok(kb / 1024.0)
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // After the name in parentheses: state is field 3, utime 14, stime 15; in hundredths.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let numbers: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |field: usize| -> Result<f64> {
            Ok(numbers.get(field - 3).context("short stat")?.parse()?)
        };
        Ok(Self {
            rss_mb: mb("VmRSS")?,
            peak_rss_mb: mb("VmHWM")?,
            cpu_s: (ticks(14)? + ticks(15)?) / 100.0,
            threads: fields
                .get("Threads")
                .context("no threads")?
                .trim()
                .parse()?,
            files: std::fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        })
    }
}

/// The component's file, the newest below the target directory.
pub fn component(target: &Path) -> Option<PathBuf> {
    let mut found = Vec::new();
    find_components(target, 6, &mut found);
    found.sort();
    found.pop().map(|(_, path)| path)
}

fn find_components(dir: &Path, depth: u32, found: &mut Vec<(std::time::SystemTime, PathBuf)>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() && depth > 0 {
            find_components(&path, depth - 1, found);
        } else if path
            .file_name()
            .is_some_and(|name| name == "replicator.wasm")
            && let Ok(modified) = path.metadata().and_then(|meta| meta.modified())
        {
            found.push((modified, path));
        }
    }
}
