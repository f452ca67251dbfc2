//! Decides when one database is synced, compacted and looked after; the component decides what
//! that means.

use super::compaction::Schedule;
use super::notice::Notice;
use super::{Shutdown, Stop};
use crate::component::{self, Instance, Program, State, bindings, text, wit};
use crate::config::Database;
use crate::exit::Code;
use crate::health::{self, Health, Task};
use crate::live::Files;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
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
/// Between two calls of `sync` when stopping.
const SOON: Duration = Duration::from_millis(5);
/// How long a stop waits for a compaction that is under way: an upload that is about to end
/// should not have been in vain, and whatever is cut off is done again later.
const COMPACTION_GRACE: Duration = Duration::from_secs(5);

pub struct Driver {
    instance: Instance,
    settings: wit::Settings,
    notice: Notice,
    name: String,
    sync_interval: Duration,
    shutdown: Shutdown,
}

impl Driver {
    pub async fn start(
        program: &Program,
        database: &Database,
        shutdown: Shutdown,
    ) -> anyhow::Result<Driver> {
        let (store, layout) = component::open_replica(&database.replica).await?;
        let name = database.path.display().to_string();
        let files = Files::new(&database.path);
        let instance = program
            .instantiate(name.clone(), files, store, Arc::new(|_, _| {}))
            .await
            .map_err(component::failed)?;
        Ok(Driver {
            instance,
            settings: component::settings(layout, database),
            notice: Notice::watch(&database.path),
            name,
            sync_interval: database.replica.sync_interval,
            shutdown,
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
            shutdown: self.shutdown,
            shipping: Health::new(Task::Shipping, self.name.clone()),
            compacting: Health::new(Task::Compacting, self.name.clone()),
            schedule: Schedule::new(),
            next: Some(Instant::now()),
            look_again: FIRST_LOOK_AGAIN,
            probed: false,
            live: false,
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
    shutdown: Shutdown,
    shipping: Health,
    compacting: Health,
    schedule: Schedule,
    /// When `sync` is called next; None: when something is noticed.
    next: Option<Instant>,
    look_again: Duration,
    probed: bool,
    /// The database was open after the last call of `sync`.
    live: bool,
    name: String,
}

/// A call that is under way.
type Call<'a, T> =
    Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, wit::Error>>> + Send + 'a>>;

/// The answer of the call that is under way, if one is.
async fn answer<T>(call: &mut Option<Call<'_, T>>) -> wasmtime::Result<Result<T, wit::Error>> {
    match call {
        Some(under_way) => {
            let answer = under_way.await;
            *call = None;
            answer
        }
        None => pending().await,
    }
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_millis() as u64)
}

const NOT_FORCED: wit::Forced = wit::Forced {
    snapshot: false,
    retention: false,
};

impl<'a> Work<'a> {
    async fn run<'c>(&mut self, accessor: &'c Accessor<State>) -> wasmtime::Result<Code>
    where
        'a: 'c,
    {
        let replicator = self.replicate.seawall_replicator_replicator();
        let changed = Arc::clone(&self.notice.changed);
        let mut upkeep = interval(UPKEEP);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sync: Option<Call<'c, wit::Synced>> = None;
        let mut sync_began = Instant::now();
        let mut compact: Option<Call<'c, wit::Compacted>> = None;
        while *self.stopping.borrow() == Stop::No {
            let mut end = None;
            let idle = sync.is_none();
            let next = self.next.filter(|_| idle);
            let wake = self.schedule.wake(Instant::now(), unix_ms());
            tokio::select! {
                biased;
                _ = self.stopping.changed() => {}
                // While objects are under way, upkeep goes on.
                _ = upkeep.tick() => {
                    if self.maintain(accessor).await? && idle && self.next.is_none() {
                        self.next = Some(Instant::now());
                    }
                }
                result = answer(&mut sync) => {
                    end = self.after_sync(accessor, result?, sync_began).await?;
                }
                result = answer(&mut compact) => end = self.after_compaction(result?),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    self.next = None;
                    sync_began = Instant::now();
                    sync = Some(Box::pin(replicator.call_sync(accessor)));
                }
                () = changed.notified(), if idle => {
                    self.look_again = FIRST_LOOK_AGAIN;
                    self.next.get_or_insert_with(Instant::now);
                }
                () = sleep_until(wake.map_or_else(Instant::now, |(moment, _)| moment)),
                    if wake.is_some() =>
                {
                    if wake.is_some_and(|(_, calls)| calls) {
                        self.schedule.begins();
                        compact = Some(Box::pin(replicator.call_compact(accessor, NOT_FORCED)));
                    }
                }
            }
            if let Some(code) = end {
                if sync.is_none() && compact.is_none() {
                    self.close(accessor).await?;
                }
                return Ok(code);
            }
        }
        self.finish(accessor, sync, compact).await
    }

    /// Some: the end.
    async fn after_sync(
        &mut self,
        accessor: &Accessor<State>,
        result: Result<wit::Synced, wit::Error>,
        began: Instant,
    ) -> wasmtime::Result<Option<Code>> {
        match result {
            Ok(synced) => self.plan_next(&synced, began),
            Err(wit::Error::Fenced(text)) => return Ok(Some(self.fenced(&text))),
            Err(error) if !self.shipping.proven && !health::is_passing(&error) => {
                let database = &self.name;
                tracing::error!(database, "{}", text(&error));
                return Ok(Some(Code::Error));
            }
            Err(error) => {
                self.shipping.fails(&error);
                let wait = match error {
                    wit::Error::Busy(_) => RETRY_BUSY,
                    _ => RETRY,
                };
                self.next = Some(Instant::now() + wait);
            }
        }
        if self.shipping.proven && !self.probed {
            self.probed = true;
            if let Some(code) = self.probe(accessor).await? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    fn plan_next(&mut self, synced: &wit::Synced, began: Instant) {
        self.shipping.works();
        let now = Instant::now();
        let live = synced.state == wit::State::Live;
        let uploaded = synced.uploaded > 0;
        if uploaded {
            let (database, bytes, txid) = (&self.name, synced.uploaded, synced.txid);
            tracing::debug!(database, txid, bytes, "shipped");
        }
        if uploaded || (live && !self.live) {
            self.schedule.ask(now);
        }
        self.live = live;
        self.next = if !live {
            // Its directory may not even be there, so that nobody can watch it.
            Some(now + UPKEEP)
        } else if uploaded {
            Some(began + self.sync_interval)
        } else if synced.behind {
            Some(now + RETRY_BUSY)
        } else if self.look_again < UPKEEP {
            self.look_again *= 2;
            Some(now + self.look_again)
        } else {
            None
        };
        if uploaded || synced.behind {
            self.look_again = FIRST_LOOK_AGAIN;
        }
    }

    /// Some: the end.
    fn after_compaction(&mut self, result: Result<wit::Compacted, wit::Error>) -> Option<Code> {
        let now = Instant::now();
        match result {
            Ok(done) => {
                self.compacting.works();
                self.schedule.succeeded(now, unix_ms(), done.due_ms);
                if done.written > 0 || done.deleted > 0 {
                    let database = &self.name;
                    let (written, bytes, deleted) = (done.written, done.uploaded, done.deleted);
                    tracing::debug!(database, written, bytes, deleted, "compacted");
                }
            }
            Err(wit::Error::Fenced(text)) => return Some(self.fenced(&text)),
            Err(error) => {
                self.compacting.fails(&error);
                self.schedule.failed(now);
            }
        }
        None
    }

    fn fenced(&self, text: &str) -> Code {
        let database = &self.name;
        tracing::error!(database, "fenced: {text}");
        Code::Fenced
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
    async fn finish<'c>(
        &mut self,
        accessor: &'c Accessor<State>,
        mut sync: Option<Call<'c, wit::Synced>>,
        mut compact: Option<Call<'c, wit::Compacted>>,
    ) -> wasmtime::Result<Code>
    where
        'a: 'c,
    {
        let deadline = Instant::now() + self.shutdown.timeout;
        let mut stopping = self.stopping.clone();
        let code = tokio::select! {
            code = self.ship_the_rest(accessor, &mut sync) => code?,
            () = sleep_until(deadline) => Code::Unshipped,
            // An error means that nobody is left who could ask for more haste.
            _ = stopping.wait_for(|stop| *stop == Stop::Now) => Code::Unshipped,
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
        let until = deadline.min(Instant::now() + COMPACTION_GRACE);
        if compact.is_some() {
            tokio::select! {
                ended = answer(&mut compact) => drop(ended?),
                () = sleep_until(until) => {}
                _ = stopping.wait_for(|stop| *stop == Stop::Now) => {}
            }
        }
        // What is still under way is cut off with the instance.
        if sync.is_none() && compact.is_none() {
            self.close(accessor).await?;
        }
        Ok(code)
    }

    /// Ends when all is shipped or cannot be.
    async fn ship_the_rest<'c>(
        &mut self,
        accessor: &'c Accessor<State>,
        sync: &mut Option<Call<'c, wit::Synced>>,
    ) -> wasmtime::Result<Code>
    where
        'a: 'c,
    {
        let replicator = self.replicate.seawall_replicator_replicator();
        if sync.is_some() {
            // It may have begun before the last commit.
            drop(answer(sync).await?);
        }
        loop {
            *sync = Some(Box::pin(replicator.call_sync(accessor)));
            match answer(sync).await? {
                Ok(synced) if synced.behind => tokio::time::sleep(SOON).await,
                Ok(_) => return Ok(Code::Ok),
                Err(wit::Error::Fenced(text)) => return Ok(self.fenced(&text)),
                Err(error) => {
                    self.shipping.fails(&error);
                    tokio::time::sleep(self.shutdown.interval).await;
                }
            }
        }
    }

    async fn close(&self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        let replicator = self.replicate.seawall_replicator_replicator();
        replicator.call_close(accessor).await
    }
}
