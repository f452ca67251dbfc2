//! One database: its file, its replica and when its WAL is folded back.

use super::replica::Replica;
use super::upkeep::Upkeep;
use super::verify::Verify;
use std::path::PathBuf;
use std::time::Duration;

// Litestream's defaults.
const DEFAULT_MIN_CHECKPOINT_PAGES: u32 = 1000;
pub(super) const DEFAULT_TRUNCATE_PAGES: u32 = 121_359; // 500 MB of 4 KiB pages
const DEFAULT_MAX_SYNC_BYTES: u64 = 64 << 20;
const DEFAULT_CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// More pages than a WAL can have: the limit that is never reached.
pub const NEVER: u32 = u32::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    pub path: PathBuf,
    pub replica: Replica,
    /// A WAL of this many pages is folded back into the database.
    pub min_checkpoint_pages: u32,
    /// A WAL of this many pages is complained of in the log. [`NEVER`] switches that off.
    pub truncate_pages: u32,
    /// The most bytes of WAL that go into one object.
    pub max_sync_bytes: u64,
    /// A WAL that holds anything is folded back this often.
    pub checkpoint_interval: Duration,
    pub upkeep: Upkeep,
    pub verify: Verify,
    /// Restore it before replication starts when it is not there.
    pub restore_if_db_not_exists: bool,
    /// Refuse to start when the store cannot keep a second writer out.
    pub require_fencing: bool,
}

impl Database {
    pub fn new(path: PathBuf, replica: Replica) -> Self {
        Self {
            path,
            replica,
            min_checkpoint_pages: DEFAULT_MIN_CHECKPOINT_PAGES,
            truncate_pages: DEFAULT_TRUNCATE_PAGES,
            max_sync_bytes: DEFAULT_MAX_SYNC_BYTES,
            checkpoint_interval: DEFAULT_CHECKPOINT_INTERVAL,
            upkeep: Upkeep::default(),
            verify: Verify::default(),
            restore_if_db_not_exists: false,
            require_fencing: false,
        }
    }
}
