//! What is known of one database's replication, and the way to ask something of it.

use super::record::Record;
use crate::component::wit;
use crate::health::Task;
use crate::verify::Verified;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use tokio::sync::{mpsc, oneshot};

/// Questions that wait at most; whoever asks beyond that waits to ask.
const QUESTIONS: usize = 64;

/// What somebody wants of a database that is replicated.
#[derive(Debug)]
pub enum Ask {
    /// Look for commits now, and tell how it stands.
    Look(oneshot::Sender<Standing>),
    /// Tell when everything that is committed now is in the replica. No object is made for it
    /// that would not be made anyway, nor any earlier.
    WhenShipped(oneshot::Sender<Result<Standing, String>>),
    /// Tell the keys of the objects that the replica must hold.
    Held(oneshot::Sender<Vec<String>>),
}

/// TXIDs as Litestream counts them: one for each object of level 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// In the replica.
    pub shipped: u64,
    /// In the database.
    pub committed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// It is being restored, opened, or waits for its turn.
    #[default]
    Starting,
    /// There is no database yet.
    Waiting,
    Live,
    Stopped,
    /// Another writer owns the replica.
    Fenced,
}

/// A call of the component.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    pub active: bool,
    pub began: SystemTime,
    /// When it ended, if it did.
    pub updated: SystemTime,
}

/// What is in the replica.
#[derive(Debug, Clone)]
pub struct Kept {
    pub bytes: u64,
    pub objects: u32,
    pub moments: Arc<[wit::Moment]>,
}

#[derive(Debug, Clone, Default)]
pub struct Report {
    pub phase: Phase,
    /// What is in the replica.
    pub txid: u64,
    /// When it was last known that nothing waits to be shipped.
    pub current_at: Option<SystemTime>,
    /// The same, for what may not depend on a clock that is set.
    pub current: Option<Instant>,
    /// Of the database, as of `txid`.
    pub size_bytes: u64,
    pub page_size: u32,
    pub wal_bytes: u64,
    pub unshipped_bytes: u64,
    /// Of all objects in the replica, and to which moments they can be restored, ascending. None:
    /// it was not listed yet.
    pub replica: Option<Kept>,
    pub operation: Option<Operation>,
    /// Why it does not work at the moment.
    pub error: Option<String>,
    pub verify: Verified,
    pub error_since: Option<SystemTime>,
}

impl Report {
    pub fn fails(&mut self, text: &str) {
        self.error_since.get_or_insert_with(SystemTime::now);
        self.error = Some(text.to_owned());
    }

    pub fn works(&mut self) {
        self.error = None;
        self.error_since = None;
    }
}

/// Where questions are left and answers found. Shared.
#[derive(Debug)]
pub struct Desk {
    report: Mutex<Report>,
    pub record: Arc<Record>,
    pub asks: mpsc::Sender<Ask>,
}

impl Desk {
    pub fn new(record: Arc<Record>) -> (Desk, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(QUESTIONS);
        let report = Mutex::default();
        let desk = Desk {
            report,
            record,
            asks,
        };
        (desk, asked)
    }

    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    pub fn update(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock());
    }

    /// Something is on its way to the store.
    pub fn is_shipping(&self) -> bool {
        let operation = self.lock().operation;
        operation.is_some_and(|operation| operation.active)
    }

    /// What ends a replication, for a while or for good.
    pub fn fails(&self, text: &str) {
        self.update(|report| report.fails(text));
        self.record.telling.journal.fails(Task::Shipping, text);
    }

    /// Nothing waits to be shipped.
    pub fn is_current(&self) {
        let now = Instant::now();
        let before = {
            let mut report = self.lock();
            report.current_at = Some(SystemTime::now());
            report.current.replace(now)
        };
        self.record.note(before, now);
    }

    pub fn begins(&self, name: &'static str) {
        let now = SystemTime::now();
        self.update(|report| {
            report.operation = Some(Operation {
                name,
                active: true,
                began: now,
                updated: now,
            });
        });
    }

    /// An operation that another one has taken the place of is not known any more.
    pub fn ends(&self, name: &'static str) {
        self.update(|report| {
            if let Some(operation) = &mut report.operation
                && operation.name == name
            {
                operation.active = false;
                operation.updated = SystemTime::now();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
