//! Builds the database out of a plan's files, which arrive in order and in pieces.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::ports::{Environment, LogLevel};
use crate::restore::error::{Damage, RestoreError};
use crate::restore::generations::damage::{BackupDamage, Failure};
use crate::restore::generations::database::Database;
use crate::restore::generations::fetch::Piece;
use crate::restore::generations::images::Images;
use crate::restore::generations::inflate::Inflater;
use crate::restore::generations::name::WalIndex;
use crate::restore::generations::plan::GenerationPlan;
use crate::restore::generations::replay::{Leftover, Replay, Tail};
use crate::wal::HEADER_BYTES;

/// Where the last commit of a WAL ends, bytes: of WALs in which something follows it that must not
/// be applied and is too long to be held back.
pub type Ends = BTreeMap<WalIndex, u64>;

/// Inflates files, one after the other.
#[derive(Default)]
pub struct Unpacker {
    inflater: Inflater,
    /// Files without a checksum of what they hold.
    unsummed: u64,
}

impl Unpacker {
    /// Hands on what the next piece of a file brings.
    pub fn unpack(
        &mut self,
        piece: &Piece,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if piece.first {
            self.inflater = Inflater::new();
        }
        self.inflater.push(&piece.bytes);
        while let Some(bytes) = self.inflater.inflate()? {
            take(bytes)?;
        }
        if piece.last {
            self.unsummed += u64::from(!self.inflater.finish()?);
        }
        Ok(())
    }

    /// Tells if there were files that could not be verified.
    pub fn report(&self, environment: &dyn Environment) {
        if self.unsummed > 0 {
            let told = format!(
                "{} files of the backup carry no checksum of what they hold, and were not verified",
                self.unsummed
            );
            environment.log(LogLevel::Warn, &told);
        }
    }
}

/// Applies the WALs of a plan to the database that its snapshot brought.
pub struct Wals<'a, 'f> {
    plan: &'a GenerationPlan,
    environment: &'a dyn Environment,
    ends: &'a mut Ends,
    database: Database<'f>,
    images: Images,
    /// Of the WAL that arrives.
    replay: Replay,
    spoiled: bool,
}

impl<'a, 'f> Wals<'a, 'f> {
    pub fn new(
        plan: &'a GenerationPlan,
        environment: &'a dyn Environment,
        ends: &'a mut Ends,
        database: Database<'f>,
    ) -> Wals<'a, 'f> {
        let page_size = database.page_size();
        let end = ends.get(&plan.snapshot.index).copied();
        Wals {
            plan,
            environment,
            ends,
            database,
            images: Images::new(page_size),
            replay: Replay::new(page_size, end),
            spoiled: false,
        }
    }

    /// Takes the next piece of the segments. `Break`: the file is spoiled.
    pub fn take(
        &mut self,
        piece: &Piece,
        unpacker: &mut Unpacker,
    ) -> Result<ControlFlow<()>, RestoreError> {
        let key = &self.plan.segments[piece.number].entry.key;
        unpacker
            .unpack(piece, |bytes| self.apply(bytes))
            .map_err(|why| failed(key, why))?;
        if piece.last {
            self.end_of_segment(piece.number)?;
        }
        Ok(if self.spoiled {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }

    /// The database when every piece was taken. `None`: what never was committed is in the file;
    /// with what is in `ends` now it will not be.
    pub fn finish(self) -> Option<Database<'f>> {
        (!self.spoiled).then_some(self.database)
    }

    fn apply(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.replay.push(bytes);
        while let Some(frame) = self.replay.frame()? {
            self.images
                .put(frame.pgno, frame.page, &mut self.database)?;
            if frame.commits {
                self.images.commit();
            }
        }
        Ok(())
    }

    fn end_of_segment(&mut self, number: usize) -> Result<(), RestoreError> {
        self.plan.check_end(number, self.replay.length())?;
        let index = self.plan.segments[number].index;
        match self.plan.segments.get(number + 1) {
            Some(next) if next.index == index => Ok(()),
            next => self.end_of_wal(number, next.map(|next| next.index)),
        }
    }

    fn end_of_wal(&mut self, number: usize, next: Option<WalIndex>) -> Result<(), RestoreError> {
        let segment = &self.plan.segments[number];
        if let Some(tail) = self.replay.tail() {
            self.judge(number, tail)?;
        }
        let failed = |why| failed(&segment.entry.key, why);
        let commit = self.replay.commit();
        if !self.images.finish(&mut self.database).map_err(failed)? {
            let end = commit.map_or(HEADER_BYTES, |commit| commit.end);
            // It was known where to stop, and yet something there was not committed.
            if self.ends.insert(segment.index, end).is_some() {
                return Err(failed(BackupDamage::Changed.into()));
            }
            self.spoiled = true;
            return Ok(());
        }
        if let Some(commit) = commit {
            self.database.set_pages(commit.pages).map_err(failed)?;
        }
        if let Some(next) = next {
            let end = self.ends.get(&next).copied();
            self.replay = Replay::new(self.database.page_size(), end);
        }
        Ok(())
    }

    /// Whether what stands after a WAL's last commit may be left out, as a checkpoint does.
    fn judge(&self, number: usize, tail: Tail) -> Result<(), RestoreError> {
        let index = self.plan.segments[number].index;
        let after = self.plan.after(number);
        let complete = after.is_some_and(|next| next.index != index);
        let level = match tail.what {
            // The next WAL was begun on what these transactions left.
            Leftover::Part | Leftover::Lost if complete => {
                let key = self.plan.key_at(index, tail.offset);
                let damage = BackupDamage::WalTail { tail };
                return Err(failed(key, damage.into()));
            }
            // What SQLite leaves in a file that it uses again.
            Leftover::Stale => LogLevel::Debug,
            _ => LogLevel::Warn,
        };
        let key = self.plan.key_at(index, tail.offset);
        let told = format!("{key}: {tail}; it is left out from there on, as SQLite would");
        self.environment.log(level, &told);
        Ok(())
    }
}

/// What a failure means when a file with this key was read.
pub fn failed(key: &str, why: Failure) -> RestoreError {
    match why {
        Failure::Damage(damage) => RestoreError::Damaged {
            key: key.to_owned(),
            damage: Damage::Backup(damage),
        },
        Failure::File(error) => error.into(),
        Failure::TooLarge(error) => error.into(),
    }
}
