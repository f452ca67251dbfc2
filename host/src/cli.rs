//! The command line. Its help texts are the reference that users read.

mod argv;
mod config;
mod control;
mod doctor;
mod inspect;
mod maintain;
mod manual;
mod resolve;
mod serve;
mod values;

use crate::config::Level;
use crate::config::{Config, Database, Environment, Replica};
use crate::exit;
use crate::plan::{self, IntegrityCheck};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use config::ConfigCommand;
pub use control::{ControlCommand, SocketFlags};
pub use doctor::Doctor;
pub use inspect::{Databases, Gone, LevelArgument, Ltx, Reset, Status, Verify};
pub use maintain::Maintain;
pub use manual::{Completions, Man};
pub use resolve::{Request, UsageError};
pub use serve::Serve;

/// Replicates SQLite databases to S3 and restores them.
///
/// A drop-in replacement for Litestream 0.5: the same config file, commands and bucket layout.
/// Long flags may be written with one dash or two, their value after a space or `=`.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, after_help = exit::HELP, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Replicate(Replicate),
    Restore(Restore),
    Serve(Serve),
    Maintain(Maintain),
    Databases(Databases),
    Status(Status),
    Ltx(Ltx),
    Verify(Verify),
    Reset(Reset),
    Config(ConfigCommand),
    Doctor(Doctor),
    #[command(flatten)]
    Control(ControlCommand),
    Completions(Completions),
    Man(Man),
    Version(Version),
    /// Litestream's older name of `ltx`.
    #[command(hide = true)]
    Wal(Ltx),
    #[command(hide = true)]
    Generations(Gone),
    #[command(hide = true)]
    Snapshots(Gone),
}

/// Copies every change of a database to its replica until it is stopped.
///
/// Names its databases by a config file, or one database and its replica by arguments.
/// SIGTERM or SIGINT uploads what is left and stops; see shutdown-sync-timeout (30s). With -exec,
/// they are passed on to the program, and what is left is uploaded when it has ended.
/// Of several databases one that fails is tried again, up to once a minute, and does not touch the
/// others; a single one that cannot be replicated ends with exit code 1.
/// Log lines go to stdout; `logging.stderr: true` in the config sends them to stderr.
#[derive(Debug, Args)]
#[command(after_help = REPLICATE_HELP)]
pub struct Replicate {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// The database to replicate; `sqlite://` in front of it and `~` are understood
    #[arg(
        value_name = "DB_PATH",
        requires = "replica_urls",
        conflicts_with = "config"
    )]
    pub db_path: Option<String>,

    /// Where to replicate it to: s3://BUCKET/PATH, file:///PATH or a directory
    #[arg(value_name = "REPLICA_URL")]
    pub replica_urls: Vec<String>,

    /// Run this program meanwhile, and end when it ends; quotes are understood as by a shell
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,

    /// Replicate what is there, do what is due, and end; a program that the config names is not run
    #[arg(long, conflicts_with = "exec")]
    pub once: bool,

    /// With -once: take a snapshot of each database
    #[arg(long, requires = "once")]
    pub force_snapshot: bool,

    /// With -once: delete what has expired, due or not
    #[arg(long, requires = "once")]
    pub enforce_retention: bool,

    /// Bring a database that is not there back from its replica first; one without a backup
    /// begins anew
    #[arg(long)]
    pub restore_if_db_not_exists: bool,
}

/// Writes a database from its replica.
///
/// The file appears under its name only when it is complete. An existing database is not touched
/// unless -force is given. Log lines go to stderr. With -f the file is kept up to date afterwards,
/// for others to read, until SIGTERM or SIGINT; started again, that goes on where it stopped.
#[derive(Debug, Args)]
#[command(after_help = RESTORE_HELP)]
pub struct Restore {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Write the database to this file [default: DB_PATH]
    #[arg(short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,

    /// Restore the state as of this transaction: 16 hexadecimal digits [default: the newest]
    #[arg(long, value_name = "TXID", value_parser = values::txid)]
    pub txid: Option<u64>,

    /// Restore the last state before this moment: 2000-01-01T00:00:00Z, fractions and other zones
    /// are understood
    #[arg(long, value_name = "TIMESTAMP", value_parser = values::before_ms, conflicts_with = "txid")]
    pub timestamp: Option<u64>,

    /// Download with this many requests at once, 64 at most
    #[arg(long, value_name = "N", default_value_t = plan::PARALLELISM)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallelism: u32,

    /// Print what would be read, and write nothing
    #[arg(long, conflicts_with = "follow")]
    pub dry_run: bool,

    /// Follow the replica after restoring, until stopped
    #[arg(short = 'f', conflicts_with_all = ["txid", "timestamp"])]
    pub follow: bool,

    /// With -f: how often to look for something new
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::interval)]
    pub follow_interval: Duration,

    /// Unix permissions of the file, octal [default: what the umask leaves of 666]
    #[arg(long, value_name = "MODE", value_parser = values::mode)]
    pub mode: Option<u32>,

    /// Succeed without doing anything when the database exists already
    #[arg(long)]
    pub if_db_not_exists: bool,

    /// Succeed without doing anything when the replica holds no backup (else exit code 5)
    #[arg(long)]
    pub if_replica_exists: bool,

    /// Replace the database when it exists already
    #[arg(long)]
    pub force: bool,

    /// Have SQLite check the restored database before it is put in place
    #[arg(long, value_name = "CHECK", default_value = "none")]
    pub integrity_check: IntegrityCheck,

    /// Print the result as JSON on stdout
    #[arg(long)]
    pub json: bool,

    /// A database of the config, or the URL of a replica (which needs -o)
    #[arg(value_name = "DB_PATH|REPLICA_URL")]
    pub source: String,
}

/// Prints the version.
#[derive(Debug, Args)]
pub struct Version {
    /// Say what it was built for, too
    #[arg(long)]
    pub verbose: bool,

    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ConfigFlags {
    /// The config file [default: $SEAWALL_CONFIG, else $LITESTREAM_CONFIG, else /etc/seawall.yml
    /// if it exists, else /etc/litestream.yml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Leave $VAR and ${VAR} in the config as they are
    #[arg(long)]
    pub no_expand_env: bool,

    /// trace, debug, info, warn or error [default: $LOG_LEVEL, else logging.level of the config,
    /// else info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<Level>,
}

const REPLICATE_HELP: &str = "\
Examples:
  seawall replicate
  seawall replicate -config /etc/seawall.yml
  seawall replicate /data/app.db s3://my-bucket/app.db
  seawall replicate /data/app.db 's3://my-bucket/app.db?endpoint=https://s3.example.com&region=eu-1'
  seawall replicate -restore-if-db-not-exists -exec 'node app.js' /data/app.db s3://my-bucket/app.db
  seawall replicate -once -force-snapshot

Credentials: access-key-id and secret-access-key in the config, or AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, or LITESTREAM_ACCESS_KEY_ID and LITESTREAM_SECRET_ACCESS_KEY, or what the
machine offers to AWS programs.

Exit codes:
  0  stopped, and every change is in the replica
  1  error
  2  bad usage or bad config; nothing was started or changed
  3  fenced: another writer owns the replica
  4  stopped with changes that are not in the replica yet
With -exec, what the program exits with (128 + N when signal N killed it), unless that is 0.";

const RESTORE_HELP: &str = "\
Examples:
  seawall restore /data/app.db
  seawall restore -config /etc/seawall.yml -if-db-not-exists -if-replica-exists /data/app.db
  seawall restore -o /tmp/copy.db /data/app.db
  seawall restore -o /data/app.db s3://my-bucket/app.db
  seawall restore -timestamp 2026-03-01T12:00:00Z -o /tmp/then.db /data/app.db
  seawall restore -dry-run -json -o /tmp/copy.db s3://my-bucket/app.db
  seawall restore -f -o /tmp/reader.db s3://my-bucket/app.db

Exit codes:
  0  restored, or nothing was to be done, or stopped following
  1  error; an existing database is as it was
  2  bad usage or bad config; nothing was changed
  5  nothing to restore: the replica holds no backup";

impl Cli {
    /// Reads the arguments of the process, the program's name first.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let mut args = args.into_iter();
        let program = args.next().unwrap_or_else(|| OsString::from("seawall"));
        let args = argv::normalise(&command, args);
        let matches = command.try_get_matches_from_mut(std::iter::once(program).chain(args))?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

impl Replicate {
    pub fn resolve(
        &self,
        environment: Environment<'_>,
    ) -> Result<Request<crate::plan::Replicate>, UsageError> {
        resolve::replicate(self, environment)
    }
}

impl Restore {
    pub fn resolve(
        &self,
        environment: Environment<'_>,
    ) -> Result<Request<crate::plan::Restore>, UsageError> {
        resolve::restore(self, environment)
    }
}

impl Ltx {
    /// Whose objects to list.
    pub fn resolve(&self, environment: Environment<'_>) -> Result<Request<Replica>, UsageError> {
        resolve::source(&self.config, &self.source, environment)
    }
}

impl Verify {
    pub fn resolve(
        &self,
        environment: Environment<'_>,
    ) -> Result<Request<crate::plan::Verify>, UsageError> {
        resolve::verify(self, environment)
    }
}

impl Databases {
    pub fn resolve(&self, environment: Environment<'_>) -> Result<Request<Config>, UsageError> {
        resolve::config(&self.config, environment)
    }
}

impl Status {
    /// The config, and the one database of it that is asked for.
    pub fn resolve(
        &self,
        environment: Environment<'_>,
    ) -> Result<Request<(Config, Option<Database>)>, UsageError> {
        resolve::status(&self.config, self.db_path.as_deref(), environment)
    }
}

/// A DB_PATH as an absolute path.
pub fn database_path(text: &str, environment: Environment<'_>) -> Result<PathBuf, UsageError> {
    resolve::database_path(text, environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
