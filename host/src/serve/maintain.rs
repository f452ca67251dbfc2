//! `seawall maintain`: the upkeep of a database that no process owns.

use super::program::{Limits, Program, Settings, upkeep};
use super::{access, layout};
use crate::component;
use crate::config::Upkeep;
use crate::exit::Code;
use crate::output;
use crate::plan;
use anyhow::bail;
use std::time::Duration;

pub async fn run(plan: plan::Maintain) -> anyhow::Result<Code> {
    let replica = &plan.database.replica;
    let program = Program::load(Limits::GENEROUS).map_err(component::failed)?;
    let access = access(replica).await?;
    let settings = Settings::from([("layout".to_owned(), layout(replica).to_owned())]);
    let schedule = schedule(&plan.database.upkeep);
    let done = program.maintain(access(), settings, schedule).await;
    let done = match done.map_err(component::failed)? {
        Ok(done) => done,
        Err(text) => bail!("{text}"),
    };
    let (written, deleted) = (done.written, done.deleted);
    if plan.json {
        let report = serde_json::json!({
            "source": plan.source, "written": written, "deleted": deleted, "due_ms": done.due_ms,
        });
        output::print(format_args!("{report}\n"))?;
    } else {
        let source = &plan.source;
        output::print(format_args!(
            "{source}: {written} objects written, {deleted} deleted\n"
        ))?;
    }
    Ok(Code::Ok)
}

fn schedule(upkeep: &Upkeep) -> upkeep::Schedule {
    let milliseconds = |duration: Duration| duration.as_millis() as u64;
    upkeep::Schedule {
        level_intervals_ms: upkeep.levels.iter().copied().map(milliseconds).collect(),
        snapshot_interval_ms: milliseconds(upkeep.snapshot_interval),
        snapshot_retention_ms: milliseconds(upkeep.snapshot_retention),
        l0_retention_ms: milliseconds(upkeep.l0_retention),
        retention: upkeep.retention,
    }
}
