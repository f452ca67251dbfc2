//! `seawall reset`: removes what Seawall keeps beside a database.

use crate::exit::Code;
use crate::live::{checksums_path, sync_parent};
use crate::output::print;
use anyhow::{Context, bail};
use std::fs;
use std::path::Path;

pub fn run(database: &Path, dry_run: bool) -> anyhow::Result<Code> {
    if !database.exists() {
        bail!("database does not exist: {}", database.display());
    }
    let kept = checksums_path(database);
    let is_there = kept.exists();
    let (database, file) = (database.display(), kept.display());
    if dry_run {
        print(format_args!(
            "Dry run: local Seawall state would be reset for: {database}\n"
        ))?;
        if is_there {
            print(format_args!("Files that would be removed:\n  {file}\n"))?;
        }
        print("No files were removed.\n")?;
        return Ok(Code::Ok);
    }
    print(format_args!(
        "Resetting local Seawall state for: {database}\n"
    ))?;
    if is_there {
        print(format_args!("Removing: {file}\n"))?;
        fs::remove_file(&kept).with_context(|| format!("cannot remove {file}"))?;
        sync_parent(&kept).context("the directory cannot be synced")?;
    }
    print("Reset complete. The next replication may copy the whole database once.\n")?;
    Ok(Code::Ok)
}
