//! Keeps the WAL short without ever putting at risk what is not shipped, and without keeping the
//! app from writing.
//!
//! Nobody else can checkpoint while we hold the lock for it. A checkpoint copies frames up to a
//! bound that a read transaction of ours holds: it begins before the shipment is planned, so that
//! everything before it is shipped when the checkpoint runs. Once all frames are copied, the next
//! writer starts the WAL anew.
//!
//! A writer without pauses always has frames behind the bound. Then, when the WAL has grown to a
//! multiple of the usual, it is *sealed*: the write lock is taken for a moment, the last few frames
//! are captured as the next object, the rest is copied, and the lock is let go before that object
//! is sent. Should we die in between, the frames are in the database file, and the comparison at
//! the next start finds them.

use super::error::Error;
use super::levels::Levels;
use super::place::Place;
use super::plan::{self, Next};
use super::{Replicator, State};
use crate::mutants::{self, Mutant};
use crate::ports::{LogLevel, Objects};
use crate::units::Txid;
use crate::wal::{IndexHeader, Salts};

/// The WAL is sealed when it has this many times the frames after which a checkpoint is due.
const SEAL_FACTOR: u32 = 4;
/// Frames that may be left when the write lock is taken: a few milliseconds of work.
const SEAL_FRAMES: u64 = 256;
/// The checkpoint under the write lock syncs two files. When the one before it took longer than
/// this, the lock could be held for more than 50 ms.
const SEAL_CHECKPOINT_MS: u64 = 20;
/// A checkpoint that took too long had much to copy, or the disk is slow. In so many rounds of
/// shipping and copying what came meanwhile it turns out which.
pub const SEAL_ROUNDS: usize = 4;
/// A WAL-index that nobody finished writing for so long is one that somebody died over.
const TORN_MS: u64 = 200;
/// The checksums are saved at most this often: 8 bytes a page.
const SAVE_MS: u64 = 60_000;

/// What is to be done after a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Done,
    /// The WAL was sealed, and its last frames are pending.
    Sealed,
    /// Once more, with less to copy.
    ShipAgain,
}

/// What upkeep remembers. All of it may be lost.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// Up to where the WAL was last copied into the database file.
    copied: Option<(Salts, u32)>,
    /// When the WAL-index was first seen unfinished.
    torn_since_ms: Option<u64>,
    /// The last frame that was seen, and since when nothing came after it.
    quiet: Option<(Salts, u32, u64)>,
    /// The WAL is long, and the next shipment is bound whatever it holds.
    sealing: bool,
    /// Frames at which the WAL's length was last complained of.
    warned_frames: u32,
    /// The TXID that the saved checksums belong to, and when saving them was last tried.
    pub saved: Option<Txid>,
    pub saved_ms: u64,
}

impl Upkeep {
    fn frames_to_copy(&self, index: &IndexHeader) -> u32 {
        match self.copied {
            Some((salts, frame)) if salts == index.salts => index.last_frame.saturating_sub(frame),
            _ => index.last_frame.saturating_sub(index.backfilled),
        }
    }

    /// Have enough frames come in since the last checkpoint?
    pub fn is_due(&self, index: &IndexHeader, min_frames: u32) -> bool {
        self.sealing || self.frames_to_copy(index) >= min_frames.max(1)
    }
}

impl<O: Objects> Replicator<O> {
    /// Everything before the bound is shipped: copies it, and seals a WAL that is long all the same.
    pub(super) fn checkpoint_after_shipping(&self, state: &mut State, rounds: usize) -> After {
        state.upkeep.sealing = false;
        let Some(database) = &state.database else {
            return After::Done;
        };
        let held_back = state
            .levels
            .as_ref()
            .is_some_and(Levels::hold_back_checkpoints);
        if !database.is_bound() || held_back {
            return After::Done;
        }
        let before = self.environment.now_ms();
        self.checkpoint(state);
        let took = self.environment.now_ms().saturating_sub(before);
        let Some(database) = &mut state.database else {
            return After::Done;
        };
        database.end_bound();
        let Some(index) = database.index() else {
            return After::Done;
        };
        let long = self
            .settings
            .min_checkpoint_pages
            .saturating_mul(SEAL_FACTOR);
        if index.last_frame < long || index.backfilled >= index.last_frame {
            return After::Done;
        }
        if took <= SEAL_CHECKPOINT_MS {
            match self.seal(state) {
                Ok(true) => return After::Sealed,
                Ok(false) => {}
                Err(error) => {
                    self.log(LogLevel::Debug, &format!("the WAL was not sealed: {error}"));
                }
            }
        }
        if rounds > 0 {
            state.upkeep.sealing = true;
            return After::ShipAgain;
        }
        let why = if took > SEAL_CHECKPOINT_MS {
            "the disk is too slow to restart it without making the app wait"
        } else {
            "the app never lets go of the write lock for long enough to restart it"
        };
        self.complain(state, &index, why);
        After::Done
    }

    fn checkpoint(&self, state: &mut State) {
        let Some(database) = &state.database else {
            return;
        };
        if state
            .levels
            .as_ref()
            .is_some_and(Levels::hold_back_checkpoints)
        {
            return;
        }
        match (database.checkpoint(), database.index()) {
            (Ok((frames, copied)), index) => {
                if let Some(index) = index {
                    state.upkeep.copied = Some((index.salts, copied));
                }
                self.log(
                    LogLevel::Debug,
                    &format!("checkpoint: {copied} of {frames} frames"),
                );
            }
            (Err(error), _) => self.log(LogLevel::Debug, &format!("no checkpoint now: {error}")),
        }
        self.save_checksums_if_due(state);
    }

    pub(super) fn save_checksums_if_due(&self, state: &mut State) {
        let now = self.environment.now_ms();
        if now.saturating_sub(state.upkeep.saved_ms) >= SAVE_MS {
            self.save_checksums(state);
        }
    }

    fn seal(&self, state: &mut State) -> Result<bool, Error> {
        let Some(database) = &state.database else {
            return Ok(false);
        };
        database.begin_exclusive_bound()?;
        let sealed = self.seal_under_lock(state);
        if let Some(database) = &state.database {
            database.end_bound();
        }
        sealed
    }

    /// Nobody can commit now.
    fn seal_under_lock(&self, state: &mut State) -> Result<bool, Error> {
        let (Some(database), Some(tip)) = (&mut state.database, &state.tip) else {
            return Ok(false);
        };
        let (Some(index), Place::At(position)) = (database.index(), tip.place) else {
            return Ok(false);
        };
        let rest = index
            .end(database.page_size)
            .offset
            .saturating_sub(position.offset);
        if index.salts != position.salts
            || rest > SEAL_FRAMES * crate::wal::frame_bytes(database.page_size)
        {
            return Ok(false);
        }
        match plan::next(database, &index, tip, u64::MAX)? {
            Next::Ship(shipment) => {
                let mut pending = self.prepare(state, *shipment)?;
                // Its frames may be overwritten as soon as the lock is let go.
                pending.keep = !mutants::is(Mutant::SealForgotten);
                state.pending = Some(pending);
            }
            Next::Nothing(_) => {}
            Next::Lost(_) => return Ok(false),
        }
        self.checkpoint(state);
        Ok(state.pending.is_some())
    }

    /// Upkeep that needs no store: mends a torn WAL-index, checkpoints a quiet database, says so
    /// when the WAL grows. `true`: something waits to be shipped.
    pub fn maintain(&self) -> Result<bool, Error> {
        self.with(|state| self.maintain_open(state))?;
        Ok(self.behind())
    }

    fn maintain_open(&self, state: &mut State) -> Result<(), Error> {
        let now = self.environment.now_ms();
        let Some(database) = &state.database else {
            return Ok(());
        };
        let Some(index) = database.index() else {
            let since = *state.upkeep.torn_since_ms.get_or_insert(now);
            if now.saturating_sub(since) >= TORN_MS {
                // A living writer still holds its lock, and SQLite leaves him alone.
                database.recover_index()?;
                if database.index().is_some() {
                    state.upkeep.torn_since_ms = None;
                    self.log(
                        LogLevel::Warn,
                        "the WAL-index was left unfinished by a process that died; it is mended",
                    );
                }
            }
            return Ok(());
        };
        state.upkeep.torn_since_ms = None;
        if index.last_frame > self.settings.max_wal_pages {
            self.complain(
                state,
                &index,
                "the store does not take what is in it, or a reader keeps it from being restarted",
            );
        }
        let since = match state.upkeep.quiet {
            Some((salts, frame, since)) if (salts, frame) == (index.salts, index.last_frame) => {
                since
            }
            _ => now,
        };
        state.upkeep.quiet = Some((index.salts, index.last_frame, since));
        let quiet = now.saturating_sub(since) >= self.settings.checkpoint_interval_ms;
        // A long WAL that can be copied to its end is restarted by the next writer, however few
        // frames came since the last checkpoint.
        let long = index.last_frame >= self.settings.min_checkpoint_pages;
        if !(quiet || long)
            || state.shipping
            || state.pending.is_some()
            || state.upkeep.frames_to_copy(&index) == 0
        {
            return Ok(());
        }
        self.checkpoint_shipped(state)
    }

    /// Checkpoints if everything is shipped.
    fn checkpoint_shipped(&self, state: &mut State) -> Result<(), Error> {
        let (Some(database), Some(tip)) = (&state.database, &state.tip) else {
            return Ok(());
        };
        database.begin_bound()?;
        let shipped = match (database.index(), tip.place) {
            (Some(index), Place::At(position)) => index.end(database.page_size) == position,
            _ => false,
        };
        if shipped {
            self.checkpoint(state);
        }
        if let Some(database) = &state.database {
            database.end_bound();
        }
        Ok(())
    }

    fn complain(&self, state: &mut State, index: &IndexHeader, why: &str) {
        // At each doubling, not at each call.
        if index.last_frame >= state.upkeep.warned_frames.saturating_mul(2) {
            state.upkeep.warned_frames = index.last_frame;
            let frames = index.last_frame;
            self.log(
                LogLevel::Error,
                &format!("the WAL has {frames} frames and is not getting shorter: {why}"),
            );
        }
    }
}
