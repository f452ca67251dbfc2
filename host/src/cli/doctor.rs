//! Arguments of `seawall doctor`.

use super::{ConfigFlags, Request, UsageError, resolve};
use crate::config::{Environment, is_replica_url};
use crate::doctor::{Order, Subject};
use clap::Args;

/// Tries what replication needs and says what is wrong and what to do.
///
/// Looks at the config, each database's files and who uses them, the way to each replica and the
/// rights there. It changes nothing that lasts: the objects that it writes to the replica are its
/// own and are deleted again, databases are only looked at.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Doctor {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Print the result as JSON on stdout
    #[arg(long)]
    pub json: bool,

    /// Only this database of the config, or the replica at this URL
    #[arg(value_name = "DB_PATH|REPLICA_URL")]
    pub source: Option<String>,
}

const HELP: &str = "\
Examples:
  seawall doctor
  seawall doctor -config /etc/seawall.yml /data/app.db
  seawall doctor -json 's3://my-bucket/app.db?endpoint=https://s3.example.com'

Run it as the user and in the environment that `seawall replicate` has.

Exit codes:
  0  no faults; there may be warnings
  1  faults were found
  2  bad usage";

impl Doctor {
    pub fn resolve(&self, environment: Environment<'_>) -> Result<Request<Order>, UsageError> {
        let subject = match &self.source {
            Some(url) if is_replica_url(url) => {
                return resolve::source(&self.config, url, environment).map(|request| {
                    request.map(|replica| Order {
                        subject: Subject::Replica(Box::new(replica)),
                        json: self.json,
                    })
                });
            }
            source => Subject::Config {
                path: resolve::config_path(&self.config, environment),
                expand: !self.config.no_expand_env,
                only: source
                    .as_ref()
                    .map(|path| resolve::database_path(path, environment))
                    .transpose()?,
            },
        };
        let order = Order {
            subject,
            json: self.json,
        };
        Ok(Request::plain(order, environment))
    }
}
