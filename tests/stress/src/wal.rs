//! What the WAL looks like from outside: how long it gets, how often it begins anew.

use crate::live;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Frames that the first region of the WAL-index can hold (4096 less the header's place).
pub const FIRST_REGION_FRAMES: u64 = 4062;
/// A page of SQLite's usual size and its frame header.
const FRAME_BYTES: u64 = 4096 + 24;
/// In the WAL's header, big-endian: what is counted up whenever it begins anew.
const SEQUENCE_OFFSET: u64 = 12;

pub struct Wal {
    path: PathBuf,
    sequence: Option<u32>,
    pub most_frames: u64,
    /// As far as they were noticed.
    pub restarts: u64,
}

impl Wal {
    pub fn of(database: &Path) -> Wal {
        Wal {
            path: live::with_suffix(database, "-wal"),
            sequence: None,
            most_frames: 0,
            restarts: 0,
        }
    }

    /// Now and then. A WAL that is missing or empty tells nothing.
    pub fn measure(&mut self) {
        let Ok(file) = File::open(&self.path) else {
            return;
        };
        if let Ok(metadata) = file.metadata() {
            self.most_frames = self.most_frames.max(metadata.len() / FRAME_BYTES);
        }
        let mut bytes = [0; 4];
        if file.read_exact_at(&mut bytes, SEQUENCE_OFFSET).is_err() {
            return;
        }
        let sequence = u32::from_be_bytes(bytes);
        if self.sequence.is_some_and(|before| before != sequence) {
            self.restarts += 1;
        }
        self.sequence = Some(sequence);
    }
}
