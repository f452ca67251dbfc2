//! One program that a test has started, and nothing but that one is ever ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait_for;

/// A child process with its output in a file. Dropping it kills it.
pub struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

/// How a program ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    /// All that it wrote to stdout and stderr.
    pub output: String,
}

impl Outcome {
    /// The exit code; `None` after a signal.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Insists on exit code 0.
    pub fn ok(self) -> Result<Self> {
        self.expect(0)
    }

    /// Insists on one exit code.
    pub fn expect(self, code: i32) -> Result<Self> {
        anyhow::ensure!(
            self.code() == Some(code),
            "expected exit code {code}, got {}; it said:\n{}",
            self.status,
            self.output
        );
        Ok(self)
    }

    /// Insists that no line of its log is a warning or an error.
    pub fn without_alarms(self) -> Result<Self> {
        let alarms: Vec<&str> = alarms(&self.output).collect();
        anyhow::ensure!(alarms.is_empty(), "it said:\n{}", alarms.join("\n"));
        Ok(self)
    }

    /// Insists that the output has `needle` in it, in any case.
    pub fn says(self, needle: &str) -> Result<Self> {
        anyhow::ensure!(
            self.output.to_lowercase().contains(&needle.to_lowercase()),
            "expected the output to say {needle:?}; it said:\n{}",
            self.output
        );
        Ok(self)
    }
}

/// The lines that either program logs at level WARN or ERROR.
pub fn alarms(output: &str) -> impl Iterator<Item = &str> {
    const MARKS: [&str; 4] = ["level=WARN", "level=ERROR", "WARN", "ERROR"];
    let is_alarm = |line: &&str| line.split_whitespace().any(|word| MARKS.contains(&word));
    output.lines().filter(is_alarm)
}

impl Running {
    /// Starts `command` with stdout and stderr in `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stderr(file.try_clone()?);
        Self::spawn(name, command.stdout(file), log)
    }

    /// Starts `command` with its output where the caller has put it.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        Ok(Self {
            child,
            name: name.into(),
            log: log.into(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The ends of its pipes, where the caller asked for pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Ends the process as a power cut would, and waits until it is gone.
    pub fn kill(mut self) -> Result<Outcome> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.outcome(status)
    }

    /// SIGTERM, then waits.
    pub fn terminate(self, limit: Duration) -> Result<Outcome> {
        self.signal(libc::SIGTERM);
        self.wait(limit)
    }

    /// Sends a signal. The pid is ours: it is not reaped before `wait`.
    pub fn signal(&self, signal: i32) {
        let pid = self.child.id().cast_signed();
        // SAFETY: kill has no memory effects.
        unsafe { libc::kill(pid, signal) };
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self, limit: Duration) -> Result<Outcome> {
        let what = format!("the end of {}", self.name);
        let status = wait_for(&what, limit, || Ok(self.child.try_wait()?))?;
        self.outcome(status)
    }

    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// All that it has written to its log so far.
    pub fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned())
    }

    fn outcome(&self, status: ExitStatus) -> Result<Outcome> {
        let output = self.said()?;
        Ok(Outcome { status, output })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::alarms;

    #[test]
    fn alarms_of_both_programs_are_told_from_other_lines() {
        let output = "time=2026-11-25T22:40:24.002Z level=INFO msg=\"compaction complete\"
time=2026-11-25T22:40:24.002Z level=WARN msg=\"sync error\"
2026-11-25T22:40:24.002Z  INFO shipped /data/ERRORS.db
2026-11-25T22:40:24.002Z ERROR cannot reach the store
2026-11-25T22:40:24.002Z  WARN the WAL is large";
        let found: Vec<&str> = alarms(output).collect();
        let all: Vec<&str> = output.lines().collect();
        assert_eq!(found, [all[1], all[3], all[4]]);
    }
}
