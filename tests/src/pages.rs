//! Bit for bit: a restored file against a checkpointed copy of its source.
//!
//! Seen with both programs: a restored file equals what SQLite itself makes of the source's
//! database file and WAL, in every byte.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::judge::open_copy;

/// Insists that `restored` is what a checkpoint makes of `source` and its WAL. Nobody may be
/// writing to `source`.
pub fn assert_same(source: &Path, restored: &Path) -> Result<()> {
    let (dir, connection) = open_copy(source)?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    ensure!(busy == 0, "the copy cannot be checkpointed");
    let page_size: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let page_size = page_size as usize;
    drop(connection);
    let expected = std::fs::read(dir.path().join("copy.db"))?;
    let found = std::fs::read(restored).with_context(|| restored.display().to_string())?;
    ensure!(
        expected.len() == found.len(),
        "sizes differ: expected {} pages, found {}",
        expected.len() / page_size,
        found.len() / page_size
    );
    let pages = expected.chunks(page_size).zip(found.chunks(page_size));
    let different: Vec<usize> = pages
        .enumerate()
        .filter(|(_, (expected, found))| expected != found)
        .map(|(at, _)| at + 1)
        .collect();
    ensure!(different.is_empty(), "pages differ: {different:?}");
    Ok(())
}
