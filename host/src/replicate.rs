//! `seawall replicate`: keeps replicas up to date until it is told to stop.

use crate::{exit, plan};

/// Runs until SIGTERM or SIGINT, or until every database is fenced.
pub async fn run(plan: plan::Replicate) -> anyhow::Result<exit::Code> {
    anyhow::bail!(
        "replicating {} databases is not there yet",
        plan.databases.len()
    )
}
