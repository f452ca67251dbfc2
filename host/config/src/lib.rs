//! The configuration: the YAML file that Litestream reads, or a database and a URL.
//!
//! A key either works, or a warning says that it has no effect, or it is an error: nothing that
//! is written in the file is dropped silently.

mod collisions;
mod database;
mod directory;
mod encryption;
mod entry;
mod expand;
mod findings;
mod keys;
mod location;
mod logging;
mod observe;
mod oss;
mod paths;
mod pattern;
mod replica;
pub mod report;
pub mod schema;
mod section;
mod settings;
mod socket;
mod tree;
mod upkeep;
mod url;
mod values;
mod verify;

#[cfg(test)]
mod tests;

pub use database::{Database, NEVER};
pub use directory::{Directory, Found, is_database};
pub use findings::{Finding, Findings};
pub use location::Location;
pub use logging::{Format, Level, Logging};
pub use observe::{Listen, Observe, Price, Prices};
pub use paths::{database as database_path, is_replica_url};
pub use replica::Replica;
pub use socket::Socket;
pub use upkeep::Upkeep;
pub use values::{duration, size};
pub use verify::Verify;

use entry::Subject;
use section::Section;
use settings::Settings;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::Node;

/// Looks a variable of the environment up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Above this a file is no config: reading it whole would only waste memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Kubernetes kills a pod 30 s after it asked it to stop.
const DEFAULT_SHUTDOWN_SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// Litestream's.
const DEFAULT_SHUTDOWN_SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// A config whose every value is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub databases: Vec<Database>,
    pub directories: Vec<Directory>,
    /// A program to run beside replication, as a shell would split it.
    pub exec: Option<String>,
    pub socket: Socket,
    pub observe: Observe,
    /// What databases have that come while Seawall runs.
    pub upkeep: Upkeep,
    pub verify: Verify,
    pub require_fencing: bool,
    pub logging: Logging,
    /// How long a stopping process goes on trying to upload what is left.
    pub shutdown_sync_timeout: Duration,
    /// How long it waits between two tries.
    pub shutdown_sync_interval: Duration,
    /// What to tell the user once logging is set up.
    pub warnings: Vec<Finding>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: Vec::new(),
            directories: Vec::new(),
            exec: None,
            socket: Socket::default(),
            observe: Observe::default(),
            upkeep: Upkeep::default(),
            verify: Verify::default(),
            require_fencing: false,
            logging: Logging::default(),
            shutdown_sync_timeout: DEFAULT_SHUTDOWN_SYNC_TIMEOUT,
            shutdown_sync_interval: DEFAULT_SHUTDOWN_SYNC_INTERVAL,
            warnings: Vec::new(),
        }
    }
}

/// Why there is no config. Nothing was started or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "config file not found: {0}\n\
         Name one with -config FILE (without it: /etc/seawall.yml, else /etc/litestream.yml), or \
         give a database and a replica URL instead."
    )]
    NotFound(PathBuf),
    #[error("cannot read the config file {path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    /// One or more mistakes, in the order of the file.
    #[error("{}", lines(.0))]
    Invalid(Vec<Finding>),
}

/// One mistake, for machines.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    pub message: String,
}

impl Error {
    pub fn mistakes(&self) -> Vec<Mistake> {
        match self {
            Self::Invalid(findings) => findings.iter().map(Finding::mistake).collect(),
            other => vec![Mistake {
                line: None,
                column: None,
                message: other.to_string(),
            }],
        }
    }
}

/// Where a text names variables of the environment that are not set: lines and columns, from 1
/// on, in characters.
pub fn unset_variables(source: &str, environment: Environment<'_>) -> Vec<(u64, u64)> {
    let unset = expand::expand(source, environment).unset;
    unset.iter().map(|at| (at.line, at.column)).collect()
}

fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

impl Config {
    /// Reads the file at `path`; `expand` replaces variables in it.
    pub fn load(path: &Path, expand: bool, environment: Environment<'_>) -> Result<Self, Error> {
        let source = read_file(path)?;
        Self::parse(&path.display().to_string(), &source, expand, environment)
    }

    /// Reads the text of a file that messages call `file`.
    pub fn parse(
        file: &str,
        source: &str,
        expand: bool,
        environment: Environment<'_>,
    ) -> Result<Self, Error> {
        let findings = Findings::in_file(file);
        let config = if expand {
            let expanded = expand::expand(source, environment);
            for at in expanded.unset {
                let text = "the variable that is named here is not set and became nothing; set \
                            it, or use -no-expand-env when the `$` is meant literally";
                findings.warn(at, text);
            }
            read_document(&expanded.text, environment, &findings)
        } else {
            read_document(source, environment, &findings)
        };
        let warnings = findings.finish().map_err(Error::Invalid)?;
        Ok(Self { warnings, ..config })
    }

    /// The database at `path`, whether it is listed or one of a directory, and whether it exists
    /// or not. Of several directories the first that has it counts.
    pub fn database(&self, path: &Path) -> Option<Database> {
        let listed = self.databases.iter().find(|database| database.path == path);
        listed.cloned().or_else(|| {
            let mut directories = self.directories.iter();
            let directory = directories.find(|directory| directory.matches(path))?;
            Some(directory.database(path))
        })
    }
}

fn read_file(path: &Path) -> Result<String, Error> {
    let unreadable = |reason: String| Error::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound(path.to_owned()),
        _ => unreadable(error.to_string()),
    })?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(unreadable(format!(
            "it is larger than {MAX_FILE_BYTES} bytes"
        )));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
}

fn read_document(source: &str, environment: Environment<'_>, findings: &Findings) -> Config {
    match tree::parse(source) {
        Ok(root) => read_root(&root, environment, findings).unwrap_or_default(),
        Err(error) => {
            findings.error(error.at, format!("not valid YAML: {}", error.message));
            Config::default()
        }
    }
}

fn read_root(root: &Node, environment: Environment<'_>, findings: &Findings) -> Option<Config> {
    let mut top = Section::open("", root, &keys::TOP, findings)?;
    let defaults = Settings::read(&mut top);
    let upkeep = Upkeep::read(&mut top);
    let snapshots = upkeep::Snapshots::read(&mut top);
    let verify = Verify::read(&mut top);
    let require_fencing = top.boolean("require-fencing").unwrap_or(false);
    let standard = Config::default();
    let mut config = Config {
        exec: top.text("exec"),
        socket: Socket::read(&mut top, environment),
        observe: Observe::read(&mut top),
        logging: read_logging(&mut top),
        shutdown_sync_timeout: top
            .duration("shutdown-sync-timeout")
            .unwrap_or(standard.shutdown_sync_timeout),
        shutdown_sync_interval: top
            .interval("shutdown-sync-interval")
            .unwrap_or(standard.shutdown_sync_interval),
        ..standard
    };
    if let Some(validation) = top.mapping("validation") {
        validation.close();
    }
    let items = top.mappings("dbs").unwrap_or_default();
    top.close();

    let (entries, database_snapshots): (Vec<_>, Vec<_>) = items
        .into_iter()
        .map(|item| entry::read(item, &defaults, environment, findings))
        .unzip();
    let mut entries: Vec<_> = entries.into_iter().flatten().collect();
    collisions::refuse(&entries, findings);
    let upkeep = upkeep.promote(snapshots, &database_snapshots, findings);
    for entry in &mut entries {
        let database = entry.database_mut();
        database.upkeep.clone_from(&upkeep);
        database.verify = verify;
        database.require_fencing = require_fencing;
    }
    config.upkeep = upkeep;
    config.verify = verify;
    config.require_fencing = require_fencing;
    for entry in entries {
        match entry.subject {
            Subject::Database(database) => config.databases.push(database),
            Subject::Directory(directory) => config.directories.push(directory),
        }
    }
    Some(config)
}

fn read_logging(top: &mut Section<'_>) -> Logging {
    let Some(mut section) = top.mapping("logging") else {
        return Logging::default();
    };
    let level = section.choice("level", Level::EXPECTED, |text| text.parse::<Level>().ok());
    let format = section.choice("type", Format::EXPECTED, |text| text.parse::<Format>().ok());
    let stderr = section.boolean("stderr");
    let source = section.boolean("source");
    section.close();
    Logging {
        level,
        format: format.unwrap_or_default(),
        stderr: stderr.unwrap_or(false),
        source: source.unwrap_or(false),
    }
}
