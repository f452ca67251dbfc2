//! Bit for bit: a restored file against a checkpointed copy of its source.
//!
//! Seen with both programs: a restored file equals what SQLite itself makes of the source's
//! database file and WAL, in every byte. So nothing is left out of the comparison, not even the
//! change counter.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::judge::open_copy;

/// As many differing pages as a message names.
const NAMED_PAGES: usize = 10;

/// Insists that `restored` is what a checkpoint makes of `source` and its WAL. Nobody may be
/// writing to `source`.
pub fn assert_same(source: &Path, restored: &Path) -> Result<()> {
    let (dir, connection) = open_copy(source)?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    ensure!(busy == 0, "the copy cannot be checkpointed");
    let page_size: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    drop(connection);
    let different = differing(&dir.path().join("copy.db"), restored, page_size as usize)?;
    ensure!(different.is_empty(), "pages differ: {different:?}");
    Ok(())
}

/// The numbers of the first pages that differ.
fn differing(expected: &Path, found: &Path, page_size: usize) -> Result<Vec<u64>> {
    let open = |path: &Path| File::open(path).with_context(|| path.display().to_string());
    let (expected, found) = (open(expected)?, open(found)?);
    let (expected_bytes, found_bytes) = (expected.metadata()?.len(), found.metadata()?.len());
    let pages = expected_bytes / page_size as u64;
    ensure!(
        expected_bytes == found_bytes,
        "sizes differ: expected {expected_bytes} bytes ({pages} pages), found {found_bytes}"
    );
    let (mut expected, mut found) = (BufReader::new(expected), BufReader::new(found));
    let (mut left, mut right) = (vec![0; page_size], vec![0; page_size]);
    let mut different = Vec::new();
    for page in 1..=pages {
        expected.read_exact(&mut left)?;
        found.read_exact(&mut right)?;
        if left != right {
            different.push(page);
        }
        if different.len() == NAMED_PAGES {
            break;
        }
    }
    Ok(different)
}
