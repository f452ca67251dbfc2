//! Arguments of the commands that ask a running seawall by its control socket.

use crate::socket::messages;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    List(List),
    Info(Info),
    Sync(Sync),
    Register(Register),
    Unregister(Unregister),
    Start(Start),
    Stop(Stop),
}

#[derive(Debug, Args)]
pub struct SocketFlags {
    /// The control socket of the running seawall; its config opens it with
    /// `socket: {enabled: true}`
    #[arg(long, value_name = "PATH", default_value = "/var/run/litestream.sock")]
    pub socket: PathBuf,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Timeout {
    /// Wait for so long at most
    #[arg(long, value_name = "SECONDS", default_value_t = messages::TIMEOUT)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

#[derive(Debug, Args)]
pub struct ShortTimeout {
    /// Wait for so long at most
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

/// Asks for a look at a database now.
///
/// With -wait it ends when everything that was committed before is in the replica. No object is
/// made for that which would not be made anyway: sync-interval holds.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct Sync {
    /// Wait until everything that is committed now is in the replica
    #[arg(long)]
    pub wait: bool,

    #[command(flatten)]
    pub timeout: Timeout,

    #[command(flatten)]
    pub control: SocketFlags,

    /// The database, as `seawall list` names it
    #[arg(value_name = "DB_PATH")]
    pub db_path: String,
}

/// Begins to replicate a database that is not in the config.
///
/// It is forgotten when seawall ends.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct Register {
    /// Where to replicate it to, like s3://BUCKET/PATH
    #[arg(long, value_name = "URL")]
    pub replica: String,

    #[command(flatten)]
    pub timeout: Timeout,

    #[command(flatten)]
    pub control: SocketFlags,

    /// The database
    #[arg(value_name = "DB_PATH")]
    pub db_path: String,
}

/// Uploads what is left of a database and forgets it.
///
/// What is in the replica stays.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct Unregister {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub timeout: Timeout,

    #[command(flatten)]
    pub control: SocketFlags,

    /// The database, as `seawall list` names it
    #[arg(value_name = "DB_PATH")]
    pub db_path: String,
}

/// Goes on with a database that was stopped.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct Start {
    #[command(flatten)]
    pub timeout: Timeout,

    #[command(flatten)]
    pub control: SocketFlags,

    /// The database, as `seawall list` names it
    #[arg(value_name = "DB_PATH")]
    pub db_path: String,
}

/// Uploads what is left of a database and lets go of it until it is started again.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct Stop {
    #[command(flatten)]
    pub timeout: Timeout,

    #[command(flatten)]
    pub control: SocketFlags,

    /// The database, as `seawall list` names it
    #[arg(value_name = "DB_PATH")]
    pub db_path: String,
}

/// Lists the databases that a running seawall replicates.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct List {
    #[command(flatten)]
    pub timeout: ShortTimeout,

    #[command(flatten)]
    pub control: SocketFlags,
}

/// Tells about a running seawall.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub struct Info {
    #[command(flatten)]
    pub timeout: ShortTimeout,

    #[command(flatten)]
    pub control: SocketFlags,
}

const CODES: &str = "\
Exit codes:
  0  done, or it was so already
  1  error: nobody listens at the socket, or it was not done in time
  2  bad usage";
