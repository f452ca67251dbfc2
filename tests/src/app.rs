//! The Node app with HedgeDoc's habits, in a process of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::ack::AckLog;
use crate::process::Running;
use crate::scene::Scene;
use crate::{places, wait_for};

/// How busy the app is.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub notes: u32,
    pub interval_ms: u32,
    pub revisions_ms: u32,
}

impl Habits {
    /// HedgeDoc with six people typing.
    pub const REAL: Self = Self {
        notes: 6,
        interval_ms: 1000,
        revisions_ms: 5000,
    };

    /// Ten times as fast: so that a kill hits something.
    pub const HURRIED: Self = Self {
        notes: 6,
        interval_ms: 100,
        revisions_ms: 500,
    };
}

pub struct App {
    process: Running,
    acks: PathBuf,
}

impl App {
    /// Starts the app and waits until it has its tables and has found its notes whole.
    pub fn start(scene: &Scene, db: &Path, habits: Habits) -> Result<Self> {
        let acks = scene.fresh("acks.jsonl");
        let log = scene.fresh("app.log");
        let mut command = Command::new("node");
        command
            .arg(places::app()?)
            .arg("--db")
            .arg(db)
            .args(["--notes", &habits.notes.to_string()])
            .args(["--interval-ms", &habits.interval_ms.to_string()])
            .args(["--revisions-ms", &habits.revisions_ms.to_string()])
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::null())
            .stdout(File::create(&acks)?)
            .stderr(File::create(&log)?);
        let mut process = Running::spawn("the app", &mut command, &log)?;
        wait_for("the app to start", Duration::from_secs(60), || {
            ensure!(process.is_running()?, "the app ended:\n{}", process.said()?);
            Ok(AckLog::read(&acks)?.start)
        })?;
        Ok(Self { process, acks })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has said so far.
    pub fn log(&self) -> Result<AckLog> {
        AckLog::read(&self.acks)
    }

    /// Kill -9; returns what it had said.
    pub fn kill(self) -> Result<AckLog> {
        self.process.kill()?;
        AckLog::read(&self.acks)
    }

    /// SIGTERM: it saves everything first, as HedgeDoc does.
    pub fn stop(self) -> Result<AckLog> {
        let outcome = self.process.terminate(Duration::from_secs(20))?;
        let log = AckLog::read(&self.acks)?;
        ensure!(log.stopped, "the app did not stop well: {outcome:?}");
        Ok(log)
    }
}
