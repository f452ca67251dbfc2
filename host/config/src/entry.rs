//! One entry of `dbs`: a database, or a directory of them.

use super::Environment;
use super::database::{DEFAULT_TRUNCATE_PAGES, Database, NEVER};
use super::directory::{self, Directory};
use super::findings::Findings;
use super::paths;
use super::pattern::Pattern;
use super::replica;
use super::section::{Item, Section, Text};
use super::settings::Settings;
use super::tree::Position;
use super::upkeep::Snapshots;
use super::values;
use std::path::PathBuf;
use std::time::Duration;

/// What an entry says, and where the file says it.
pub struct Placed {
    pub subject: Subject,
    /// Of `path` or `dir`.
    pub path_at: Position,
    pub replica_at: Position,
}

pub enum Subject {
    Database(Database),
    Directory(Directory),
}

impl Placed {
    /// The database, or what the databases of the directory have in common.
    pub fn database_mut(&mut self) -> &mut Database {
        match &mut self.subject {
            Subject::Database(database) => database,
            Subject::Directory(directory) => directory.template_mut(),
        }
    }
}

/// Reads one entry of `dbs`. No `Placed`: the findings say what is wrong with it.
pub fn read(
    item: Item<'_>,
    defaults: &Settings,
    environment: Environment<'_>,
    findings: &Findings,
) -> (Option<Placed>, Snapshots) {
    let name = item.name.clone();
    let Some(mut section) = item.open(findings) else {
        return (None, Snapshots::default());
    };
    let place = Place::read(&name, &mut section, environment);
    let replica = replica_item(&name, &mut section);
    let knobs = Knobs::read(&mut section);
    let snapshots = Snapshots::read(&mut section);
    section.close();

    let placed = replica.and_then(|replica| {
        let replica_at = replica.node.at;
        let replica = replica::read(replica, defaults, environment, findings);
        let (place, replica) = (place?, replica?);
        let database = knobs.apply(Database::new(place.path, replica));
        let subject = match place.files {
            None => Subject::Database(database),
            Some(files) => Subject::Directory(Directory::new(
                database,
                files.pattern,
                files.recursive,
                files.watch,
            )),
        };
        Some(Placed {
            subject,
            path_at: place.at,
            replica_at,
        })
    });
    (placed, snapshots)
}

/// Where the database is, or the databases are.
struct Place {
    path: PathBuf,
    at: Position,
    /// Of a directory: which of its files.
    files: Option<Files>,
}

struct Files {
    pattern: Pattern,
    recursive: bool,
    watch: bool,
}

impl Place {
    fn read(name: &str, section: &mut Section<'_>, environment: Environment<'_>) -> Option<Self> {
        let findings = section.findings();
        let path = section.placed_text("path");
        let dir = section.placed_text("dir");
        let pattern = section.placed_text("pattern");
        let recursive = section.boolean("recursive");
        let watch = section.boolean("watch");
        let (place, is_directory) = match (path, dir) {
            (Some(path), Some(dir)) => {
                let text = format!(
                    "{name} has both `path` (line {}) and `dir` (line {}); keep one of them",
                    path.key_at.line, dir.key_at.line
                );
                findings.error(path.key_at.max(dir.key_at), text);
                return None;
            }
            (None, None) => {
                let text = format!(
                    "{name} has no path; add `path: /path/to/the/database`, or `dir` and `pattern`"
                );
                findings.error(section.at(), text);
                return None;
            }
            (Some(path), None) => (path, false),
            (None, Some(dir)) => (dir, true),
        };
        if !is_directory {
            refuse_directory_keys(name, section);
        }
        let resolved = if is_directory {
            paths::local(&place.text, environment)
        } else {
            paths::database(&place.text, environment)
        };
        let key = place.key;
        let resolved = resolved
            .map_err(|message| findings.error(place.at, format!("{name}.{key}: {message}")))
            .ok();
        let files = if is_directory {
            Some(Files {
                pattern: read_pattern(name, section, pattern)?,
                recursive: recursive.unwrap_or(false),
                watch: watch.unwrap_or(false),
            })
        } else {
            None
        };
        Some(Self {
            path: resolved?,
            at: place.key_at,
            files,
        })
    }
}

/// Litestream refuses two of these keys beside `path`, and ignores the other two.
fn refuse_directory_keys(name: &str, section: &Section<'_>) {
    for key in ["watch", "meta-dir"] {
        if let Some(entry) = section.present(key) {
            let text = format!("{name}.{key} is for directories; remove it, or use `dir`");
            section.findings().error(entry.key_at, text);
        }
    }
    for key in ["pattern", "recursive"] {
        if let Some(entry) = section.present(key) {
            let text = format!("\"{name}.{key}\" has no effect: {name} is one database, not a dir");
            section.findings().warn(entry.key_at, text);
        }
    }
}

fn read_pattern(name: &str, section: &Section<'_>, pattern: Option<Text>) -> Option<Pattern> {
    let findings = section.findings();
    let Some(pattern) = pattern else {
        let text = format!(
            "{name} has a dir but no pattern; add `pattern: \"*.db\"` or what its databases are \
             called"
        );
        findings.error(section.at(), text);
        return None;
    };
    let text = &pattern.text;
    let parsed = Pattern::parse(text).and_then(|parsed| {
        match directory::COMPANIONS
            .iter()
            .find(|suffix| text.ends_with(*suffix))
        {
            Some(suffix) => Err(format!(
                "asks for files that end with \"{suffix}\", which are not databases of their own"
            )),
            None => Ok(parsed),
        }
    });
    parsed
        .map_err(|why| {
            let text = format!("{name}.pattern: the pattern \"{text}\" {why}");
            findings.error(pattern.at, text);
        })
        .ok()
}

/// What can be set for each database.
struct Knobs {
    min_checkpoint_pages: Option<u32>,
    truncate_pages: Option<u32>,
    max_sync_bytes: Option<u64>,
    checkpoint_interval: Option<Duration>,
    restore_if_db_not_exists: Option<bool>,
}

impl Knobs {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            min_checkpoint_pages: section
                .count("min-checkpoint-page-count", "a number of pages above 0"),
            truncate_pages: section.integer(
                "truncate-page-n",
                "a number of pages (0 for the default, below 0 for never)",
                truncate_pages,
            ),
            max_sync_bytes: section.size("max-sync-wal-bytes", values::SIZE, 1..),
            checkpoint_interval: section.interval("checkpoint-interval"),
            restore_if_db_not_exists: section.boolean("restore-if-db-not-exists"),
        }
    }

    fn apply(self, standard: Database) -> Database {
        Database {
            min_checkpoint_pages: self
                .min_checkpoint_pages
                .unwrap_or(standard.min_checkpoint_pages),
            truncate_pages: self.truncate_pages.unwrap_or(standard.truncate_pages),
            max_sync_bytes: self.max_sync_bytes.unwrap_or(standard.max_sync_bytes),
            checkpoint_interval: self
                .checkpoint_interval
                .unwrap_or(standard.checkpoint_interval),
            restore_if_db_not_exists: self.restore_if_db_not_exists.unwrap_or(false),
            ..standard
        }
    }
}

fn truncate_pages(pages: i64) -> Option<u32> {
    match pages {
        0 => Some(DEFAULT_TRUNCATE_PAGES),
        pages if pages < 0 => Some(NEVER),
        pages => u32::try_from(pages).ok(),
    }
}

/// The one replica, which older files write as a list with one item.
fn replica_item<'a>(name: &str, section: &mut Section<'a>) -> Option<Item<'a>> {
    let findings = section.findings();
    let key_at = |key| Some(section.present(key)?.key_at);
    let (single_at, list_at) = (key_at("replica"), key_at("replicas"));
    let single = section.item("replica");
    let listed = section.mappings("replicas");
    match (single_at, list_at) {
        (Some(single_at), Some(list_at)) => {
            let text = format!(
                "{name} has both `replica` (line {}) and `replicas` (line {}); \
                 a database has one replica, so keep one of the two",
                single_at.line, list_at.line
            );
            findings.error(single_at.max(list_at), text);
            None
        }
        (Some(_), None) => single,
        (None, Some(_)) => {
            let mut items = listed?.into_iter();
            match (items.next(), items.next()) {
                (Some(replica), None) => Some(replica),
                (Some(first), Some(second)) => {
                    let text = format!(
                        "{name} has several replicas (lines {} and {}); a database has one \
                         replica, so keep one of them",
                        first.node.at.line, second.node.at.line
                    );
                    findings.error(second.node.at, text);
                    None
                }
                (None, _) => missing_replica(name, section),
            }
        }
        (None, None) => missing_replica(name, section),
    }
}

fn missing_replica<T>(name: &str, section: &Section<'_>) -> Option<T> {
    let text = format!("{name} has no replica; add `replica:` with a `url:` below it");
    section.findings().error(section.at(), text);
    None
}
