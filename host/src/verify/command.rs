//! `seawall verify`: proves by hand that a replica can be restored.

use super::{report, temporary};
use crate::component::{self, Program, Session, wit};
use crate::exit::Code;
use crate::live::Files;
use crate::plan;
use crate::restore::progress;
use anyhow::bail;
use std::time::Instant;

const MAKE_ROOM: &str = "Make room there, or name another directory with -temp-dir";

pub async fn run(plan: plan::Verify) -> anyhow::Result<Code> {
    let program = Program::load().map_err(component::failed)?;
    let began = Instant::now();
    let file = temporary::create(&plan.directory)?;
    let (bar, progress) = progress::bar();
    let files = Files::nameless(file.clone());
    let source = plan.source.clone();
    let mut session =
        Session::of_database(&program, source, files, &plan.database, progress).await?;
    temporary::check_space(&mut session, &file, &plan.directory, MAKE_ROOM).await?;
    let answer = session.verify(Vec::new(), plan::PARALLELISM).await?;
    bar.finish_and_clear();
    let verified = match answer {
        Ok(verified) => verified,
        Err(wit::Error::Nothing(text)) => {
            tracing::error!("{text}");
            return Ok(Code::NothingToRestore);
        }
        Err(error) => bail!("it could not be checked: {}", component::text(&error)),
    };
    report::print(&plan, &verified, began.elapsed())?;
    Ok(match verified.findings.is_empty() {
        true => Code::Ok,
        false => Code::Damaged,
    })
}
