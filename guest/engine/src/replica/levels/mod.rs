//! Keeps the replica's levels: merges what was shipped, takes snapshots, deletes what has expired.
//!
//! Every object of a level is written from the live database as of the newest shipped transaction:
//! which pages changed since the level's end is known, and what they hold is on disk. So nothing is
//! downloaded. Each page is compared with the checksum it was shipped with, and each object read
//! back before anything is deleted for it. `docs/decisions/0004-levels-from-the-live-database.md`.
//!
//! [`schedule`] and [`retention`] decide, [`capture`] freezes what is to be written, [`write`] and
//! [`expire`] act.

mod capture;
pub(crate) mod expire;
pub mod holdings;
mod pending;
pub mod retention;
pub mod schedule;
mod write;

use super::error::Error;
use super::{Replicator, State};
use crate::ltx::ObjectName;
use crate::ports::{LogLevel, Objects};
use crate::units::{Level, Pgno, Txid};
use capture::Job;
use holdings::{Held, Holdings};
use pending::Pending;
use schedule::{Due, Schedule};
use std::rc::Weak;

/// While an object is under way the database cannot be looked at as of the newest shipped
/// transaction. The next `sync` does it between two objects.
const CAPTURE_RETRY_MS: u64 = 20;

/// What to do whether it is due or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forced {
    pub snapshot: bool,
    pub retention: bool,
}

/// What [`Replicator::compact`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Objects written to levels above 0.
    pub written: u32,
    pub uploaded_bytes: u64,
    pub deleted: u32,
    /// When something is due next, Unix milliseconds; `None`: not before something is shipped.
    pub due_ms: Option<u64>,
}

/// The replica's objects, and what each level lacks.
pub struct Levels {
    pub holdings: Holdings,
    /// One for each level from 1 on.
    pending: Vec<Pending>,
    /// A snapshot is found to be damaged: take another one now.
    pub snapshot_wanted: bool,
    /// To be captured before the next object is planned.
    wanted: Option<Due>,
    captured: Vec<Job>,
    /// Alive as long as somebody reads the database as it was.
    view: Weak<super::view::View>,
    /// No deletion before.
    next_check_ms: u64,
}

impl Levels {
    /// `tip` is the newest transaction of the replica.
    pub fn new(holdings: Holdings, tip: Txid, schedule: &Schedule) -> Levels {
        let pending = schedule
            .merged_levels()
            .map(|level| Pending::at_start(&holdings, level, tip))
            .collect();
        Levels {
            holdings,
            pending,
            snapshot_wanted: false,
            wanted: None,
            captured: Vec::new(),
            view: Weak::new(),
            next_check_ms: 0,
        }
    }

    /// A level may end earlier than it seemed: what changed since is not known any more.
    fn learn_again(&mut self, tip: Txid) {
        for (number, pending) in self.pending.iter_mut().enumerate() {
            if let Ok(level) = Level::new(number as u8 + 1) {
                pending.take_back(Pending::at_start(&self.holdings, level, tip));
            }
        }
    }

    /// Takes note of an object of level 0 that is durable now.
    pub fn shipped(&mut self, name: ObjectName, size: u64, time_ms: u64, pages: &[Pgno]) {
        let held = Held {
            size,
            time_ms,
            verified: true,
            stuck: false,
        };
        self.holdings.add(name, held);
        for pending in &mut self.pending {
            pending.add(pages, time_ms);
        }
    }

    pub(super) fn pending(&self, level: Level) -> Option<&Pending> {
        self.pending.get((level.get() as usize).checked_sub(1)?)
    }

    fn pending_mut(&mut self, level: Level) -> Option<&mut Pending> {
        self.pending.get_mut((level.get() as usize).checked_sub(1)?)
    }

    /// Somebody reads the database as it was: it must not be checkpointed now.
    pub fn hold_back_checkpoints(&self) -> bool {
        self.view.strong_count() > 0
    }
}

impl<O: Objects> Replicator<O> {
    /// Merges, takes snapshots and deletes, as far as it is due or forced. Sends no request when
    /// nothing is.
    ///
    /// Errors: as `sync`. What was not done stays due, and shipping goes on untouched.
    pub async fn compact(&self, forced: Forced) -> Result<Compacted, Error> {
        self.refuse_if_fenced()?;
        let mut done = Compacted::default();
        let now = self.environment.now_ms();
        let mut jobs = self.with(State::captured);
        if jobs.is_empty() {
            let due = self.with(|state| state.due(&self.settings.schedule, now, forced));
            if !due.is_nothing() {
                self.learn_pages(&due).await?;
                match self.with(|state| self.capture(state, &due))? {
                    Some(captured) => jobs = captured,
                    None => {
                        self.with(|state| {
                            if let Some(levels) = &mut state.levels {
                                levels.wanted = Some(due);
                            }
                        });
                        done.due_ms = Some(now + CAPTURE_RETRY_MS);
                        return Ok(done);
                    }
                }
            }
        }
        self.write_all(jobs, &mut done).await?;
        done.deleted = self.expire(forced.retention).await?;
        let now = self.environment.now_ms();
        done.due_ms = self.with(|state| state.next_due(&self.settings.schedule, now));
        Ok(done)
    }

    /// Writes one object after the other: a level's end must be an end of the level below.
    async fn write_all(&self, jobs: Vec<Job>, done: &mut Compacted) -> Result<(), Error> {
        let mut failed = None;
        for job in jobs {
            let written = match failed {
                None => self.write(&job).await,
                Some(_) => {
                    self.with(|state| state.give_back(job));
                    continue;
                }
            };
            match written {
                Ok(held) => {
                    done.written += 1;
                    done.uploaded_bytes += held.size;
                    let text = format!("wrote {}, {} bytes", job.name, held.size);
                    self.log(LogLevel::Debug, &text);
                    self.with(|state| state.written(&job.name, held));
                }
                Err(error) => {
                    self.with(|state| state.give_back(job));
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl State {
    fn captured(&mut self) -> Vec<Job> {
        let levels = self.levels.as_mut();
        levels.map_or_else(Vec::new, |levels| std::mem::take(&mut levels.captured))
    }

    /// `None`: what was shipped cannot be told from what is on disk before the next object.
    fn levels_to_write(&self) -> Option<&Levels> {
        let known = self.tip.as_ref()?.checksums.is_some();
        self.levels.as_ref().filter(|_| known)
    }

    pub(super) fn tip_txid(&self) -> Txid {
        self.tip.as_ref().map_or(Txid::ZERO, |tip| tip.txid)
    }

    fn due(&self, schedule: &Schedule, now_ms: u64, forced: Forced) -> Due {
        let Some(levels) = self.levels_to_write() else {
            return Due::default();
        };
        let (mut due, _) = schedule::due(levels, schedule, self.tip_txid(), now_ms);
        let newest = levels.holdings.newest(Level::SNAPSHOT);
        let lacks = newest.is_none_or(|(name, _)| name.max < self.tip_txid());
        due.snapshot |= forced.snapshot && lacks && self.tip_txid() > Txid::ZERO;
        due
    }

    fn next_due(&self, schedule: &Schedule, now_ms: u64) -> Option<u64> {
        let levels = self.levels.as_ref()?;
        let (now, later) = match self.levels_to_write() {
            Some(levels) => {
                let (due, later) = schedule::due(levels, schedule, self.tip_txid(), now_ms);
                ((!due.is_nothing()).then_some(now_ms), later)
            }
            None => (None, None),
        };
        let (expired, expires) = retention::expired(&levels.holdings, schedule, now_ms);
        let expires = if expired.is_empty() {
            expires
        } else {
            Some(now_ms)
        };
        let deletes = expires.map(|at| at.max(levels.next_check_ms));
        [now, later, deletes].into_iter().flatten().min()
    }

    fn written(&mut self, name: &ObjectName, held: Held) {
        if let Some(levels) = &mut self.levels {
            levels.holdings.add(*name, held);
            if name.level == Level::SNAPSHOT {
                levels.snapshot_wanted = false;
            }
        }
    }

    /// What was to be merged is still to be merged.
    fn give_back(&mut self, job: Job) {
        if let Some(levels) = &mut self.levels {
            for (level, taken) in job.taken {
                if let Some(pending) = levels.pending_mut(level) {
                    pending.take_back(taken);
                }
            }
        }
    }
}
