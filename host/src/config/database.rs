//! One database: its file, its replica and when its WAL is folded back.

use super::Environment;
use super::findings::Findings;
use super::paths;
use super::replica::{self, Replica};
use super::section::Section;
use super::settings::Settings;
use super::tree::{Node, Position};
use super::unsupported;
use super::upkeep::Upkeep;
use super::values;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

// Litestream's defaults.
const DEFAULT_MIN_CHECKPOINT_PAGES: u32 = 1000;
const DEFAULT_TRUNCATE_PAGES: u32 = 121_359; // 500 MB of 4 KiB pages
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
    /// A WAL of this many pages is also cut to length zero. [`NEVER`] switches that off.
    pub truncate_pages: u32,
    /// The most bytes of WAL that go into one object.
    pub max_sync_bytes: u64,
    /// A WAL that holds anything is folded back this often.
    pub checkpoint_interval: Duration,
    pub upkeep: Upkeep,
    /// Bring it back from the replica before it is replicated, when it is not there.
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
            restore_if_db_not_exists: false,
            require_fencing: false,
        }
    }
}

/// A database and where the file speaks of it.
pub struct Placed {
    pub database: Database,
    path_at: Position,
    replica_at: Position,
}

/// Reads one entry of `dbs`. None: the findings say what is wrong with it.
pub fn read(
    name: &str,
    node: &Node,
    defaults: &Settings,
    environment: Environment<'_>,
    findings: &Findings,
) -> Option<Placed> {
    let mut section = Section::open(name, node, findings)?;
    let path = section.placed_text("path");
    let replica = replica_node(name, &mut section);
    let min_checkpoint_pages = section.parsed(
        "min-checkpoint-page-count",
        "a number of pages above 0",
        |text| text.parse().ok().filter(|pages| *pages > 0),
    );
    let truncate_pages = section.parsed(
        "truncate-page-n",
        "a number of pages (0 for the default, below 0 for never)",
        truncate_pages,
    );
    let max_sync_bytes = section.parsed("max-sync-wal-bytes", values::SIZE, |text| {
        values::size(text).filter(|bytes| *bytes > 0)
    });
    let checkpoint_interval = section.interval("checkpoint-interval");
    let lists_files = section.present("dir").is_some();
    section.close(&[unsupported::DATABASE]);

    if path.is_none() && !lists_files {
        findings.error(
            node.at,
            format!("{name} has no path; add `path: /path/to/the/database`"),
        );
    }
    let (replica_name, replica_node) = replica?;
    let replica = replica::read(&replica_name, replica_node, defaults, environment, findings);
    let path = path?;
    let resolved = paths::database(&path.text, environment)
        .map_err(|message| findings.error(path.at, format!("{name}.path: {message}")))
        .ok()?;
    let standard = Database::new(resolved, replica?);
    let database = Database {
        min_checkpoint_pages: min_checkpoint_pages.unwrap_or(standard.min_checkpoint_pages),
        truncate_pages: truncate_pages.unwrap_or(standard.truncate_pages),
        max_sync_bytes: max_sync_bytes.unwrap_or(standard.max_sync_bytes),
        checkpoint_interval: checkpoint_interval.unwrap_or(standard.checkpoint_interval),
        ..standard
    };
    Some(Placed {
        database,
        path_at: path.key_at,
        replica_at: replica_node.at,
    })
}

fn truncate_pages(text: &str) -> Option<u32> {
    match text.parse::<i64>().ok()? {
        0 => Some(DEFAULT_TRUNCATE_PAGES),
        pages if pages < 0 => Some(NEVER),
        pages => u32::try_from(pages).ok(),
    }
}

/// The one replica, which older files write as a list with one item.
fn replica_node<'a>(name: &str, section: &mut Section<'a>) -> Option<(String, &'a Node)> {
    let findings = section.findings();
    let single = section.entry("replica");
    let listed = section.entry("replicas");
    match (single, listed) {
        (Some(single), Some(listed)) => {
            let text = format!(
                "{name} has both `replica` (line {}) and `replicas` (line {}); \
                 a database has one replica, so keep one of the two",
                single.key_at.line, listed.key_at.line
            );
            findings.error(single.key_at.max(listed.key_at), text);
            None
        }
        (Some(single), None) => Some((format!("{name}.replica"), &single.node)),
        (None, Some(_)) => match section.list("replicas")? {
            [] => missing_replica(name, section),
            [replica] => Some((format!("{name}.replicas[0]"), replica)),
            [first, second, ..] => {
                let text = format!(
                    "{name} has several replicas (lines {} and {}); a database has one replica, \
                     so keep one of them",
                    first.at.line, second.at.line
                );
                findings.error(second.at, text);
                None
            }
        },
        (None, None) if section.present("dir").is_some() => None,
        (None, None) => missing_replica(name, section),
    }
}

fn missing_replica<T>(name: &str, section: &Section<'_>) -> Option<T> {
    let text = format!("{name} has no replica; add `replica:` with a `url:` below it");
    section.findings().error(section.at(), text);
    None
}

/// Two entries for one database, or two databases in one place, would overwrite each other.
pub fn refuse_collisions(databases: &[Placed], findings: &Findings) {
    let mut paths = HashMap::new();
    let mut replicas = HashMap::new();
    for placed in databases {
        let path = &placed.database.path;
        if let Some(first) = paths.insert(path, placed.path_at) {
            let text = format!(
                "the database {} is listed twice: on line {} and on line {}; remove one of them",
                path.display(),
                first.line,
                placed.path_at.line
            );
            findings.error(placed.path_at, text);
        }
        let identity = placed.database.replica.location.identity();
        if let Some(first) = replicas.insert(identity, placed.replica_at) {
            let text = format!(
                "the replicas on line {} and on line {} are one place and would overwrite each \
                 other; give each database a path of its own",
                first.line, placed.replica_at.line
            );
            findings.error(placed.replica_at, text);
        }
    }
}
