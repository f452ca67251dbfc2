//! What each worker was told is committed: a file that all share and that survives SIGKILL.

use crate::invariants::WORKERS;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const WORD_BYTES: u64 = 8;

/// Two words for each worker: its newest committed row, and the snapshots that it has checked.
pub struct Progress(File);

impl Progress {
    pub fn open(path: &Path) -> io::Result<Progress> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        Ok(Progress(options.open(path)?))
    }

    fn get(&self, word: usize) -> io::Result<i64> {
        let mut bytes = [0; 8];
        match self.0.read_exact_at(&mut bytes, word as u64 * WORD_BYTES) {
            // Not written yet.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            result => result.map(|()| i64::from_le_bytes(bytes)),
        }
    }

    fn set(&self, word: usize, value: i64) -> io::Result<()> {
        self.0
            .write_all_at(&value.to_le_bytes(), word as u64 * WORD_BYTES)
    }

    pub fn committed(&self) -> io::Result<[i64; WORKERS]> {
        let mut all = [0; WORKERS];
        for (worker, newest) in all.iter_mut().enumerate() {
            *newest = self.get(worker)?;
        }
        Ok(all)
    }

    /// After the COMMIT, never before.
    pub fn commit(&self, worker: usize, newest: i64) -> io::Result<()> {
        self.set(worker, newest)
    }

    pub fn snapshots(&self, worker: usize) -> io::Result<i64> {
        self.get(WORKERS + worker)
    }

    pub fn count_snapshot(&self, worker: usize) -> io::Result<()> {
        self.set(WORKERS + worker, self.snapshots(worker)? + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_opening_writes_another_reads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("progress");
        let progress = Progress::open(&path).unwrap();
        assert_eq!(progress.committed().unwrap(), [0; WORKERS]);
        progress.commit(2, 77).unwrap();
        progress.count_snapshot(2).unwrap();
        let again = Progress::open(&path).unwrap();
        assert_eq!(again.committed().unwrap()[2], 77);
        assert_eq!(again.snapshots(2).unwrap(), 1);
    }
}
