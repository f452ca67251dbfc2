//! How often a replica is merged, snapshotted and tidied: the config lines that both programs read.

use std::time::Duration;

use anyhow::Result;

use crate::replica::Replica;

/// The level of snapshots.
pub const SNAPSHOTS: u8 = 9;

#[derive(Clone, Debug)]
pub struct Upkeep {
    /// Of level 1 and so on.
    pub levels: Vec<Duration>,
    pub snapshot_interval: Duration,
    pub snapshot_retention: Duration,
    pub l0_retention: Duration,
    pub l0_retention_check: Duration,
}

impl Upkeep {
    /// Every level is there after some ten seconds, and all of level 0 too.
    pub fn brisk() -> Self {
        let second = Duration::from_secs(1);
        Self {
            levels: vec![second, 3 * second, 9 * second],
            snapshot_interval: 10 * second,
            snapshot_retention: 3600 * second,
            l0_retention: 300 * second,
            l0_retention_check: second,
        }
    }

    /// As [`brisk`](Self::brisk), and what was merged is soon deleted.
    pub fn forgetful() -> Self {
        Self {
            snapshot_retention: Duration::from_secs(10),
            l0_retention: Duration::from_secs(2),
            ..Self::brisk()
        }
    }

    /// Lines for the top of a config file.
    pub fn lines(&self) -> Vec<String> {
        let ms = |duration: &Duration| format!("{}ms", duration.as_millis());
        let mut lines = vec!["levels:".to_owned()];
        lines.extend(
            self.levels
                .iter()
                .map(|level| format!("  - interval: {}", ms(level))),
        );
        lines.push("snapshot:".into());
        lines.push(format!("  interval: {}", ms(&self.snapshot_interval)));
        lines.push(format!("  retention: {}", ms(&self.snapshot_retention)));
        lines.push(format!("l0-retention: {}", ms(&self.l0_retention)));
        let check = ms(&self.l0_retention_check);
        lines.push(format!("l0-retention-check-interval: {check}"));
        lines
    }

    /// The levels that hold objects sooner or later, snapshots last.
    pub fn all_levels(&self) -> Vec<u8> {
        let merged = (1..).zip(&self.levels).map(|(level, _)| level);
        std::iter::once(0)
            .chain(merged)
            .chain([SNAPSHOTS])
            .collect()
    }

    /// Those of [`all_levels`](Self::all_levels) that hold nothing from `txid` on.
    pub fn missing(&self, replica: &Replica, txid: u64) -> Result<Vec<u8>> {
        let mut missing = self.all_levels();
        let mut found = Vec::new();
        for level in &missing {
            let spans = replica.level(*level)?;
            if spans.iter().any(|(span, _)| span.max >= txid) {
                found.push(*level);
            }
        }
        missing.retain(|level| !found.contains(level));
        Ok(missing)
    }
}
