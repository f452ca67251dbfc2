//! Arguments of the commands that look at databases and replicas.

use super::ConfigFlags;
use clap::Args;

/// Lists the databases of the config.
#[derive(Debug, Args)]
pub struct Databases {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Lists the objects (LTX files) of a replica.
#[derive(Debug, Args)]
#[command(after_help = LTX_HELP)]
pub struct Ltx {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// The level to list: 0 to 9, where 9 has the snapshots, or `all`
    #[arg(long, value_name = "LEVEL", default_value = "0", value_parser = super::values::level)]
    pub level: LevelArgument,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// A database of the config, or the URL of a replica
    #[arg(value_name = "DB_PATH|REPLICA_URL")]
    pub source: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelArgument {
    One(u8),
    All,
}

/// Proves that a replica can be restored.
///
/// Reads every object whole and checks all that it says of itself and of the database, then restores
/// the newest and the oldest moment into a temporary file without a name, where SQLite's quick_check
/// looks at them. Nothing is changed. Log lines go to stderr.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct Verify {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Restore into a file in this directory [default: $TMPDIR, else /tmp]
    #[arg(long, value_name = "DIR")]
    pub temp_dir: Option<std::path::PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// A database of the config, or the URL of a replica
    #[arg(value_name = "DB_PATH|REPLICA_URL")]
    pub source: String,
}

/// Shows how the databases of the config stand.
///
/// `local txid` is what the running seawall has in the replica, asked for by the control socket if
/// the config opens one; otherwise what the replica says.
#[derive(Debug, Args)]
#[command(after_help = STATUS_HELP)]
pub struct Status {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// Only this database of the config
    #[arg(value_name = "DB_PATH")]
    pub db_path: Option<String>,
}

/// Removes what Seawall keeps beside a database.
///
/// That is one file with checksums of the pages that are in the replica, `.NAME-seawall`. Without
/// it the next start may have to copy the database anew. The database and the replica stay as they
/// are.
#[derive(Debug, Args)]
pub struct Reset {
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,

    /// Litestream's flag; the file is found without the config
    #[arg(long, value_name = "FILE", hide = true)]
    pub config: Option<std::path::PathBuf>,

    /// As -config
    #[arg(long, hide = true)]
    pub no_expand_env: bool,

    /// The database
    #[arg(value_name = "DB_PATH")]
    pub db_path: String,
}

/// Arguments of a command that is gone.
#[derive(Debug, Args)]
pub struct Gone {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

const LTX_HELP: &str = "\
Examples:
  seawall ltx /data/app.db
  seawall ltx -level all s3://my-bucket/app.db
  seawall ltx -level 9 -json /data/app.db

Exit codes:
  0  listed, also when there is nothing
  1  error
  2  bad usage or bad config";

const VERIFY_HELP: &str = "\
Examples:
  seawall verify /data/app.db
  seawall verify s3://my-bucket/app.db
  seawall verify -json -temp-dir /var/tmp /data/app.db

Exit codes:
  0  sound
  1  it could not be checked: the store or the temporary directory cannot be used
  2  bad usage or bad config
  5  nothing to verify: the replica holds no backup
  6  damaged: each finding is printed";

const STATUS_HELP: &str = "\
status is one of
  ok               it is in the replica, as far as local txid says
  not initialized  the replica has nothing of it yet
  no database      there is no such file
  error            the replica cannot be asked; the reason is on stderr

Exit codes:
  0  shown
  1  error
  2  bad usage or bad config";
