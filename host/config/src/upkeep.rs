//! How the objects of a replica are merged and when they expire. The same for all databases.

use super::findings::Findings;
use super::section::{Item, Section};
use super::tree::Position;
use std::time::Duration;

/// Levels above 0 that merged objects may have; level 9 is that of the snapshots.
const MOST_LEVELS: usize = 8;

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

/// A `snapshot:` mapping, at the top of the file or in an entry of `dbs`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snapshots {
    interval: Option<Placed>,
    retention: Option<Placed>,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    duration: Duration,
    at: Position,
}

impl Snapshots {
    pub fn read(section: &mut Section<'_>) -> Self {
        let Some(mut below) = section.mapping("snapshot") else {
            return Self::default();
        };
        let mut placed = |key| {
            let duration = below.interval(key)?;
            let at = below.present(key)?.key_at;
            Some(Placed { duration, at })
        };
        let snapshots = Self {
            interval: placed("interval"),
            retention: placed("retention"),
        };
        below.close();
        snapshots
    }
}

impl Upkeep {
    /// Reads the keys at the top of the file, without closing it.
    pub fn read(top: &mut Section<'_>) -> Self {
        let standard = Self::default();
        let retention = top.mapping("retention").and_then(|mut below| {
            let enabled = below.boolean("enabled");
            below.close();
            enabled
        });
        Self {
            levels: read_levels(top).unwrap_or(standard.levels),
            l0_retention: top
                .duration("l0-retention")
                .unwrap_or(standard.l0_retention),
            l0_retention_check: top
                .interval("l0-retention-check-interval")
                .unwrap_or(standard.l0_retention_check),
            retention: retention.unwrap_or(standard.retention),
            ..standard
        }
    }

    /// Takes over what the top of the file and the databases say of snapshots. What the top says
    /// holds, as it does with Litestream; that a database differs from it is told.
    pub fn promote(mut self, top: Snapshots, databases: &[Snapshots], findings: &Findings) -> Self {
        let promote = |key, of: fn(&Snapshots) -> Option<Placed>| {
            let below: Vec<Placed> = databases.iter().filter_map(of).collect();
            promote_one(key, of(&top), &below, findings)
        };
        if let Some(interval) = promote("interval", |snapshots| snapshots.interval) {
            self.snapshot_interval = interval;
        }
        if let Some(retention) = promote("retention", |snapshots| snapshots.retention) {
            self.snapshot_retention = retention;
        }
        self
    }
}

fn promote_one(
    key: &str,
    top: Option<Placed>,
    databases: &[Placed],
    findings: &Findings,
) -> Option<Duration> {
    let holds = top.or(databases.first().copied())?;
    for other in databases {
        if other.duration == holds.duration {
            continue;
        }
        let line = holds.at.line;
        if top.is_some() {
            let text = format!(
                "snapshot.{key} has no effect here: snapshots are the same for all databases, and \
                 line {line} at the top of the file says it for them"
            );
            findings.warn(other.at, text);
        } else {
            let text = format!(
                "snapshot.{key} differs from that on line {line}, but snapshots are the same for \
                 all databases; write it once, at the top of the file"
            );
            findings.error(other.at, text);
        }
    }
    Some(holds.duration)
}

fn read_levels(top: &mut Section<'_>) -> Option<Vec<Duration>> {
    let findings = top.findings();
    let items = top.mappings("levels")?;
    if let Some(item) = items.get(MOST_LEVELS) {
        let name = &item.name;
        let text = format!("{name} is one too many; there are at most {MOST_LEVELS} levels");
        findings.error(item.node.at, text);
    }
    let level = |item: Item<'_>| {
        let (at, name) = (item.node.at, item.name.clone());
        let mut section = item.open(findings)?;
        let given = section.present("interval").is_some();
        let interval = section.interval("interval");
        section.close();
        if !given {
            let text = format!("{name} has no interval; add `interval: 30s` or the like");
            findings.error(at, text);
        }
        interval
    };
    Some(items.into_iter().filter_map(level).collect())
}
