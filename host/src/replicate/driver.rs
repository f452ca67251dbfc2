//! Decides when one database is synced and looked after; the component decides what that means.

use super::Stop;
use super::notice::Notice;
use super::outcome::{self, Health};
use crate::component::{self, Instance, Program, State, bindings, text, wit};
use crate::config::{self, Database};
use crate::exit::Code;
use crate::live::Files;
use crate::objects::{Location, Store};
use anyhow::Context;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use wasmtime::component::Accessor;

/// How often the component looks after the database: a WAL-index that a dead process left
/// unfinished must be mended within a second.
const UPKEEP: Duration = Duration::from_millis(250);
/// A store that failed is tried again after this long.
const RETRY: Duration = Duration::from_millis(500);
/// A database that is locked is tried again after this long.
const RETRY_BUSY: Duration = Duration::from_millis(50);
/// The WAL is written before SQLite says in its index that the frames are committed, and that is
/// not noticed: after a notice without anything new the look is repeated, at growing distances.
const FIRST_LOOK_AGAIN: Duration = Duration::from_micros(500);

/// Large objects are sent in parts of this size, so many at once.
const PART_BYTES: u32 = 8 << 20;
const PARTS_IN_FLIGHT: u32 = 2;

pub struct Driver {
    instance: Instance,
    settings: wit::Settings,
    notice: Notice,
    name: String,
    sync_interval: Duration,
    shutdown_timeout: Duration,
}

impl Driver {
    pub async fn start(
        program: &Program,
        database: &Database,
        shutdown_timeout: Duration,
    ) -> anyhow::Result<Driver> {
        let location = database.replica.location.clone();
        let layout = match location {
            Location::S3(_) => wit::Layout::Hexadecimal,
            Location::Directory { .. } => wit::Layout::Decimal,
        };
        let store = Store::open(location).await.context("the replica")?;
        let name = database.path.display().to_string();
        let files = Files::new(&database.path);
        let instance = program
            .instantiate(name.clone(), files, store, Arc::new(|_, _| {}))
            .await
            .map_err(component::failed)?;
        let ms = |duration: Duration| duration.as_millis() as u64;
        let upkeep = &database.upkeep;
        let settings = wit::Settings {
            layout,
            min_checkpoint_pages: database.min_checkpoint_pages,
            max_wal_pages: match database.truncate_pages {
                config::NEVER => u32::MAX,
                pages => pages,
            },
            max_sync_bytes: database.max_sync_bytes,
            checkpoint_interval_ms: ms(database.checkpoint_interval),
            require_fencing: database.require_fencing,
            level_intervals_ms: upkeep.levels.iter().copied().map(ms).collect(),
            snapshot_interval_ms: ms(upkeep.snapshot_interval),
            snapshot_retention_ms: ms(upkeep.snapshot_retention),
            l0_retention_ms: ms(upkeep.l0_retention),
            l0_retention_check_ms: ms(upkeep.l0_retention_check),
            retention: upkeep.retention,
            part_bytes: database
                .replica
                .part_bytes
                .map_or(PART_BYTES, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
            parts_in_flight: database
                .replica
                .concurrency
                .map_or(PARTS_IN_FLIGHT, |count| {
                    u32::try_from(count).unwrap_or(u32::MAX)
                }),
        };
        Ok(Driver {
            instance,
            settings,
            notice: Notice::watch(&database.path),
            name,
            sync_interval: database.replica.sync_interval,
            shutdown_timeout,
        })
    }

    pub async fn run(self, stopping: watch::Receiver<Stop>) -> Code {
        let Instance {
            mut store,
            replicate,
        } = self.instance;
        let mut work = Work {
            replicate: &replicate,
            notice: self.notice,
            stopping,
            sync_interval: self.sync_interval,
            shutdown_timeout: self.shutdown_timeout,
            health: Health::new(self.name.clone()),
            name: self.name,
        };
        let ended = store
            .run_concurrent(async |accessor| {
                let replicator = replicate.seawall_replicator_replicator();
                replicator.call_configure(accessor, self.settings).await?;
                work.run(accessor).await
            })
            .await;
        match ended {
            Ok(Ok(code)) => code,
            Ok(Err(error)) | Err(error) => {
                let database = work.name;
                tracing::error!(database, "the component failed: {error:?}");
                Code::Error
            }
        }
    }
}

struct Work<'a> {
    replicate: &'a bindings::Replicate,
    notice: Notice,
    stopping: watch::Receiver<Stop>,
    sync_interval: Duration,
    shutdown_timeout: Duration,
    health: Health,
    name: String,
}

/// What to do after a sync.
enum Then {
    /// Wait for a notice.
    Rest,
    SyncAt(Instant),
    End(Code),
}

impl Work<'_> {
    async fn run(&mut self, accessor: &Accessor<State>) -> wasmtime::Result<Code> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let changed = Arc::clone(&self.notice.changed);
        let mut upkeep = interval(UPKEEP);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probed = false;
        let mut next = Some(Instant::now());
        let mut look_again = FIRST_LOOK_AGAIN;
        while *self.stopping.borrow() == Stop::No {
            tokio::select! {
                biased;
                _ = self.stopping.changed() => continue,
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                () = changed.notified() => {
                    look_again = FIRST_LOOK_AGAIN;
                    if next.is_none() {
                        next = Some(Instant::now());
                    }
                    continue;
                }
                _ = upkeep.tick() => {
                    if self.maintain(accessor).await? && next.is_none() {
                        next = Some(Instant::now());
                    }
                    continue;
                }
            }
            let started = Instant::now();
            let result = {
                // While an object is under way, upkeep goes on.
                let mut sync = pin!(replicator.call_sync(accessor));
                loop {
                    tokio::select! {
                        result = &mut sync => break result?,
                        _ = upkeep.tick() => { self.maintain(accessor).await?; }
                    }
                }
            };
            let uploaded = matches!(&result, Ok(synced) if synced.uploaded > 0);
            let behind = matches!(&result, Ok(synced) if synced.behind);
            next = match self.after(result, started) {
                Then::Rest if look_again < UPKEEP && !uploaded => {
                    look_again *= 2;
                    Some(Instant::now() + look_again)
                }
                Then::Rest => None,
                Then::SyncAt(at) => Some(at),
                Then::End(code) => {
                    let _ = self.close(accessor).await;
                    return Ok(code);
                }
            };
            if uploaded || behind {
                look_again = FIRST_LOOK_AGAIN;
            }
            if self.health.proven && !probed {
                probed = true;
                if let Some(code) = self.probe(accessor).await? {
                    return Ok(code);
                }
            }
        }
        self.finish(accessor).await
    }

    fn after(&mut self, result: Result<wit::Synced, wit::Error>, started: Instant) -> Then {
        match result {
            Ok(synced) => {
                self.health.works(synced.txid);
                if synced.uploaded > 0 {
                    let (database, bytes, txid) = (&self.name, synced.uploaded, synced.txid);
                    tracing::debug!(database, txid, bytes, "shipped");
                }
                if synced.state == wit::State::Waiting {
                    // Its directory may not even be there, so that nobody can watch it.
                    Then::SyncAt(Instant::now() + UPKEEP)
                } else if synced.uploaded > 0 {
                    Then::SyncAt(started + self.sync_interval)
                } else if synced.behind {
                    Then::SyncAt(Instant::now() + RETRY_BUSY)
                } else {
                    Then::Rest
                }
            }
            Err(wit::Error::Fenced(text)) => {
                let database = &self.name;
                tracing::error!(database, "fenced: {text}");
                Then::End(Code::Fenced)
            }
            Err(error) if !self.health.proven && !outcome::is_passing(&error) => {
                let database = &self.name;
                tracing::error!(database, "{}", text(&error));
                Then::End(Code::Error)
            }
            Err(error) => {
                self.health.fails(&error);
                let wait = match error {
                    wit::Error::Busy(_) => RETRY_BUSY,
                    _ => RETRY,
                };
                Then::SyncAt(Instant::now() + wait)
            }
        }
    }

    /// True: something waits to be shipped.
    async fn maintain(&self, accessor: &Accessor<State>) -> wasmtime::Result<bool> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let maintained = replicator.call_maintain(accessor).await?;
        Ok(maintained.unwrap_or_else(|error| {
            let database = &self.name;
            tracing::debug!(database, "upkeep: {}", text(&error));
            false
        }))
    }

    /// Some: the store must not be used.
    async fn probe(&self, accessor: &Accessor<State>) -> wasmtime::Result<Option<Code>> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let database = &self.name;
        match replicator.call_probe(accessor).await? {
            Ok(true) => tracing::debug!(database, "the store honours conditional writes"),
            Ok(false) => tracing::warn!(
                database,
                "this store ignores conditional writes: a second writer on this replica would not \
                 be noticed and would damage it. Make sure that there is only one"
            ),
            Err(wit::Error::Denied(text)) => {
                tracing::error!(database, "{text}");
                return Ok(Some(Code::Error));
            }
            Err(error) => {
                let text = text(&error);
                tracing::warn!(
                    database,
                    "whether the store honours conditional writes is not known: {text}"
                );
            }
        }
        Ok(None)
    }

    /// Ships what is left, within the time limit.
    async fn finish(&mut self, accessor: &Accessor<State>) -> wasmtime::Result<Code> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let mut stopping = self.stopping.clone();
        let mut now = pin!(async move {
            // An error means that nobody is left who could ask for more haste.
            let _ = stopping.wait_for(|stop| *stop == Stop::Now).await;
        });
        let deadline = Instant::now() + self.shutdown_timeout;
        let code = loop {
            let result = tokio::select! {
                result = replicator.call_sync(accessor) => result?,
                () = sleep_until(deadline) => break Code::Unshipped,
                () = &mut now => break Code::Unshipped,
            };
            let wait = match result {
                Ok(synced) if synced.behind => Duration::from_millis(5),
                Ok(_) => break Code::Ok,
                Err(wit::Error::Fenced(text)) => {
                    let database = &self.name;
                    tracing::error!(database, "fenced: {text}");
                    break Code::Fenced;
                }
                Err(error) => {
                    self.health.fails(&error);
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = sleep_until(deadline) => break Code::Unshipped,
                () = &mut now => break Code::Unshipped,
            }
        };
        let database = &self.name;
        match code {
            Code::Ok => tracing::info!(database, "everything is shipped"),
            Code::Unshipped => tracing::error!(
                database,
                "stopped before everything was shipped: it is still in this machine's WAL and is \
                 shipped when seawall starts again on it"
            ),
            _ => {}
        }
        self.close(accessor).await?;
        Ok(code)
    }

    async fn close(&self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        let replicator = self.replicate.seawall_replicator_replicator();
        replicator.call_close(accessor).await
    }
}
