//! What a writer says was committed, line by line in a file that outlives its machine.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A commit that SQLite acknowledged to the writer.
#[derive(Clone, Debug, Deserialize)]
pub struct Ack {
    /// The kind of row.
    pub what: String,
    pub id: String,
    #[serde(default)]
    pub version: u64,
    #[serde(default)]
    pub sha256: String,
    /// Wall-clock milliseconds before the call and after its return.
    pub sent: f64,
    pub at: f64,
    /// Size of the WAL file after the commit, where the writer looks.
    #[serde(default)]
    pub wal_bytes: u64,
}

impl Ack {
    pub fn latency_ms(&self) -> f64 {
        self.at - self.sent
    }
}

/// A write that SQLite refused.
#[derive(Clone, Debug, Deserialize)]
pub struct Refusal {
    pub op: String,
    pub message: String,
}

/// The writer's first line.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Start {
    /// Notes found in the database.
    pub notes: u64,
    /// Those that were not whole.
    pub bad: u64,
}

/// All that one writer has said.
#[derive(Clone, Debug, Default)]
pub struct AckLog {
    pub start: Option<Start>,
    pub acks: Vec<Ack>,
    pub refusals: Vec<Refusal>,
    pub stopped: bool,
}

impl AckLog {
    /// Reads a log. A last line that was cut off by a kill is no acknowledgement.
    pub fn read(path: &Path) -> Result<Self> {
        let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        let mut log = Self::default();
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            log.push(line).with_context(|| format!("line {line:?}"))?;
        }
        Ok(log)
    }

    fn push(&mut self, line: &str) -> Result<()> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        match value["what"].as_str() {
            Some("start") => self.start = Some(serde_json::from_value(value)?),
            Some("stop") => self.stopped = true,
            Some("error") => self.refusals.push(serde_json::from_value(value)?),
            _ => self.acks.push(serde_json::from_value(value)?),
        }
        Ok(())
    }
}
