//! The program that runs while its databases are replicated: `-exec`.

use super::signals::Signals;
use super::supervisor::Supervisor;
use super::{Stop, until_over};
use crate::exit::Code;
use crate::plan::Exec;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::{Child, Command};

/// Starts the program when its databases are there and open, and ends some time after it.
pub async fn run(
    exec: &Exec,
    supervisor: &Supervisor,
    signals: &mut Signals,
) -> anyhow::Result<Code> {
    tokio::select! {
        () = supervisor.opened() => {}
        code = supervisor.over() => return Ok(code),
        _ = signals.next() => {
            supervisor.close(Stop::Gracefully);
            return Ok(until_over(supervisor, signals).await);
        }
    }
    let started = Command::new(&exec.program)
        .args(&exec.arguments)
        .spawn()
        .with_context(|| format!("cannot start the program {}", exec.program));
    let ended = match started {
        Ok(mut child) => {
            tracing::info!("{} runs", exec.program);
            Ok(until_ended(&mut child, supervisor, signals).await?)
        }
        Err(error) => Err(error),
    };
    if let Ok(status) = &ended {
        tracing::info!("{} ended ({status}): shipping what is left", exec.program);
    }
    supervisor.close(Stop::Gracefully);
    let replicated = until_over(supervisor, signals).await;
    Ok(match of_program(ended?) {
        0 => replicated,
        number => Code::Program(number),
    })
}

async fn until_ended(
    child: &mut Child,
    supervisor: &Supervisor,
    signals: &mut Signals,
) -> anyhow::Result<ExitStatus> {
    let mut replicated = true;
    loop {
        tokio::select! {
            status = child.wait() => return status.context("the program cannot be waited for"),
            signal = signals.next() => pass_on(child, signal),
            _ = supervisor.over(), if replicated => {
                replicated = false;
                tracing::error!(
                    "nothing is replicated any more: ending the program, so that it does not go on \
                     writing what would be lost"
                );
                pass_on(child, Signal::TERM);
            }
        }
    }
}

fn pass_on(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    // Without an id it has ended, and was waited for.
    let Some(id) = id.and_then(Pid::from_raw) else {
        return;
    };
    if let Err(error) = kill_process(id, signal) {
        tracing::warn!("the program does not get the signal {signal:?}: {error}");
    }
}

/// As a shell reports it.
fn of_program(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(number).unwrap_or(1)
}
