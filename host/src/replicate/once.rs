//! Replicates what is there, does what is due, and ends: `-once`.

use super::limits::Limits;
use super::{Shutdown, more_severe};
use crate::component::{self, Instance, Program, State, bindings, text, wit};
use crate::config::Database;
use crate::exit::Code;
use crate::health;
use crate::live::Files;
use crate::plan::Once;
use crate::restore;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use wasmtime::component::Accessor;

/// Between two calls of `sync` when something was committed meanwhile.
const SOON: Duration = Duration::from_millis(5);
/// What is due so soon after a compaction is part of it: merges wait for one another.
const DUE_SOON_MS: u64 = 100;
/// After this long a compaction is over, though an app that goes on writing makes more due.
const COMPACTION: Duration = Duration::from_secs(60);

/// All databases, a few at a time.
pub async fn run(
    program: &Program,
    databases: Vec<Database>,
    once: Once,
    shutdown: Shutdown,
) -> Code {
    let limits = Limits::new();
    let mut running = JoinSet::new();
    for database in databases {
        let program = program.clone();
        let turns = Arc::clone(&limits.openings);
        running.spawn(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            let name = database.path.display().to_string();
            let code = replicate(&program, &database, once, shutdown).await;
            code.unwrap_or_else(|error| {
                tracing::error!(database = name, "{error:#}");
                Code::Error
            })
        });
    }
    let mut worst = Code::Ok;
    while let Some(ended) = running.join_next().await {
        let code = ended.unwrap_or_else(|panic| {
            tracing::error!("a replication died: {panic}");
            Code::Error
        });
        worst = more_severe(worst, code);
    }
    worst
}

async fn replicate(
    program: &Program,
    database: &Database,
    once: Once,
    shutdown: Shutdown,
) -> anyhow::Result<Code> {
    if database.restore_if_db_not_exists && !database.path.exists() {
        let restored = restore::if_absent(program, database).await?;
        restored.map_err(|error| anyhow::anyhow!("cannot be restored: {}", text(&error)))?;
    }
    let (store, layout) = component::open_replica(program, &database.replica).await?;
    let name = database.path.display().to_string();
    let files = Files::new(&database.path);
    let instance = program.instantiate(name.clone(), files, store, Arc::new(|_, _| {}));
    let Instance {
        mut store,
        replicate,
    } = instance.await.map_err(component::failed)?;
    let settings = component::settings(layout, database);
    let work = Work {
        replicate: &replicate,
        name,
        shutdown,
    };
    let ended = store.run_concurrent(async |accessor| {
        let replicator = replicate.seawall_replicator_replicator();
        replicator.call_configure(accessor, settings).await?;
        let mut code = work.ship(accessor).await?;
        if code == Code::Ok && database.require_fencing {
            code = work.probe(accessor).await?;
        }
        if code == Code::Ok {
            code = work.compact(accessor, once).await?;
        }
        replicator.call_close(accessor).await?;
        if code == Code::Ok {
            work.done();
        }
        Ok(code)
    });
    ended
        .await
        .and_then(|ended| ended)
        .map_err(component::failed)
}

struct Work<'a> {
    replicate: &'a bindings::Replicate,
    name: String,
    shutdown: Shutdown,
}

impl Work<'_> {
    /// Until everything is shipped that was committed when the last call began.
    async fn ship(&self, accessor: &Accessor<State>) -> wasmtime::Result<Code> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let mut failing_since = None;
        loop {
            let error = match replicator.call_sync(accessor).await? {
                Ok(synced) if synced.state == wit::State::Waiting => {
                    self.failed("there is no database to replicate");
                    return Ok(Code::Error);
                }
                Ok(synced) if synced.complete => {
                    let (database, txid) = (&self.name, synced.txid);
                    tracing::debug!(database, txid, "everything is shipped");
                    return Ok(Code::Ok);
                }
                Ok(_) => {
                    failing_since = None;
                    sleep(SOON).await;
                    continue;
                }
                Err(error) => error,
            };
            let told = failing_since.is_some();
            let since = *failing_since.get_or_insert_with(Instant::now);
            let code = match &error {
                wit::Error::Fenced(_) => Some(Code::Fenced),
                error if !health::is_passing(error) => Some(Code::Error),
                _ if since.elapsed() >= self.shutdown.timeout => Some(Code::Unshipped),
                _ => None,
            };
            if let Some(code) = code {
                self.failed(text(&error));
                return Ok(code);
            }
            if !told {
                let (database, limit) = (&self.name, self.shutdown.timeout);
                let text = text(&error);
                tracing::warn!(database, "waiting for up to {limit:?}: {text}");
            }
            sleep(self.shutdown.interval).await;
        }
    }

    /// For whoever requires a store that keeps a second writer out.
    async fn probe(&self, accessor: &Accessor<State>) -> wasmtime::Result<Code> {
        let replicator = self.replicate.seawall_replicator_replicator();
        Ok(match replicator.call_probe(accessor).await? {
            Ok(_) => Code::Ok,
            Err(error) => {
                self.failed(text(&error));
                Code::Error
            }
        })
    }

    /// Until nothing is due for a while.
    async fn compact(&self, accessor: &Accessor<State>, once: Once) -> wasmtime::Result<Code> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let forced = wit::Forced {
            snapshot: once.force_snapshot,
            retention: once.enforce_retention,
        };
        let until = Instant::now() + COMPACTION;
        loop {
            let done = match replicator.call_compact(accessor, forced).await? {
                Ok(done) => done,
                Err(error) => {
                    self.failed(text(&error));
                    return Ok(match error {
                        wit::Error::Fenced(_) => Code::Fenced,
                        _ => Code::Error,
                    });
                }
            };
            if done.written > 0 || done.deleted > 0 {
                let database = &self.name;
                let (written, bytes, deleted) = (done.written, done.uploaded, done.deleted);
                tracing::info!(database, written, bytes, deleted, "compacted");
            }
            let due_in_ms = done.due_ms.map(|due_ms| due_ms.saturating_sub(unix_ms()));
            let due_soon = due_in_ms.is_some_and(|wait| wait <= DUE_SOON_MS);
            if !due_soon || Instant::now() >= until {
                break;
            }
            sleep(Duration::from_millis(due_in_ms.unwrap_or(0)).max(SOON)).await;
            // What is due may have to wait for an object to be shipped.
            let code = self.ship(accessor).await?;
            if code != Code::Ok {
                return Ok(code);
            }
        }
        if once.force_snapshot && !self.has_snapshot(accessor).await? {
            self.failed(
                "no snapshot was taken: what is in the replica cannot be told from what is in the \
                 database before something is written to it",
            );
            return Ok(Code::Error);
        }
        Ok(Code::Ok)
    }

    /// Whether there is a snapshot of what is shipped.
    async fn has_snapshot(&self, accessor: &Accessor<State>) -> wasmtime::Result<bool> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let standing = replicator.call_status(accessor).await?;
        Ok(match replicator.call_objects(accessor, Some(9)).await? {
            Ok(snapshots) => snapshots
                .iter()
                .any(|snapshot| snapshot.max_txid == standing.txid),
            Err(error) => {
                self.failed(text(&error));
                false
            }
        })
    }

    fn done(&self) {
        let database = &self.name;
        tracing::info!(database, "everything is shipped, and nothing is due");
    }

    fn failed(&self, text: &str) {
        let database = &self.name;
        tracing::error!(database, "{text}");
    }
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_millis() as u64)
}
