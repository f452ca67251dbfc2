//! What the WAL looks like from outside: how long it gets, how often it begins anew.

use crate::live;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Frames that the first region of the WAL-index can hold (4096 less the header's place).
pub const FIRST_REGION_FRAMES: u64 = 4062;
/// A page of SQLite's usual size and its frame header.
const FRAME_BYTES: u64 = 4096 + 24;
/// In the WAL's header: the salt, another one whenever it begins anew.
const SALT_OFFSET: u64 = 16;

pub struct Wal {
    path: PathBuf,
    salt: Option<[u8; 8]>,
    pub most_frames: u64,
    /// As far as they were noticed.
    pub restarts: u64,
}

impl Wal {
    pub fn of(database: &Path) -> Wal {
        Wal {
            path: live::with_suffix(database, "-wal"),
            salt: None,
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
        let mut salt = [0; 8];
        if file.read_exact_at(&mut salt, SALT_OFFSET).is_err() {
            return;
        }
        if self.salt.is_some_and(|before| before != salt) {
            self.restarts += 1;
        }
        self.salt = Some(salt);
    }
}
