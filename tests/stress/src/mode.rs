//! What differs from one run to the next.

use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// In memory: the most transactions.
    Memory,
    /// On disk: commits that wait for it.
    Disk,
    /// In memory, and hardly ever a checkpoint: the WAL-index grows over several regions.
    LongWal,
    /// In memory, connections that do little and are gone for a while: often one closes as the
    /// last, removes the WAL, and another begins with nothing.
    ComeAndGo,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Memory, Mode::Disk, Mode::LongWal, Mode::ComeAndGo];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Memory => "memory",
            Mode::Disk => "disk",
            Mode::LongWal => "long-wal",
            Mode::ComeAndGo => "come-and-go",
        }
    }

    /// Where the database is made; `disk`: a directory on a disk.
    pub fn parent(self, disk: &Path) -> PathBuf {
        match self {
            Mode::Disk => disk.to_owned(),
            Mode::Memory | Mode::LongWal | Mode::ComeAndGo => PathBuf::from("/dev/shm"),
        }
    }

    /// For each new connection. The cache is so small that larger transactions spill into the WAL
    /// before they commit.
    pub fn pragmas(self) -> &'static [&'static str] {
        match self {
            Mode::LongWal => &["PRAGMA cache_size = 5", "PRAGMA wal_autocheckpoint = 0"],
            _ => &["PRAGMA cache_size = 5"],
        }
    }

    /// Of so many checkpoints that a worker would make it makes one.
    pub fn checkpoint_rarity(self) -> u64 {
        match self {
            Mode::LongWal => 100,
            _ => 1,
        }
    }

    /// Bytes of filler in a row, at most.
    pub fn filler_bytes(self) -> u64 {
        match self {
            Mode::LongWal => 6000,
            _ => 1500,
        }
    }

    /// A worker closes its connection and opens another after fewer acts than this.
    pub fn most_acts(self) -> u64 {
        match self {
            Mode::ComeAndGo => 10,
            _ => 2000,
        }
    }

    /// And it stays away for less than this.
    pub fn longest_absence(self) -> Duration {
        match self {
            Mode::ComeAndGo => Duration::from_millis(200),
            _ => Duration::from_millis(1),
        }
    }
}
