//! What a command line and a config ask for, with every value known.

use crate::config::{self, Database, Directory, Observe, Replica, Socket, Upkeep};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `seawall replicate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicate {
    pub databases: Vec<Database>,
    pub directories: Vec<Directory>,
    pub socket: Socket,
    pub observe: Observe,
    /// Where databases and directories are listed; None: on the command line.
    pub config: Option<PathBuf>,
    /// What databases have that are registered while the process runs.
    pub registered: Registered,
    /// A program to run meanwhile, and its arguments.
    pub exec: Option<Exec>,
    /// Replicate what is there, and end.
    pub once: Option<Once>,
    pub shutdown: Shutdown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub upkeep: Upkeep,
    pub verify: config::Verify,
    pub require_fencing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    pub program: String,
    pub arguments: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// Take a snapshot of each database.
    pub force_snapshot: bool,
    /// Delete what has expired, whether it is time to look for that or not.
    pub enforce_retention: bool,
}

/// How a stopping process tries to upload what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// For how long in all.
    pub timeout: Duration,
    /// How long it waits between two tries.
    pub interval: Duration,
}

/// Requests under way at once in a restore, unless somebody says otherwise.
pub const PARALLELISM: u32 = 8;

/// `seawall restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    pub replica: Replica,
    /// The file to write.
    pub output: PathBuf,
    /// Do nothing, successfully, when `output` exists.
    pub if_db_not_exists: bool,
    /// Do nothing, successfully, when the replica holds no backup.
    pub if_replica_exists: bool,
    /// Replace `output` when it exists.
    pub force: bool,
    pub integrity_check: IntegrityCheck,
    pub target: Target,
    /// Requests under way at once.
    pub parallelism: u32,
    /// Only print what would be read.
    pub dry_run: bool,
    /// Keep the file up to date, looking this often.
    pub follow: Option<Duration>,
    /// Unix permissions of the file; None: what the umask leaves.
    pub mode: Option<u32>,
    /// The replica as the user named it.
    pub source: String,
    /// Print the result as JSON on stdout.
    pub json: bool,
}

/// `seawall serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    pub replica: Replica,
    /// Where to listen.
    pub addr: String,
    pub instances: usize,
    pub cache_bytes: usize,
    pub statement_timeout: Duration,
    /// What the component is told.
    pub settings: BTreeMap<String, String>,
}

/// `seawall maintain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintain {
    /// Whose replica, and how it is kept.
    pub database: Database,
    /// The replica as the user named it.
    pub source: String,
    /// Print the result as JSON on stdout.
    pub json: bool,
}

/// `seawall verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// Whose replica, and what is kept in it for how long.
    pub database: Database,
    /// Where moments are restored to.
    pub directory: PathBuf,
    /// The replica as the user named it.
    pub source: String,
    /// Print the result as JSON on stdout.
    pub json: bool,
}

/// How far a restore goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Target {
    #[default]
    Latest,
    Txid(u64),
    /// The last transaction before this Unix time in milliseconds.
    BeforeMs(u64),
}

/// What SQLite checks in the restored database before it is put in place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IntegrityCheck {
    /// Nothing; the checksums of the replica are verified all the same
    #[default]
    None,
    /// PRAGMA quick_check
    Quick,
    /// PRAGMA integrity_check
    Full,
}

impl IntegrityCheck {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}
