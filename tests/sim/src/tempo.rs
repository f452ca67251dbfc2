//! How often what happens to a replica.

use crate::dice::Dice;
use crate::guest::wit;

/// How fast things happen to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tempo {
    /// Few pages, short intervals: much happens in a minute.
    Hurried,
    /// What a config has that says nothing.
    Usual,
}

impl Tempo {
    /// Bytes of WAL that are let be before it is said to grow without bounds. The file keeps the
    /// length that it had in the longest outage.
    pub fn wal_bytes(self) -> usize {
        let pages = match self {
            Tempo::Hurried => 4_000,
            Tempo::Usual => 60_000,
        };
        pages * (1024 + 24)
    }
}

/// What the component is configured with; it takes the number of a deliberate fault in a place that
/// has no other use here.
pub fn settings(tempo: Tempo, mutant: u32, dice: &Dice) -> wit::Settings {
    let hurried = wit::Settings {
        layout: wit::Layout::Hexadecimal,
        min_checkpoint_pages: *dice.pick(&[8, 50]),
        max_wal_pages: 2000,
        max_sync_bytes: 256 << 10,
        checkpoint_interval_ms: 10_000,
        require_fencing: true,
        level_intervals_ms: vec![2_000, 10_000],
        snapshot_interval_ms: 30_000,
        snapshot_retention_ms: 90_000,
        l0_retention_ms: 5_000,
        l0_retention_check_ms: 1_000,
        retention: true,
        part_bytes: 5 << 20,
        parts_in_flight: 1000 * mutant + 2,
    };
    match tempo {
        Tempo::Hurried => hurried,
        Tempo::Usual => wit::Settings {
            min_checkpoint_pages: 1000,
            max_wal_pages: 121_359,
            max_sync_bytes: 16 << 20,
            checkpoint_interval_ms: 60_000,
            level_intervals_ms: vec![30_000, 300_000, 3_600_000],
            snapshot_interval_ms: 24 * 3_600_000,
            snapshot_retention_ms: 24 * 3_600_000,
            l0_retention_ms: 300_000,
            l0_retention_check_ms: 15_000,
            ..hurried
        },
    }
}
