//! Keeps a restored file up to date with the replica: `restore -f`.

use crate::component::{Program, Session, wit};
use crate::exit::Code;
use crate::health::{Health, Task, Telling};
use crate::live::{Files, position_path};
use crate::plan;
use crate::table;
use anyhow::Context;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

/// How long a stop waits for a step that is under way. A step that is cut off is rolled back by
/// whoever opens the file next.
const GRACE: Duration = Duration::from_secs(5);

/// Whether the file and its position are there from an earlier run.
pub fn can_resume(plan: &plan::Restore) -> bool {
    plan.output.exists() && position_path(&plan.output).exists()
}

/// Runs until SIGTERM or SIGINT.
pub async fn follow(
    program: &Program,
    plan: &plan::Restore,
    interval: Duration,
) -> anyhow::Result<Code> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be received")?;
    let name = plan.output.display().to_string();
    let mut health = Health::new(Task::Following, name.clone(), Telling::default());
    tracing::info!(
        database = name,
        "following the replica, a look each {interval:?}"
    );
    let mut session = open(program, plan).await?;
    loop {
        tokio::select! {
            () = sleep(interval) => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        let mut step = Box::pin(session.follow(plan.parallelism));
        let answer = tokio::select! {
            answer = &mut step => answer,
            _ = terminate.recv() => return Ok(end(&name, timeout(GRACE, step).await.is_ok())),
            _ = interrupt.recv() => return Ok(end(&name, timeout(GRACE, step).await.is_ok())),
        };
        drop(step);
        match answer {
            Ok(Ok(step)) => {
                health.works();
                if step.txid != step.before {
                    tell(&name, &step);
                }
            }
            Ok(Err(error)) => health.fails(&error),
            Err(error) => {
                tracing::error!(database = name, "{error:#}; starting it anew");
                session = open(program, plan).await?;
            }
        }
    }
    Ok(end(&name, true))
}

async fn open(program: &Program, plan: &plan::Restore) -> anyhow::Result<Session> {
    let subject = plan.output.display().to_string();
    let files = Files::new(&plan.output);
    Session::reading(program, subject, files, &plan.replica).await
}

fn tell(name: &str, step: &wit::Followed) {
    tracing::debug!(
        database = name,
        from = table::txid(step.before),
        to = table::txid(step.txid),
        pages = step.pages,
        bytes = step.downloaded,
        "followed"
    );
}

fn end(name: &str, whole: bool) -> Code {
    let how = if whole {
        ""
    } else {
        ", in the middle of a step, which has no effect"
    };
    tracing::info!(database = name, "stopped following{how}");
    Code::Ok
}
