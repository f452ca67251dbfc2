//! Arguments of `seawall serve`.

use super::ConfigFlags;
use super::resolve::{self, Request, UsageError};
use super::values;
use crate::config::Environment;
use crate::plan;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Serves SQL over HTTP on a database that lives in its replica.
///
/// Pages are read from the replica when a query needs them, and a transaction is one new object
/// there, which is durable when it is answered. Any number of processes may serve one replica at
/// once; a transaction that another one was faster than is rolled back as SQLITE_BUSY. A database
/// that a sidecar replicates may be served with -read-only.
/// Clients are those of libSQL: @libsql/client and its like, at http://ADDR.
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub struct Serve {
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Listen here
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub addr: String,

    /// Clients must know the token in this file [default: that in $SEAWALL_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    pub token_file: Option<PathBuf>,

    /// Clients with the token in this file may only read [default: that in
    /// $SEAWALL_READ_ONLY_TOKEN]
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    pub read_only_token_file: Option<PathBuf>,

    /// Let everybody in who reaches ADDR
    #[arg(long)]
    pub open: bool,

    /// Write nothing, whoever asks
    #[arg(long)]
    pub read_only: bool,

    /// How old what a query reads may be: `strong`, or a duration, within which the store is not
    /// asked for newer transactions
    #[arg(long, value_name = "strong|DURATION", default_value = "strong", value_parser = freshness)]
    pub freshness: String,

    /// Memory for pages, of each instance
    #[arg(long, value_name = "SIZE", default_value = "16MB", value_parser = values::size)]
    pub cache: u64,

    /// Requests that are answered at once, each by an instance of its own
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    pub instances: u16,

    /// How long a statement may run
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::interval)]
    pub statement_timeout: Duration,

    /// A database of the config, or the URL of a replica
    #[arg(value_name = "DB_PATH|REPLICA_URL")]
    pub source: String,
}

const SERVE_HELP: &str = "\
Examples:
  SEAWALL_TOKEN=... seawall serve s3://my-bucket/notes
  seawall serve -open -addr 127.0.0.1:8080 file:///var/lib/notes
  seawall serve -read-only -freshness 1s -token-file /run/secrets/token /data/app.db

Exit codes:
  0  stopped
  1  error
  2  bad usage or bad config; nothing was started";

fn freshness(text: &str) -> Result<String, String> {
    if text == "strong" {
        return Ok(text.to_owned());
    }
    let bound = values::interval(text)?;
    Ok(format!("{}ms", bound.as_millis()))
}

impl Serve {
    pub fn resolve(
        &self,
        environment: Environment<'_>,
    ) -> Result<Request<plan::Serve>, UsageError> {
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: String| settings.insert(name.to_owned(), value);
        let token = secret(self.token_file.as_ref(), "SEAWALL_TOKEN", environment)?;
        let variable = "SEAWALL_READ_ONLY_TOKEN";
        let reading = secret(self.read_only_token_file.as_ref(), variable, environment)?;
        if self.open {
            set("open", "true".to_owned());
        } else if token.is_none() && reading.is_none() {
            let text = "no token is set, so nobody could be let in: put one into SEAWALL_TOKEN or \
                        -token-file, or let everybody in by -open";
            return Err(UsageError::Usage(text.to_owned()));
        }
        if let Some(token) = token.filter(|_| !self.open) {
            set("token", token);
        }
        if let Some(token) = reading.filter(|_| !self.open) {
            set("read-only-token", token);
        }
        set("read-only", self.read_only.to_string());
        set("freshness", self.freshness.clone());
        set("cache", self.cache.to_string());
        let timeout = format!("{}ms", self.statement_timeout.as_millis());
        set("statement-timeout", timeout);
        let request = resolve::source(&self.config, &self.source, environment)?;
        Ok(request.map(|replica| plan::Serve {
            replica,
            addr: self.addr.clone(),
            instances: usize::from(self.instances),
            cache_bytes: usize::try_from(self.cache).unwrap_or(usize::MAX),
            statement_timeout: self.statement_timeout,
            settings,
        }))
    }
}

/// From a file, or else from a variable. Without the white space around it.
fn secret(
    file: Option<&PathBuf>,
    variable: &str,
    environment: Environment<'_>,
) -> Result<Option<String>, UsageError> {
    let text = match file {
        None => environment(variable),
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
            UsageError::Usage(format!("cannot read {}: {error}", path.display()))
        })?),
    };
    let text = text.map(|text| text.trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}
