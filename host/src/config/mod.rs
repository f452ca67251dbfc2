//! The configuration: the YAML file that Litestream reads, or a database and a URL.
//!
//! A key either works, or a warning says that it has no effect, or it is an error: nothing that
//! is written in the file is dropped silently.

mod database;
mod expand;
mod findings;
mod location;
mod paths;
mod replica;
mod secret;
mod section;
mod settings;
mod tree;
mod unsupported;
mod upkeep;
mod url;
mod values;

#[cfg(test)]
mod tests;

pub use database::{Database, NEVER};
pub use findings::{Finding, Findings};
pub use location::{Location, S3Location};
pub use paths::{database as database_path, is_replica_url};
pub use replica::Replica;
pub use secret::Secret;
pub use upkeep::Upkeep;
pub use values::duration;

use crate::logging::{Format, Level, Logging};
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
         Name one with -config FILE, or give a database and a replica URL instead."
    )]
    NotFound(PathBuf),
    #[error("cannot read the config file {path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    /// One or more mistakes, in the order of the file.
    #[error("{}", lines(.0))]
    Invalid(Vec<Finding>),
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
    let mut top = Section::open("", root, findings)?;
    let defaults = Settings::read(&mut top);
    let shutdown_sync_timeout = top.duration("shutdown-sync-timeout");
    let require_fencing = top.boolean("require-fencing").unwrap_or(false);
    let logging = top
        .entry("logging")
        .and_then(|entry| read_logging(&entry.node, findings));
    let nodes = top.list("dbs").unwrap_or_default();
    top.close(&[unsupported::GLOBAL, unsupported::REPLICA_SETTINGS]);

    let placed: Vec<_> = nodes
        .iter()
        .enumerate()
        .filter_map(|(index, node)| {
            database::read(
                &format!("dbs[{index}]"),
                node,
                &defaults,
                environment,
                findings,
            )
        })
        .collect();
    database::refuse_collisions(&placed, findings);
    let databases = placed
        .into_iter()
        .map(|placed| Database {
            require_fencing,
            ..placed.database
        })
        .collect();
    Some(Config {
        databases,
        logging: logging.unwrap_or_default(),
        shutdown_sync_timeout: shutdown_sync_timeout.unwrap_or(DEFAULT_SHUTDOWN_SYNC_TIMEOUT),
        shutdown_sync_interval: DEFAULT_SHUTDOWN_SYNC_INTERVAL,
        warnings: Vec::new(),
    })
}

fn read_logging(node: &Node, findings: &Findings) -> Option<Logging> {
    let mut section = Section::open("logging", node, findings)?;
    let level = section.parsed("level", Level::EXPECTED, |text| text.parse::<Level>().ok());
    let format = section.parsed("type", Format::EXPECTED, |text| text.parse::<Format>().ok());
    let stderr = section.boolean("stderr");
    section.close(&[unsupported::LOGGING]);
    Some(Logging {
        level,
        format: format.unwrap_or_default(),
        stderr: stderr.unwrap_or(false),
    })
}
