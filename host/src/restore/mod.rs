//! `seawall restore`: brings a database back from its replica.

mod files;
mod follow;
pub mod progress;
mod report;

use crate::component::{self, Answer, Program, Session, wit};
use crate::config::Database;
use crate::exit::Code;
use crate::live::Files;
use crate::plan::{self, IntegrityCheck, Target};
use anyhow::bail;
use files::Temporary;
use std::path::Path;
use std::time::Instant;

/// Restores one database into a temporary file beside `output`, checks it, and renames it; then
/// follows the replica if that is asked for.
pub async fn run(plan: plan::Restore) -> anyhow::Result<Code> {
    let program = Program::load().map_err(component::failed)?;
    if let Some(interval) = plan.follow
        && follow::can_resume(&plan)
        && !plan.force
    {
        tracing::info!("{} is there, going on with it", plan.output.display());
        return follow::follow(&program, &plan, interval).await;
    }
    let output = &plan.output;
    if plan.if_db_not_exists && output.exists() {
        tracing::info!("{} exists, nothing to do", output.display());
        return Ok(Code::Ok);
    }
    let done = if plan.dry_run {
        show_plan(&program, &plan).await?
    } else {
        restore(&program, &plan).await?
    };
    match done {
        Ok(()) => {}
        Err(wit::Error::Nothing(_)) if plan.if_replica_exists => {
            tracing::info!("the replica holds no backup yet, nothing to do");
            return Ok(Code::Ok);
        }
        Err(wit::Error::Nothing(text)) => {
            tracing::error!("{text}");
            return Ok(Code::NothingToRestore);
        }
        Err(error) => bail!(
            "{}. {} is as it was",
            component::text(&error),
            output.display()
        ),
    }
    match plan.follow {
        Some(interval) => follow::follow(&program, &plan, interval).await,
        None => Ok(Code::Ok),
    }
}

/// Restores the newest state of a database that is not there, for `replicate`. A replica without
/// a backup is no error: the database begins anew.
pub async fn if_absent(program: &Program, database: &Database) -> Answer<()> {
    let path = &database.path;
    let plan = plan::Restore {
        replica: database.replica.clone(),
        output: path.clone(),
        if_db_not_exists: true,
        if_replica_exists: true,
        force: false,
        integrity_check: IntegrityCheck::None,
        target: Target::Latest,
        parallelism: plan::PARALLELISM,
        dry_run: false,
        follow: None,
        mode: None,
        source: path.display().to_string(),
        json: false,
    };
    match restore(program, &plan).await? {
        Err(wit::Error::Nothing(_)) => {
            let database = path.display().to_string();
            tracing::info!(
                database,
                "nothing to restore: the replica holds no backup yet"
            );
            Ok(Ok(()))
        }
        done => Ok(done),
    }
}

async fn restore(program: &Program, plan: &plan::Restore) -> Answer<()> {
    let output = &plan.output;
    if !plan.force {
        files::refuse_leftovers(output)?;
    }
    let began = Instant::now();
    let temporary = Temporary::create(output, plan.mode)?;
    let restored = match rebuild(program, plan, &temporary.path).await? {
        Ok(restored) => restored,
        Err(error) => return Ok(Err(error)),
    };
    if plan.force {
        files::remove_leftovers(output)?;
    }
    if plan.follow.is_some() {
        temporary.put_in_place_with_position(output)?;
    } else {
        temporary.put_in_place(output)?;
    }
    report::restored(plan, &restored, began.elapsed())?;
    Ok(Ok(()))
}

async fn rebuild(
    program: &Program,
    plan: &plan::Restore,
    temporary: &Path,
) -> Answer<wit::Restored> {
    let (bar, progress) = progress::bar();
    let files = Files::building(temporary, &plan.output);
    let subject = plan.output.display().to_string();
    let mut session = Session::open(program, subject, files, &plan.replica, progress).await?;
    let options = wit::RestoreOptions {
        target: target(plan.target),
        parallelism: plan.parallelism,
        check: match plan.integrity_check {
            IntegrityCheck::None => wit::Integrity::None,
            IntegrityCheck::Quick => wit::Integrity::Quick,
            IntegrityCheck::Full => wit::Integrity::Full,
        },
        follow: plan.follow.is_some(),
    };
    let answer = session.restore(options).await;
    bar.finish_and_clear();
    answer
}

async fn show_plan(program: &Program, plan: &plan::Restore) -> Answer<()> {
    // Nothing is opened or made there.
    let files = Files::building(&files::temporary_path(&plan.output), &plan.output);
    let subject = plan.output.display().to_string();
    let mut session = Session::reading(program, subject, files, &plan.replica).await?;
    match session.plan(target(plan.target)).await? {
        Ok(found) => report::planned(plan, &found).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

fn target(target: Target) -> wit::Target {
    match target {
        Target::Latest => wit::Target::Latest,
        Target::Txid(txid) => wit::Target::Txid(txid),
        Target::BeforeMs(ms) => wit::Target::BeforeMs(ms),
    }
}
