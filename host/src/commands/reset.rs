//! `seawall reset`: removes what Seawall keeps beside a database.

use crate::exit::Code;
use crate::live::{checksums_path, sync_parent};
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
        println!("Dry run: local Seawall state would be reset for: {database}");
        if is_there {
            println!("Files that would be removed:\n  {file}");
        }
        println!("No files were removed.");
        return Ok(Code::Ok);
    }
    println!("Resetting local Seawall state for: {database}");
    if is_there {
        println!("Removing: {file}");
        fs::remove_file(&kept).with_context(|| format!("cannot remove {file}"))?;
        sync_parent(&kept).context("the directory cannot be synced")?;
    }
    println!("Reset complete. The next replication may copy the whole database once.");
    Ok(Code::Ok)
}
