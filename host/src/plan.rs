//! What a command line and a config ask for, with every value known.

use crate::config::{Database, Replica};
use std::path::PathBuf;
use std::time::Duration;

/// `seawall replicate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replicate {
    /// At least one.
    pub databases: Vec<Database>,
    /// How long a stopping process goes on trying to upload what is left.
    pub shutdown_sync_timeout: Duration,
}

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
    /// Print the result as JSON on stdout.
    pub json: bool,
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
