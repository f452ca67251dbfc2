//! Replicates one live database: every commit becomes part of an object, and nothing the app does
//! is waited for or overwritten. `docs/sidecar-protocol.md` tells the whole protocol.
//!
//! [`plan`] decides what the next object holds, [`ship`] sends it, [`resume`] finds where the
//! replica stands, [`checkpoint`] keeps the WAL short, [`database`] holds the files and locks.

mod checkpoint;
pub mod checksums;
mod database;
mod error;
pub mod levels;
mod newest;
mod place;
pub mod plan;
mod probe;
mod resume;
mod ship;
mod standing;
pub mod upload;
mod view;

#[cfg(test)]
mod tests;

pub use database::VFS_NAME;
pub use error::Error;
pub use probe::honours_conditions;
pub use standing::{Moment, Standing};

use crate::ltx::Layout;
use crate::mutants::{self, Mutant};
use crate::ports::{Environment, FileKind, Files, LogLevel, Objects};
use crate::units::Txid;
use checkpoint::{After, SEAL_ROUNDS, Upkeep};
use database::Database;
use levels::Levels;
use levels::schedule::Schedule;
use place::Place;
use plan::{Next, Tip};
use ship::Pending;
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub layout: Layout,
    /// Frames in the WAL after which a checkpoint is tried.
    pub min_checkpoint_pages: u32,
    /// Frames in the WAL above which the log says loudly that it is not getting shorter.
    pub max_wal_pages: u32,
    /// Most bytes of WAL for one object.
    pub max_sync_bytes: u64,
    /// A database that is quiet for so long is checkpointed whatever the WAL's length.
    pub checkpoint_interval_ms: u64,
    pub require_fencing: bool,
    pub parts: upload::Parts,
    pub schedule: Schedule,
}

/// What [`Replicator::sync`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// False: there is no database yet.
    pub live: bool,
    /// What is durable; 0: nothing.
    pub txid: Txid,
    pub uploaded_bytes: u64,
    /// More was committed than is shipped now.
    pub behind: bool,
    /// Everything that was committed when the call began is durable.
    pub complete: bool,
}

#[derive(Default)]
struct State {
    database: Option<Database>,
    tip: Option<Tip>,
    /// Known together with the tip.
    levels: Option<Levels>,
    pending: Option<Pending>,
    /// A call of `sync` is under way, maybe waiting for the store.
    shipping: bool,
    epoch: u32,
    /// Another author's TXID, and who that is.
    fenced: Option<(Txid, String)>,
    upkeep: Upkeep,
}

impl State {
    /// The position must be found in the replica again.
    fn forget_tip(&mut self) {
        self.tip = None;
        self.levels = None;
    }
}

pub struct Replicator<O> {
    objects: O,
    files: Rc<dyn Files>,
    environment: Rc<dyn Environment>,
    settings: Settings,
    /// Who we are in the objects' NodeID; never 0, and another one after each start.
    writer: u64,
    state: RefCell<State>,
}

impl<O: Objects> Replicator<O> {
    /// The VFS [`VFS_NAME`] must be registered with the same `files`.
    pub fn new(
        objects: O,
        files: Rc<dyn Files>,
        environment: Rc<dyn Environment>,
        settings: Settings,
    ) -> Replicator<O> {
        let writer = environment.random().max(1);
        Replicator {
            objects,
            files,
            environment,
            settings,
            writer,
            state: RefCell::default(),
        }
    }

    /// The state is never borrowed while something is waited for.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.borrow_mut())
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.environment.log(level, message);
    }

    /// Ships what was committed since the last object, as one object at most; opens the database
    /// and finds the position in the replica first, if that is not done yet.
    ///
    /// Errors: see [`Error`]. After each of them but `Fenced` it is safe and right to call again.
    pub async fn sync(&self) -> Result<Synced, Error> {
        self.refuse_if_fenced()?;
        self.with(|state| state.shipping = true);
        let result = self.sync_once().await;
        self.with(|state| {
            state.shipping = false;
            if let Some(database) = &state.database {
                database.end_bound();
            }
        });
        result
    }

    fn refuse_if_fenced(&self) -> Result<(), Error> {
        self.with(|state| match &state.fenced {
            Some((txid, author)) => Err(Error::Fenced {
                txid: *txid,
                author: author.clone(),
            }),
            None => Ok(()),
        })
    }

    async fn sync_once(&self) -> Result<Synced, Error> {
        if !self.with(|state| self.ensure_open(state))? {
            return Ok(self.synced(0, false, false));
        }
        let unknown = self.with(|state| match (&state.tip, &state.database) {
            (None, Some(database)) => Some(database.page_size),
            _ => None,
        });
        if let Some(page_size) = unknown {
            self.find_tip(page_size).await?;
        }
        let earlier = self.with(|state| state.pending.is_some());
        let more = self.with(|state| self.take_next(state))?;
        let Some(more) = more else {
            self.with(|state| self.leave_if_replaced(state));
            let behind = self.behind();
            return Ok(self.synced(0, behind, !behind));
        };
        let mut uploaded = self.ship().await?;
        let mut rounds = 0..SEAL_ROUNDS;
        loop {
            match self.with(|state| self.checkpoint_after_shipping(state, rounds.len())) {
                After::Done => break,
                After::Sealed => {
                    uploaded += self.ship().await?;
                    break;
                }
                After::ShipAgain => {
                    rounds.next();
                    if self.with(|state| self.take_next(state))?.is_none() {
                        break;
                    }
                    uploaded += self.ship().await?;
                }
            }
        }
        self.with(|state| {
            // Without that file nobody can tell later whether others went on without us.
            if state.upkeep.saved.is_none() {
                self.save_checksums_if_due(state);
            }
        });
        Ok(self.synced(uploaded, more || self.behind(), !(earlier || more)))
    }

    fn synced(&self, uploaded_bytes: u64, behind: bool, complete: bool) -> Synced {
        self.with(|state| Synced {
            live: state.database.is_some(),
            txid: state.tip.as_ref().map_or(Txid::ZERO, |tip| tip.txid),
            uploaded_bytes,
            behind,
            complete: complete || mutants::is(Mutant::ClaimsEarly),
        })
    }

    fn ensure_open(&self, state: &mut State) -> Result<bool, Error> {
        if state.database.is_none() {
            state.database = Database::open(&self.files)?;
            if state.database.is_some() {
                state.upkeep = Upkeep::default();
                self.log(LogLevel::Info, "the database is open");
            }
        }
        Ok(state.database.is_some())
    }

    /// Makes the next object the pending one. `None`: there is nothing to ship. `Some(true)`: more
    /// follows after it.
    fn take_next(&self, state: &mut State) -> Result<Option<bool>, Error> {
        if let Some(pending) = &state.pending {
            return Ok(Some(pending.shipment.more));
        }
        self.capture_wanted(state)?;
        let (Some(database), Some(tip)) = (&mut state.database, &mut state.tip) else {
            return Ok(None);
        };
        let Some(index) = database.index() else {
            return Ok(None);
        };
        if state
            .upkeep
            .is_due(&index, self.settings.min_checkpoint_pages)
            && !state
                .levels
                .as_ref()
                .is_some_and(Levels::hold_back_checkpoints)
        {
            // From here on no checkpoint goes past what is about to be shipped. The index must be
            // read after that.
            if let Err(error) = database.begin_bound() {
                self.log(
                    LogLevel::Debug,
                    &format!("no checkpoint with this object: {error}"),
                );
            }
        }
        let Some(index) = database.index() else {
            return Ok(None);
        };
        match plan::next(database, &index, tip, self.settings.max_sync_bytes)? {
            Next::Nothing(place) => {
                tip.place = place;
                Ok(None)
            }
            Next::Lost(reason) => {
                self.log(
                    LogLevel::Warn,
                    &format!("{reason}; comparing the database with what was shipped"),
                );
                tip.place = Place::Unknown;
                Ok(None)
            }
            Next::Ship(shipment) => {
                let more = shipment.more;
                if more && !mutants::is(Mutant::CheckpointTooFar) {
                    // The object ends before the bound does.
                    database.end_bound();
                }
                let pending = self.prepare(state, *shipment)?;
                state.pending = Some(pending);
                Ok(Some(more))
            }
        }
    }

    /// Is something committed that is not shipped?
    fn behind(&self) -> bool {
        self.with(|state| {
            if state.pending.is_some() {
                return true;
            }
            let (Some(database), Some(tip)) = (&state.database, &state.tip) else {
                return state.database.is_some();
            };
            if !database.is_current() {
                return true;
            }
            match (tip.place, database.index()) {
                (Place::Unknown, _) | (_, None) => true,
                (Place::Start, Some(index)) => index.last_frame > 0,
                (Place::At(position), Some(index)) => {
                    index.last_frame > 0 && index.end(database.page_size) != position
                }
            }
        })
    }

    /// All that the old file held is shipped; the next call opens the new one.
    fn leave_if_replaced(&self, state: &mut State) {
        if state
            .database
            .as_ref()
            .is_some_and(|database| !database.is_current())
        {
            self.log(
                LogLevel::Warn,
                "the database file was removed or replaced by another one; leaving the old one",
            );
            self.save_checksums(state);
            state.database = None;
            state.forget_tip();
        }
    }

    /// Leaves the checksums of the shipped pages for the next start.
    fn save_checksums(&self, state: &mut State) {
        let (Some(database), Some(tip)) = (&state.database, &state.tip) else {
            return;
        };
        let Some(checksums) = &tip.checksums else {
            return;
        };
        if state.upkeep.saved == Some(tip.txid) {
            return;
        }
        let bytes = checksums.encode(tip.txid, database.page_size, self.writer);
        let txid = tip.txid;
        self.write_checksums(state, txid, &bytes);
    }

    fn write_checksums(&self, state: &mut State, txid: Txid, bytes: &[u8]) {
        // A disk that is full is not tried, nor complained of, at each checkpoint.
        state.upkeep.saved_ms = self.environment.now_ms();
        match self.files.replace_whole(FileKind::Checksums, bytes) {
            Ok(()) => state.upkeep.saved = Some(txid),
            Err(error) => self.log(
                LogLevel::Warn,
                &format!("the page checksums cannot be saved ({error}); the next start may cost a full copy"),
            ),
        }
    }

    /// Lets go of the database and its locks. Ships nothing.
    pub fn close(&self) {
        self.with(|state| {
            self.save_checksums(state);
            state.database = None;
            state.forget_tip();
            state.pending = None;
        });
    }

    pub async fn probe(&self) -> Result<bool, Error> {
        let honoured = honours_conditions(&self.objects, self.environment.random()).await?;
        if !honoured && self.settings.require_fencing {
            return Err(Error::NoFencing);
        }
        Ok(honoured)
    }
}
