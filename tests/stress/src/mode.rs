//! What differs from one run to the next.

use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// In memory: the most transactions.
    Memory,
    /// On disk: commits that wait for it.
    Disk,
    /// In memory, and hardly ever a checkpoint: the WAL-index grows over several regions.
    LongWal,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Memory, Mode::Disk, Mode::LongWal];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Memory => "memory",
            Mode::Disk => "disk",
            Mode::LongWal => "long-wal",
        }
    }

    /// Where the database is made; `disk`: a directory on a disk.
    pub fn parent(self, disk: &Path) -> PathBuf {
        match self {
            Mode::Disk => disk.to_owned(),
            Mode::Memory | Mode::LongWal => PathBuf::from("/dev/shm"),
        }
    }

    /// For each new connection. The cache is so small that larger transactions spill into the WAL
    /// before they commit.
    pub fn pragmas(self) -> &'static [&'static str] {
        match self {
            Mode::Memory | Mode::Disk => &["PRAGMA cache_size = 5"],
            Mode::LongWal => &["PRAGMA cache_size = 5", "PRAGMA wal_autocheckpoint = 0"],
        }
    }

    /// Of so many checkpoints that a worker would make it makes one.
    pub fn checkpoint_rarity(self) -> u64 {
        match self {
            Mode::Memory | Mode::Disk => 1,
            Mode::LongWal => 100,
        }
    }

    /// Bytes of filler in a row, at most.
    pub fn filler_bytes(self) -> u64 {
        match self {
            Mode::Memory | Mode::Disk => 1500,
            Mode::LongWal => 6000,
        }
    }
}
