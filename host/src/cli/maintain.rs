//! Arguments of `seawall maintain`.

use super::ConfigFlags;
use super::resolve::{self, Request, UsageError};
use crate::config::Environment;
use crate::plan;
use clap::Args;

/// Merges objects of a database that lives in its replica, takes snapshots, deletes what expired.
///
/// For databases that `seawall serve` or the component on Spin write: those who commit do small work
/// of this kind themselves, and leave snapshots of larger databases to this command. Run it once a
/// day or so, anywhere, beside everything else. A replica that a sidecar ships to needs it not, and
/// is refused. How often is merged and how long is kept says the config, if a database of it is named.
#[derive(Debug, Args)]
#[command(after_help = MAINTAIN_HELP)]
pub struct Maintain {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// A database of the config, or the URL of a replica
    #[arg(value_name = "DB_PATH|REPLICA_URL")]
    pub source: String,
}

const MAINTAIN_HELP: &str = "\
Examples:
  seawall maintain s3://my-bucket/notes
  seawall maintain -config /etc/seawall.yml /data/notes.db

Exit codes:
  0  done, or nothing was due
  1  error; what was not done stays due
  2  bad usage or bad config";

impl Maintain {
    pub fn resolve(
        &self,
        environment: Environment<'_>,
    ) -> Result<Request<plan::Maintain>, UsageError> {
        let found = resolve::subject(&self.config, &self.source, environment)?;
        Ok(found.map(|database| plan::Maintain {
            database,
            source: self.source.clone(),
            json: self.json,
        }))
    }
}
