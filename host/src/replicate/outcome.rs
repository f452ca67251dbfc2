//! What the log says of a replication's ups and downs: each change of state once, not each try.

use crate::component::{text, wit};
use std::time::{Duration, Instant};

/// A failure that lasts is told again after this long.
const REMIND: Duration = Duration::from_secs(60);

/// Whether trying again later is of use when nothing ever worked: a store that is away, or a
/// database that is locked, comes back; wrong credentials and a wrong file do not by themselves.
pub fn is_passing(error: &wit::Error) -> bool {
    matches!(error, wit::Error::Store(_) | wit::Error::Busy(_))
}

/// The state of one database's replication.
#[derive(Debug)]
pub struct Health {
    database: String,
    failing: Option<Failing>,
    /// Something worked since the start.
    pub proven: bool,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    told: Instant,
}

impl Health {
    pub fn new(database: String) -> Health {
        Health {
            database,
            failing: None,
            proven: false,
        }
    }

    pub fn works(&mut self, txid: u64) {
        self.proven = true;
        if let Some(failing) = self.failing.take() {
            let database = &self.database;
            let seconds = failing.since.elapsed().as_secs_f64();
            tracing::info!(
                database,
                txid,
                "recovered after {seconds:.1} s; nothing was lost"
            );
        }
    }

    pub fn fails(&mut self, error: &wit::Error) {
        let now = Instant::now();
        let failing = self.failing.get_or_insert(Failing {
            since: now,
            told: now,
        });
        let first = failing.told == now && failing.since == now;
        if !first && now.duration_since(failing.told) < REMIND {
            return;
        }
        failing.told = now;
        let database = &self.database;
        let seconds = failing.since.elapsed().as_secs();
        let since = if first {
            String::new()
        } else {
            format!(" (for {seconds} s)")
        };
        match error {
            wit::Error::Busy(text) => tracing::warn!(database, "waiting{since}: {text}"),
            wit::Error::Store(text) => tracing::error!(
                database,
                "not shipping{since}: {text}. What is committed waits in the WAL and is shipped \
                 when the store is back"
            ),
            error => tracing::error!(database, "not shipping{since}: {}", text(error)),
        }
    }
}
