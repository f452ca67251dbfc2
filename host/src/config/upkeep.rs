//! How the objects of a replica are merged and when they expire. The same for all databases.

use std::time::Duration;

/// Its defaults are Litestream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// How often the objects of the level below are merged: into level 1, level 2, and so on.
    pub levels: Vec<Duration>,
    pub snapshot_interval: Duration,
    pub snapshot_retention: Duration,
    /// How long merged objects of level 0 stay; zero: for ever.
    pub l0_retention: Duration,
    pub l0_retention_check: Duration,
    /// False: nothing is ever deleted.
    pub retention: bool,
}

impl Default for Upkeep {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            levels: vec![Duration::from_secs(30), Duration::from_secs(300), HOUR],
            snapshot_interval: 24 * HOUR,
            snapshot_retention: 24 * HOUR,
            l0_retention: Duration::from_secs(300),
            l0_retention_check: Duration::from_secs(15),
            retention: true,
        }
    }
}
