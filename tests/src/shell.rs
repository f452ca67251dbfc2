//! One SQLite client in a process of its own: the test says the statements.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::ack::AckLog;
use crate::places;
use crate::process::Running;
use crate::scene::Scene;

/// No statement of the tests takes longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// What came of one line of statements.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    /// The rows of the last statement.
    pub rows: Vec<Vec<serde_json::Value>>,
    pub error: Option<String>,
    pub ms: f64,
}

pub struct Shell {
    process: Running,
    answers: Receiver<String>,
}

impl Shell {
    /// Opens `db`, which is made when it is not there.
    pub fn open(scene: &Scene, db: &Path) -> Result<Self> {
        let log = scene.fresh("client.log");
        let mut command = Command::new(places::built("client")?);
        command
            .arg("shell")
            .arg(db)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?);
        let mut process = Running::spawn("the client", &mut command, &log)?;
        let stdout = process.child().stdout.take().context("no pipe")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, answers })
    }

    /// Sends statements without waiting for their end.
    pub fn send(&mut self, sql: &str) -> Result<()> {
        let stdin = self.process.child().stdin.as_mut().context("no pipe")?;
        writeln!(stdin, "{}", sql.replace('\n', " "))?;
        Ok(stdin.flush()?)
    }

    /// Waits for what came of the last `send`.
    pub fn answer(&mut self) -> Result<Answer> {
        let line = self.answers.recv_timeout(ANSWER_LIMIT);
        let line = line.context("the client did not answer")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Runs statements, whatever comes of them.
    pub fn attempt(&mut self, sql: &str) -> Result<Answer> {
        self.send(sql)?;
        self.answer()
    }

    /// Runs statements that must succeed.
    pub fn run(&mut self, sql: &str) -> Result<Answer> {
        let answer = self.attempt(sql)?;
        match &answer.error {
            Some(error) => bail!("{sql}: {error} after {:.0} ms", answer.ms),
            None => Ok(answer),
        }
    }

    /// The first value of the first row.
    pub fn value(&mut self, sql: &str) -> Result<serde_json::Value> {
        let mut rows = self.run(sql)?.rows;
        let first = rows.first_mut().and_then(|row| row.first_mut());
        Ok(first.context("no row")?.take())
    }

    /// Closes the connection as an app does that ends well.
    pub fn close(mut self) -> Result<()> {
        drop(self.process.child().stdin.take());
        self.process.wait(ANSWER_LIMIT)?.ok()?;
        Ok(())
    }

    /// Kill -9.
    pub fn kill(self) -> Result<()> {
        self.process.kill()?;
        Ok(())
    }
}

/// Runs statements in a process that closes the database again.
pub fn sql(scene: &Scene, db: &Path, statements: &str) -> Result<Answer> {
    let mut shell = Shell::open(scene, db)?;
    let answer = shell.run(statements)?;
    shell.close()?;
    Ok(answer)
}

/// Leaves the WAL-index as a process does that was killed while it wrote the header.
pub fn tear_wal_index(scene: &Scene, db: &Path) -> Result<()> {
    let mut command = Command::new(places::built("client")?);
    command.arg("tear").arg(db);
    let log = scene.fresh("tear.log");
    Running::start("the dying writer", &mut command, &log)?
        .wait(ANSWER_LIMIT)?
        .ok()?;
    Ok(())
}

/// A client that commits a row at a steady pace and acknowledges each.
pub struct Load {
    process: Running,
    acks: PathBuf,
}

impl Load {
    /// Commits `bytes` of new content every `interval_ms`.
    pub fn start(scene: &Scene, db: &Path, interval_ms: u32, bytes: u32) -> Result<Self> {
        Self::run(
            scene,
            "load",
            db,
            [interval_ms.to_string(), bytes.to_string()],
        )
    }

    /// The same by an app that never checkpoints.
    pub fn append(scene: &Scene, db: &Path, interval_ms: u32, bytes: u32) -> Result<Self> {
        let numbers = [interval_ms.to_string(), bytes.to_string()];
        Self::run(scene, "append", db, numbers)
    }

    /// An hour of HedgeDoc in `seconds`, in a database that [`workload::create`] made. It ends by
    /// itself.
    ///
    /// [`workload::create`]: crate::workload::create
    pub fn hour(scene: &Scene, db: &Path, seed: u64, seconds: u64) -> Result<Self> {
        Self::run(scene, "hour", db, [seed.to_string(), seconds.to_string()])
    }

    fn run(scene: &Scene, what: &str, db: &Path, numbers: [String; 2]) -> Result<Self> {
        let acks = scene.fresh("acks.jsonl");
        let log = scene.fresh("load.log");
        let mut command = Command::new(places::built("client")?);
        command
            .arg(what)
            .arg(db)
            .args(numbers)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&acks)?)
            .stderr(std::fs::File::create(&log)?);
        let process = Running::spawn("the load", &mut command, &log)?;
        Ok(Self { process, acks })
    }

    pub fn log(&self) -> Result<AckLog> {
        AckLog::read(&self.acks)
    }

    /// Kill -9; returns what it had said.
    pub fn kill(self) -> Result<AckLog> {
        self.process.kill()?;
        AckLog::read(&self.acks)
    }

    /// Waits until it ends by itself.
    pub fn wait(self, limit: Duration) -> Result<AckLog> {
        self.process.wait(limit)?.ok()?;
        AckLog::read(&self.acks)
    }

    /// Ends it between two commits, with its connection closed well.
    pub fn stop(self) -> Result<AckLog> {
        self.process.terminate(ANSWER_LIMIT)?.ok()?;
        AckLog::read(&self.acks)
    }
}
