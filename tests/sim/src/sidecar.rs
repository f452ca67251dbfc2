//! The sidecar: the shipped component, called as the host calls it.

use crate::bucket::Bucket;
use crate::dice::Dice;
use crate::guest::{Meanwhile, Program, State, bindings, wait_while_suspended, wit};
use crate::ledger::{Claim, Ledger};
use crate::machine::{Machine, Process, Role};
use crate::time::Clock;
use crate::trace::Trace;
use futures::future::{Either, pending, select};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use wasmtime::component::Accessor;

const UPKEEP_US: u64 = 250_000;
const RETRY_US: u64 = 500_000;
const RETRY_BUSY_US: u64 = 50_000;
/// A commit is noticed after so long.
const NOTICE_US: u64 = 1_000;

/// How a sidecar ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to, and everything is shipped.
    Stopped,
    /// It was told to, and the store did not take the rest in time.
    Unshipped,
    /// Another writer owns the replica.
    Fenced,
    Died,
    /// The component trapped, which is a defect whatever happened to it.
    Trapped(String),
}

/// What the scenario holds of a running sidecar.
#[derive(Clone)]
pub struct Handle {
    pub process: Process,
    stop: Rc<Cell<bool>>,
    pub ended: Rc<RefCell<Option<Ended>>>,
    probe: Rc<Cell<bool>>,
    /// What it found out of the store, the last time that it looked.
    pub probed: Rc<RefCell<Option<Probed>>>,
}

/// Whether the store honours conditions; an error: that could not be told.
pub type Probed = Result<bool, wit::Error>;

impl Handle {
    /// To be shipped to the end, and ended.
    pub fn stop(&self) {
        self.stop.set(true);
    }

    /// To look whether the store honours conditions.
    #[cfg(test)]
    pub fn probe(&self) {
        self.probed.replace(None);
        self.probe.set(true);
    }
}

/// What all sidecars of a world have in common.
#[derive(Clone)]
pub struct Surroundings {
    pub program: Program,
    pub bucket: Bucket,
    pub clock: Clock,
    pub dice: Dice,
    pub trace: Trace,
    pub ledger: Ledger,
}

#[derive(Debug, Clone)]
pub struct Pace {
    pub sync_interval_us: u64,
    pub settings: wit::Settings,
}

/// What runs until the sidecar ends, and the way to it.
pub fn start(
    around: Surroundings,
    machine: &Machine,
    pace: Pace,
    meanwhile: Meanwhile,
) -> (Handle, impl Future<Output = ()> + 'static) {
    let handle = Handle {
        process: machine.start(Role::Sidecar),
        stop: Rc::default(),
        ended: Rc::default(),
        probe: Rc::default(),
        probed: Rc::default(),
    };
    let copy = handle.clone();
    let life = async move {
        let ended = match live(&around, &copy, pace, meanwhile).await {
            Ok(ended) => ended,
            Err(_) if !copy.process.is_alive() => Ended::Died,
            Err(error) => Ended::Trapped(format!("{error:?}")),
        };
        copy.process.end();
        let machine = copy.process.machine.number;
        around
            .trace
            .note(|| format!("machine {machine}: the sidecar ended: {ended:?}"));
        copy.ended.replace(Some(ended));
    };
    (handle, life)
}

async fn live(
    around: &Surroundings,
    handle: &Handle,
    pace: Pace,
    meanwhile: Meanwhile,
) -> wasmtime::Result<Ended> {
    let (mut store, guest) = around
        .program
        .instantiate(
            handle.process.clone(),
            around.bucket.clone(),
            around.clock.clone(),
            &around.dice,
            around.trace.clone(),
            meanwhile,
        )
        .await?;
    let guest = &guest;
    let drive = async |accessor: &Accessor<State>| {
        let mut driver = Driver {
            around,
            handle,
            guest,
            pace,
            next_sync_us: Some(around.clock.now_us()),
            next_compact_us: None,
            backoff_us: 0,
            seen_changes: 0,
            shipping: None,
        };
        driver.run(accessor).await
    };
    store.run_concurrent(drive).await?
}

type Call<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, wit::Error>>> + 'a>>;

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

struct Driver<'a> {
    around: &'a Surroundings,
    handle: &'a Handle,
    guest: &'a bindings::Replicate,
    pace: Pace,
    next_sync_us: Option<u64>,
    next_compact_us: Option<u64>,
    backoff_us: u64,
    seen_changes: u64,
    /// The last commit that was acknowledged when the call of `sync` began.
    shipping: Option<u64>,
}

enum Event {
    Synced(Result<wit::Synced, wit::Error>),
    Compacted(Result<wit::Compacted, wit::Error>),
    Probed(Probed),
    Time,
}

impl<'a> Driver<'a> {
    async fn run(&mut self, accessor: &Accessor<State>) -> wasmtime::Result<Ended> {
        let guest = self.guest.seawall_replicator_replicator();
        let clock = &self.around.clock;
        guest
            .call_configure(accessor, self.pace.settings.clone())
            .await?;
        let mut sync: Option<Call<'_, wit::Synced>> = None;
        let mut compact: Option<Call<'_, wit::Compacted>> = None;
        let mut probe: Option<Call<'_, bool>> = None;
        let mut next_upkeep_us = clock.now_us();
        let mut give_up_us = None;
        loop {
            let now = clock.now_us();
            if self.handle.stop.get() {
                // As on SIGTERM: what is left is shipped, within limits.
                let until = *give_up_us.get_or_insert(now + 30_000_000);
                if now >= until {
                    return Ok(Ended::Unshipped);
                }
                self.next_sync_us.get_or_insert(now + NOTICE_US);
            }
            if sync.is_none() && self.next_sync_us.is_some_and(|due| due <= now) {
                self.next_sync_us = None;
                self.shipping = Some(self.acknowledged());
                self.seen_changes = self.handle.process.machine.disk.changes();
                sync = Some(Box::pin(guest.call_sync(accessor)));
            }
            let stopping = self.handle.stop.get();
            if compact.is_none() && !stopping && self.next_compact_us.is_some_and(|due| due <= now)
            {
                self.next_compact_us = None;
                let forced = wit::Forced {
                    snapshot: false,
                    retention: false,
                };
                compact = Some(Box::pin(guest.call_compact(accessor, forced)));
            }
            if self.handle.probe.take() {
                probe = Some(Box::pin(guest.call_probe(accessor)));
            }
            let mut wake = next_upkeep_us;
            for due in [
                self.next_sync_us.filter(|_| sync.is_none()),
                self.next_compact_us
                    .filter(|_| compact.is_none() && !stopping),
            ] {
                wake = wake.min(due.unwrap_or(u64::MAX));
            }
            let event = {
                let timer = clock.sleep_us(wake.saturating_sub(clock.now_us()));
                let calls = pin!(async {
                    let sync = pin!(answer(&mut sync));
                    let compact = pin!(answer(&mut compact));
                    let probe = pin!(answer(&mut probe));
                    match select(sync, select(compact, probe)).await {
                        Either::Left((result, _)) => {
                            Ok::<_, wasmtime::Error>(Event::Synced(result?))
                        }
                        Either::Right((Either::Left((result, _)), _)) => {
                            Ok(Event::Compacted(result?))
                        }
                        Either::Right((Either::Right((result, _)), _)) => {
                            Ok(Event::Probed(result?))
                        }
                    }
                });
                match select(calls, timer).await {
                    Either::Left((event, _)) => event?,
                    Either::Right(_) => Event::Time,
                }
            };
            wait_while_suspended(clock, &self.handle.process).await;
            // The dead claim nothing.
            self.handle
                .process
                .step()
                .map_err(|dead| wasmtime::Error::msg(dead.to_string()))?;
            match event {
                Event::Synced(result) => {
                    if let Some(ended) = self.after_sync(result) {
                        if ended == Ended::Stopped && compact.is_none() {
                            guest.call_close(accessor).await?;
                        }
                        return Ok(ended);
                    }
                }
                Event::Compacted(result) => {
                    if let Some(ended) = self.after_compaction(result) {
                        return Ok(ended);
                    }
                }
                Event::Probed(result) => drop(self.handle.probed.replace(Some(result))),
                Event::Time if clock.now_us() >= next_upkeep_us => {
                    next_upkeep_us = clock.now_us() + UPKEEP_US;
                    let waits = guest.call_maintain(accessor).await?;
                    if sync.is_none() && self.next_sync_us.is_none() {
                        let changed =
                            self.handle.process.machine.disk.changes() != self.seen_changes;
                        if changed || waits.unwrap_or(false) {
                            self.next_sync_us = Some(clock.now_us() + NOTICE_US);
                        }
                    }
                }
                Event::Time => {}
            }
        }
    }

    fn acknowledged(&self) -> u64 {
        let machine = self.handle.process.machine.number;
        self.around.ledger.current(machine)
    }

    fn after_sync(&mut self, result: Result<wit::Synced, wit::Error>) -> Option<Ended> {
        let now = self.around.clock.now_us();
        let machine = self.handle.process.machine.number;
        let began = self.shipping.take();
        match result {
            Ok(synced) => {
                // At its end the host says so as soon as nothing is left.
                let ends = self.handle.stop.get() && !synced.behind;
                if (synced.complete || ends)
                    && synced.txid > 0
                    && let Some(commit) = began
                {
                    self.around.ledger.claims(Claim {
                        commit,
                        txid: synced.txid,
                        machine,
                    });
                }
                if ends {
                    return Some(Ended::Stopped);
                }
                if synced.uploaded > 0 || self.next_compact_us.is_none() {
                    self.next_compact_us.get_or_insert(now);
                }
                self.next_sync_us = if synced.state == wit::State::Waiting {
                    Some(now + UPKEEP_US)
                } else if synced.uploaded > 0 {
                    Some(now + self.pace.sync_interval_us)
                } else if synced.behind {
                    Some(now + RETRY_BUSY_US)
                } else {
                    None
                };
                None
            }
            Err(wit::Error::Fenced(_)) => Some(Ended::Fenced),
            Err(error) => {
                self.around
                    .trace
                    .note(|| format!("machine {machine}: sync: {error:?}"));
                let wait = match error {
                    wit::Error::Busy(_) => RETRY_BUSY_US,
                    _ => RETRY_US,
                };
                self.next_sync_us = Some(now + wait);
                None
            }
        }
    }

    fn after_compaction(&mut self, result: Result<wit::Compacted, wit::Error>) -> Option<Ended> {
        let now = self.around.clock.now_us();
        let machine = self.handle.process.machine.number;
        match result {
            Ok(done) => {
                self.backoff_us = 0;
                let due = done.due_ms.map(|ms| (ms * 1000).max(now + 50_000));
                self.next_compact_us = due;
                None
            }
            Err(wit::Error::Fenced(_)) => Some(Ended::Fenced),
            Err(error) => {
                self.around
                    .trace
                    .note(|| format!("machine {machine}: compact: {error:?}"));
                self.backoff_us = (self.backoff_us * 2).clamp(RETRY_US, 60_000_000);
                self.next_compact_us = Some(now + self.backoff_us);
                None
            }
        }
    }
}
