//! `seawall restore`: writes a database from its replica.

use crate::{exit, plan};

/// Restores one database.
pub async fn run(plan: plan::Restore) -> anyhow::Result<exit::Code> {
    anyhow::bail!("restoring {} is not there yet", plan.output.display())
}
