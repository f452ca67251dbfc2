//! The file that moments are restored into: without a name, so that nothing is left of it whatever
//! happens.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::component::{Session, wit};
use crate::table;

/// In this directory.
pub fn create(directory: &Path) -> anyhow::Result<Arc<File>> {
    let file = tempfile::tempfile_in(directory).with_context(|| {
        format!(
            "cannot make a temporary file in {}, where the database is restored to be checked",
            directory.display()
        )
    })?;
    Ok(Arc::new(file))
}

/// Errors: the newest state of the database is longer than what is free there; `remedy` says what
/// to do about it.
pub async fn check_space(
    session: &mut Session,
    file: &File,
    directory: &Path,
    remedy: &str,
) -> anyhow::Result<()> {
    // What is wrong with the replica is told by the proof itself.
    let Ok(plan) = session.plan(wit::Target::Latest).await? else {
        return Ok(());
    };
    let space = rustix::fs::fstatvfs(file)
        .with_context(|| format!("cannot tell the free space of {}", directory.display()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if plan.database_bytes > free {
        bail!(
            "{} has {} free, and the database needs {} to be restored there; nothing was checked. \
             {remedy}",
            directory.display(),
            table::size(free),
            table::size(plan.database_bytes)
        );
    }
    Ok(())
}
