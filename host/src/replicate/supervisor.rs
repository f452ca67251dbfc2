//! All databases of one process: each has a task of its own, none touches another.

use super::desk::{Ask, Desk, Report};
use super::keeper::Keeper;
use super::record::Record;
use super::{Shutdown, Stop, Tools, more_severe};
use crate::config::Database;
use crate::exit::Code;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// Cheap to clone.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    tools: Tools,
    shutdown: Shutdown,
    /// Databases may come while the process runs, and it goes on without any.
    open_ended: bool,
    state: Mutex<State>,
    /// Told of each begin and end.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    entries: Vec<Entry>,
    /// The process ends.
    closing: bool,
    /// A database that is here no more was fenced.
    fenced: bool,
}

struct Entry {
    database: Database,
    desk: Arc<Desk>,
    run: Run,
    /// It is stopped for good and then forgotten.
    leaving: bool,
}

/// A database as an observer sees it.
pub struct Watched {
    pub database: Database,
    pub report: Report,
    pub record: Arc<Record>,
}

/// A task that keeps a database, or did.
struct Run {
    stop: watch::Sender<Stop>,
    opened: watch::Receiver<bool>,
    ended: watch::Receiver<Option<Code>>,
}

impl Run {
    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    fn was_told_to_stop(&self) -> bool {
        *self.stop.borrow() != Stop::No
    }
}

/// Whether something was to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Made,
    /// It was so already.
    None,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("database not found: {}", .0.display())]
    NotFound(PathBuf),
    #[error("database not open: {}", .0.display())]
    Stopped(PathBuf),
    #[error(
        "the replica is that of {} already; two databases in one place would overwrite each other",
        .0.display()
    )]
    ReplicaTaken(PathBuf),
    #[error("seawall is stopping")]
    Closing,
}

impl Supervisor {
    pub fn new(tools: Tools, shutdown: Shutdown, open_ended: bool) -> Supervisor {
        Supervisor(Arc::new(Inner {
            tools,
            shutdown,
            open_ended,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }))
    }

    /// Begins to replicate a database, unless one of that path is there.
    pub fn add(&self, database: Database) -> Result<Change, Refusal> {
        let mut state = self.state();
        if state.closing {
            return Err(Refusal::Closing);
        }
        if state.find(&database.path).is_some() {
            return Ok(Change::None);
        }
        let place = database.replica.location.identity();
        let same_place = |entry: &&Entry| entry.database.replica.location.identity() == place;
        if let Some(other) = state.entries.iter().find(same_place) {
            return Err(Refusal::ReplicaTaken(other.database.path.clone()));
        }
        let outages = self.0.tools.outages.clone();
        let record = Record::new(&database.replica.location, outages);
        let (desk, asked) = Desk::new(Arc::new(record));
        let desk = Arc::new(desk);
        let run = self.run(&database, &desk, asked);
        state.entries.push(Entry {
            database,
            desk,
            run,
            leaving: false,
        });
        Ok(Change::Made)
    }

    /// Begins again with a database that was stopped or ended.
    pub fn start(&self, path: &Path) -> Result<Change, Refusal> {
        let mut state = self.state();
        if state.closing {
            return Err(Refusal::Closing);
        }
        let entry = state.find(path).filter(|entry| !entry.leaving);
        let entry = entry.ok_or_else(|| not_found(path))?;
        if !entry.run.has_ended() {
            return Ok(Change::None);
        }
        let (desk, asked) = Desk::new(Arc::clone(&entry.desk.record));
        let before = entry.desk.report();
        desk.update(|report| {
            report.txid = before.txid;
            report.current_at = before.current_at;
            report.verify = before.verify;
            report.current = before.current;
            report.replica = before.replica;
            report.size_bytes = before.size_bytes;
            report.page_size = before.page_size;
        });
        entry.desk = Arc::new(desk);
        entry.run = self.run(&entry.database, &entry.desk, asked);
        Ok(Change::Made)
    }

    /// Ships what is left and lets go of a database, which stays known. Waits until that is done.
    pub async fn stop(&self, path: &Path) -> Result<Change, Refusal> {
        let mut ended = {
            let mut state = self.state();
            let entry = state.find(path).ok_or_else(|| not_found(path))?;
            if entry.run.has_ended() {
                return Ok(Change::None);
            }
            entry.run.stop.send_replace(Stop::Gracefully);
            entry.run.ended.clone()
        };
        // An error means that the task is gone.
        let _ = ended.wait_for(Option::is_some).await;
        Ok(Change::Made)
    }

    /// Stops a database and forgets it. What is in the replica stays. The answer: its TXID.
    pub async fn remove(&self, path: &Path) -> Result<u64, Refusal> {
        let found = |state: &mut State| match state.find(path) {
            Some(entry) => {
                entry.leaving = true;
                Ok(())
            }
            None => Err(not_found(path)),
        };
        found(&mut self.state())?;
        self.stop(path).await?;
        let mut state = self.state();
        let position = state.entries.iter().position(|e| e.database.path == path);
        let entry = position.map(|position| state.entries.remove(position));
        let entry = entry.ok_or_else(|| not_found(path))?;
        state.fenced |= *entry.run.ended.borrow() == Some(Code::Fenced);
        drop(state);
        self.0.changed.send_replace(());
        Ok(entry.desk.report().txid)
    }

    /// Each database, with what is known of it and remembered.
    pub fn watched(&self) -> Vec<Watched> {
        let state = self.state();
        let watched = |entry: &Entry| Watched {
            database: entry.database.clone(),
            report: entry.desk.report(),
            record: Arc::clone(&entry.desk.record),
        };
        state.entries.iter().map(watched).collect()
    }

    /// What is known of each database.
    pub fn list(&self) -> Vec<(PathBuf, Report)> {
        let state = self.state();
        let known = |entry: &Entry| (entry.database.path.clone(), entry.desk.report());
        state.entries.iter().map(known).collect()
    }

    pub fn report(&self, path: &Path) -> Result<Report, Refusal> {
        let mut state = self.state();
        let entry = state.find(path).ok_or_else(|| not_found(path))?;
        Ok(entry.desk.report())
    }

    /// Where something can be asked of a database that runs.
    pub fn asks(&self, path: &Path) -> Result<mpsc::Sender<Ask>, Refusal> {
        let mut state = self.state();
        let entry = state.find(path).ok_or_else(|| not_found(path))?;
        if entry.run.has_ended() {
            return Err(Refusal::Stopped(path.to_owned()));
        }
        Ok(entry.desk.asks.clone())
    }

    /// Until each database that is there now is open, or cannot be opened; one that is to be
    /// restored first is restored then.
    pub async fn opened(&self) {
        let opened: Vec<_> = {
            let state = self.state();
            let opened = state.entries.iter().map(|entry| entry.run.opened.clone());
            opened.collect()
        };
        for mut opened in opened {
            // An error means that the task is gone.
            let _ = opened.wait_for(|opened| *opened).await;
        }
    }

    /// Tells all databases to stop.
    pub fn close(&self, how: Stop) {
        let mut state = self.state();
        state.closing = true;
        for entry in &state.entries {
            entry.run.stop.send_replace(how);
        }
        drop(state);
        self.0.changed.send_replace(());
    }

    pub fn is_closing(&self) -> bool {
        self.state().closing
    }

    pub fn is_empty(&self) -> bool {
        self.state().entries.is_empty()
    }

    /// Until nothing is left to do; the exit code.
    pub async fn over(&self) -> Code {
        let mut changed = self.0.changed.subscribe();
        loop {
            if let Some(code) = self.code() {
                return code;
            }
            // The sender lives as long as we do.
            let _ = changed.changed().await;
        }
    }

    fn code(&self) -> Option<Code> {
        let state = self.state();
        let entries = &state.entries;
        if !entries.iter().all(|entry| entry.run.has_ended()) {
            return None;
        }
        let by_itself = !entries.is_empty()
            && !self.0.open_ended
            && !entries.iter().any(|entry| entry.run.was_told_to_stop());
        if !state.closing && !by_itself {
            return None;
        }
        let first = if state.fenced { Code::Fenced } else { Code::Ok };
        let codes = entries.iter().filter_map(|entry| *entry.run.ended.borrow());
        Some(codes.fold(first, more_severe))
    }

    fn run(&self, database: &Database, desk: &Arc<Desk>, asked: mpsc::Receiver<Ask>) -> Run {
        let stop = watch::Sender::new(Stop::No);
        let (opened, is_opened) = watch::channel(false);
        let (end, ended) = watch::channel(None);
        let supervisor = self.clone();
        let keeper = Keeper {
            tools: self.0.tools.counted_by(desk.record.meter.clone()),
            database: database.clone(),
            shutdown: self.0.shutdown,
            desk: Arc::clone(desk),
            asked,
            stopping: stop.subscribe(),
            opened,
            alone: Box::new(move || supervisor.has_only_one()),
        };
        let supervisor = self.clone();
        tokio::spawn(async move {
            let code = keeper.keep().await;
            end.send_replace(Some(code));
            supervisor.0.changed.send_replace(());
        });
        Run {
            stop,
            opened: is_opened,
            ended,
        }
    }

    fn has_only_one(&self) -> bool {
        !self.0.open_ended && self.state().entries.len() == 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&mut self, path: &Path) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.database.path == path)
    }
}

fn not_found(path: &Path) -> Refusal {
    Refusal::NotFound(path.to_owned())
}
