//! Decides when one database is synced, compacted and looked after; the component decides what
//! that means.

use super::call::{Call, answer};
use super::compaction::Schedule;
use super::desk::{Ask, Desk, Phase, Standing};
use super::notice::Notice;
use super::opening::Opening;
use super::probes::{self, Known};
use super::waiting::Waiting;
use super::{Shutdown, Stop};
use crate::component::{State, bindings, text, wit};
use crate::exit::Code;
use crate::health::{self, Health};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use wasmtime::component::Accessor;

/// How often the component looks after the database: a WAL-index that a dead process left
/// unfinished must be mended within a second.
const UPKEEP: Duration = Duration::from_millis(250);
/// A store that failed is tried again after this long.
const RETRY: Duration = Duration::from_millis(500);
/// A database that is locked is tried again after this long.
const RETRY_BUSY: Duration = Duration::from_millis(50);
/// Notices are switched off for a pause that is longer, and on again: both cost as much as some
/// notices.
const WORTH_A_REST: Duration = Duration::from_millis(50);
/// A store that did not tell whether it honours conditional writes is asked again after this long.
const PROBE_AGAIN: Duration = Duration::from_secs(60);
/// The WAL is written before SQLite says in its index that the frames are committed, and that is
/// not noticed: after a notice without anything new the look is repeated, at growing distances.
pub const FIRST_LOOK_AGAIN: Duration = Duration::from_micros(500);

pub struct Work<'a> {
    pub replicate: &'a bindings::Replicate,
    pub notice: Notice,
    pub stopping: watch::Receiver<Stop>,
    pub asked: &'a mut mpsc::Receiver<Ask>,
    pub waiting: Waiting,
    pub desk: Arc<Desk>,
    /// Until the database is open.
    pub opening: Option<Opening>,
    pub sync_interval: Duration,
    pub shutdown: Shutdown,
    pub shipping: Health,
    pub compacting: Health,
    pub schedule: Schedule,
    /// When `sync` is called next; None: when something is noticed.
    pub next: Option<Instant>,
    /// What is noticed does not make `next` sooner: the sync interval has to pass, or a store that
    /// failed is left alone for a while.
    pub paced: bool,
    pub look_again: Duration,
    /// When the store is to be asked whether it honours conditional writes; None: that is known, or
    /// being asked.
    pub probe_due: Option<Instant>,
    /// Whether the store honours conditional writes, as far as any database has found out.
    pub conditions: Known,
    /// The database was open after the last call of `sync`.
    pub live: bool,
    pub name: String,
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// What the component is doing, in Litestream's words.
const SYNC: &str = "sync";
const COMPACTION: &str = "compact";

fn position(standing: &wit::Standing) -> Standing {
    Standing {
        shipped: standing.txid,
        committed: standing.txid + u64::from(standing.unshipped_bytes > 0),
    }
}

const NOT_FORCED: wit::Forced = wit::Forced {
    snapshot: false,
    retention: false,
};

impl<'a> Work<'a> {
    pub async fn run<'c>(&mut self, accessor: &'c Accessor<State>) -> wasmtime::Result<Code>
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
        let mut probe: Option<Call<'c, bool>> = None;
        while *self.stopping.borrow() == Stop::No {
            let mut end = None;
            let idle = sync.is_none();
            let opening = self.opening.as_ref().map(|opening| opening.until);
            let next = self.next.filter(|_| idle);
            let wake = self.schedule.wake(Instant::now(), unix_ms());
            // Nothing is deleted in a store that may not be used.
            let wake = wake.filter(|_| probe.is_none());
            tokio::select! {
                biased;
                _ = self.stopping.changed() => {}
                // While objects are under way, upkeep goes on.
                _ = upkeep.tick() => {
                    if !idle {
                        self.look_at_store(sync_began);
                        self.measure_lag(accessor).await?;
                    }
                    let waits = self.maintain(accessor).await?;
                    if idle && self.next.is_none() {
                        if waits {
                            self.next = Some(Instant::now());
                        } else if self.live {
                            self.desk.is_current();
                        }
                    }
                }
                () = sleep_until(opening.unwrap_or_else(Instant::now)), if opening.is_some() => {
                    self.opening = None;
                }
                result = answer(&mut sync) => {
                    end = self.after_sync(accessor, result?, sync_began).await?;
                    self.opening = None;
                    if self.live && self.probe_due.is_some_and(|due| due <= Instant::now()) {
                        self.probe_due = None;
                        let store = Arc::clone(&self.conditions);
                        let ask = replicator.call_probe(accessor);
                        probe = Some(Box::pin(probes::find_out(store, ask)));
                    }
                }
                result = answer(&mut probe) => end = self.after_probe(result?),
                result = answer(&mut compact) => {
                    end = self.after_compaction(result?);
                    self.measure(accessor).await?;
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    self.next = None;
                    // Before the look: whatever comes after it is noticed.
                    self.notice.listen();
                    sync_began = Instant::now();
                    self.waiting.begins();
                    self.desk.begins(SYNC);
                    sync = Some(Box::pin(replicator.call_sync(accessor)));
                }
                Some(ask) = self.asked.recv() => {
                    self.hear(accessor, ask).await?;
                    if idle {
                        self.next.get_or_insert_with(Instant::now);
                    }
                }
                () = changed.notified(), if idle && !(self.paced && self.next.is_some()) => {
                    self.look_again = FIRST_LOOK_AGAIN;
                    // A transaction that is being written is many notices.
                    let soon = Instant::now().max(sync_began + FIRST_LOOK_AGAIN);
                    self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
                }
                () = sleep_until(wake.map_or_else(Instant::now, |(moment, _)| moment)),
                    if wake.is_some() =>
                {
                    if wake.is_some_and(|(_, calls)| calls) {
                        self.schedule.begins();
                        self.desk.begins(COMPACTION);
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
        self.desk.ends(SYNC);
        self.count(&result, began);
        match result {
            Ok(synced) => {
                self.plan_next(&synced, began);
                self.tell(accessor, &synced).await?;
            }
            Err(wit::Error::Fenced(text)) => return Ok(Some(self.fenced(&text))),
            Err(error) if !self.shipping.proven && !health::is_passing(&error) => {
                let database = &self.name;
                tracing::error!(database, "{}", text(&error));
                self.desk.fails(text(&error));
                return Ok(Some(Code::Error));
            }
            Err(error) => {
                self.shipping.fails(&error);
                self.desk.update(|report| report.fails(text(&error)));
                self.measure_lag(accessor).await?;
                let wait = match error {
                    wit::Error::Busy(_) => RETRY_BUSY,
                    _ => RETRY,
                };
                self.next = Some(Instant::now() + wait);
                self.paced = true;
            }
        }
        if self.waiting.is_anybody_here() {
            self.next.get_or_insert_with(Instant::now);
        }
        Ok(None)
    }

    /// Lets others know what a call of `sync` achieved.
    pub async fn tell(
        &mut self,
        accessor: &Accessor<State>,
        synced: &wit::Synced,
    ) -> wasmtime::Result<()> {
        let standing = self.measure(accessor).await?;
        if synced.state == wit::State::Waiting && !self.is_waiting() {
            let database = &self.name;
            tracing::info!(
                database,
                "there is no database yet: waiting for the app to make it"
            );
        }
        self.desk.update(|report| {
            report.phase = match synced.state {
                wit::State::Waiting => Phase::Waiting,
                wit::State::Live => Phase::Live,
            };
            report.works();
        });
        // Where there is no database nothing waits.
        if !synced.behind {
            self.desk.is_current();
        }
        if synced.state == wit::State::Waiting {
            let text = "there is no database yet".to_owned();
            self.waiting.answer(&Err(text));
        } else if synced.complete {
            self.waiting.answer(&Ok(position(&standing)));
        }
        Ok(())
    }

    /// There was no database at the last look.
    pub fn is_waiting(&self) -> bool {
        self.desk.phase() == Phase::Waiting
    }

    async fn hear(&mut self, accessor: &Accessor<State>, ask: Ask) -> wasmtime::Result<()> {
        match ask {
            Ask::Look(answer) => {
                let replicator = self.replicate.seawall_replicator_replicator();
                let standing = replicator.call_status(accessor).await?;
                // Nobody may be waiting any more.
                let _ = answer.send(position(&standing));
            }
            Ask::WhenShipped(answer) => self.waiting.add(answer),
            Ask::Held(answer) => {
                let replicator = self.replicate.seawall_replicator_replicator();
                let held = replicator.call_held(accessor).await?;
                // Nobody may be waiting any more.
                let _ = answer.send(held);
            }
        }
        Ok(())
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
        if live && !self.live {
            // Its directory may not have been there before.
            self.notice.renew();
        }
        self.live = live;
        self.paced = live && (uploaded || synced.behind);
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
        let pause = self.next.map(|next| next.saturating_duration_since(now));
        if self.paced && pause.is_some_and(|pause| pause > WORTH_A_REST) {
            self.notice.rest();
        }
    }

    /// Some: the end.
    fn after_compaction(&mut self, result: Result<wit::Compacted, wit::Error>) -> Option<Code> {
        let now = Instant::now();
        self.desk.ends(COMPACTION);
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

    pub fn fenced(&self, text: &str) -> Code {
        let database = &self.name;
        tracing::error!(
            database,
            "fenced: {text}. When the other writer is stopped, `seawall restore -force` takes its \
             state; `seawall reset` and a start make this machine's the newest one"
        );
        self.desk.fails(&format!("fenced: {text}"));
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
    fn after_probe(&mut self, honoured: Result<bool, wit::Error>) -> Option<Code> {
        let database = &self.name;
        match honoured {
            Ok(true) => tracing::debug!(database, "the store honours conditional writes"),
            Ok(false) => tracing::warn!(
                database,
                "this store ignores conditional writes: a second writer on this replica would not \
                 be noticed and would damage it. Make sure that there is only one"
            ),
            Err(wit::Error::Replica(text)) => {
                tracing::error!(database, "{text}");
                return Some(Code::Error);
            }
            Err(error) => {
                self.probe_due = Some(Instant::now() + PROBE_AGAIN);
                let text = text(&error);
                tracing::warn!(
                    database,
                    "whether the store honours conditional writes is not known: {text}"
                );
            }
        }
        None
    }
}
