//! `seawall replicate`: keeps replicas up to date until it is told to stop.

mod compaction;
mod driver;
mod notice;

use crate::component::{self, Program};
use crate::config::Database;
use crate::exit::Code;
use crate::plan::{self, Shutdown};
use driver::Driver;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Runs until SIGTERM or SIGINT, or until no database is left to replicate. A second signal ends
/// the final sync.
pub async fn run(plan: plan::Replicate) -> anyhow::Result<Code> {
    let program = Program::load().map_err(component::failed)?;
    let (stop, stopping) = watch::channel(Stop::No);
    let mut running = JoinSet::new();
    for database in plan.databases {
        running.spawn(replicate(
            program.clone(),
            database,
            plan.shutdown,
            stopping.clone(),
        ));
    }
    tokio::spawn(pass_signals_on(stop));
    let mut worst = Code::Ok;
    while let Some(ended) = running.join_next().await {
        let code = match ended {
            Ok(code) => code,
            Err(panic) => {
                tracing::error!("a replication task died: {panic}");
                Code::Error
            }
        };
        worst = more_severe(worst, code);
    }
    Ok(worst)
}

/// What the tasks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// Ship what is there, then end.
    Gracefully,
    Now,
}

async fn pass_signals_on(stop: watch::Sender<Stop>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received; only SIGKILL will end this process");
        return;
    };
    for what in [Stop::Gracefully, Stop::Now] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if what == Stop::Gracefully {
            tracing::info!("stopping: shipping what is left (a second signal ends that)");
        }
        stop.send_replace(what);
    }
}

async fn replicate(
    program: Program,
    database: Database,
    shutdown: Shutdown,
    stopping: watch::Receiver<Stop>,
) -> Code {
    let name = database.path.display().to_string();
    match Driver::start(&program, &database, shutdown).await {
        Ok(driver) => driver.run(stopping).await,
        Err(error) => {
            tracing::error!(database = name, "{error:#}");
            Code::Error
        }
    }
}

/// One exit code for all databases: the one that needs a person first.
fn more_severe(a: Code, b: Code) -> Code {
    let rank = |code| match code {
        Code::Ok => 0,
        Code::Unshipped => 1,
        Code::Fenced => 2,
        _ => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
