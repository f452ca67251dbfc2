//! Keeps the levels of a database that no process owns: merges, takes snapshots and deletes what has
//! expired, whoever comes by when it is due.
//!
//! Where an object ends is decided by the clock's windows and the listing alone, so that all who come
//! by at once want to create the same object, and one of them does.

use super::head::STAY_MS;
use super::{Edge, EdgeError, PageMap};
use crate::ltx::{Encoder, Extra, Header, ObjectName, Summary};
use crate::ports::{Condition, LogLevel, ObjectError, Objects, Upload};
use crate::replica::levels::Levels;
use crate::replica::levels::expire;
use crate::replica::levels::holdings::{Held, Holdings};
use crate::replica::levels::retention;
use crate::replica::levels::schedule::{self, Schedule};
use crate::restore::{self, Listed, Listing, RestoreError, Target};
use crate::units::{Level, Pgno, Txid};
use std::collections::BTreeSet;

/// Objects of more page bytes than this are sent in parts of this size while they are read.
const PART_BYTES: usize = 8 << 20;

/// What [`Edge::maintain`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Objects written to levels above 0.
    pub written: u32,
    pub deleted: u32,
    /// Objects that are due and too large for the limit.
    pub left: u32,
    /// When something is due next, Unix milliseconds; `None`: not before a commit.
    pub due_ms: Option<u64>,
}

/// An instance looks for work at most this often, milliseconds: a look is a listing.
const LOOK_MS: u64 = 30_000;

/// Whether this instance shall look for work.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    committed: bool,
    not_before_ms: u64,
}

impl Pending {
    pub fn committed(self) -> Pending {
        Pending {
            committed: true,
            ..self
        }
    }
}

impl<O: Objects> Edge<O> {
    /// [`Edge::maintain`], if this instance has committed something and not looked lately.
    pub async fn maintain_if_due(
        &self,
        schedule: &Schedule,
        limit: u64,
    ) -> Result<Maintained, EdgeError> {
        let (pending, now) = (self.upkeep.get(), self.environment.now_ms());
        if !pending.committed || now < pending.not_before_ms {
            return Ok(Maintained::default());
        }
        self.upkeep.set(Pending {
            committed: false,
            not_before_ms: now + LOOK_MS,
        });
        self.maintain(schedule, Some(limit)).await
    }

    /// Does what is due. `limit`: bytes of the largest object that is written or read for it.
    ///
    /// May be called by any number of instances at once. Errors: what was not done stays due.
    pub async fn maintain(
        &self,
        schedule: &Schedule,
        limit: Option<u64>,
    ) -> Result<Maintained, EdgeError> {
        if self.settings.read_only {
            return Err(EdgeError::ReadOnly);
        }
        let schedule = &patient(schedule);
        let listing = self.source().list().await?;
        let mut done = Maintained::default();
        let Some(tip) = listing.newest().map(|newest| newest.max) else {
            return Ok(done);
        };
        if limit.is_none() {
            self.check_unattended(&listing).await?;
        }
        let now = self.environment.now_ms();
        let mut holdings = Holdings::new(&listing);
        let levels = Levels::new(holdings.clone(), tip, schedule);
        let (due, next) = schedule::due(&levels, schedule, tip, now);
        done.due_ms = next;
        let merged = schedule.merged_levels();
        let merged = merged.filter(|level| level.get() <= due.levels);
        let snapshot = due.snapshot.then_some(Level::SNAPSHOT);
        for level in snapshot.into_iter().chain(merged) {
            let Some(name) = next_object(&holdings, schedule, level, tip, now) else {
                continue;
            };
            match self.write(&listing, &name, limit).await? {
                Written::Yes(held) => {
                    holdings.add(name, held);
                    done.written += 1;
                }
                Written::TooLarge => done.left += 1,
            }
        }
        done.deleted = self.expire(&mut holdings, schedule, now, limit).await?;
        Ok(done)
    }

    /// A sidecar looks after its replica itself, and does not expect others to.
    async fn check_unattended(&self, listing: &Listing) -> Result<(), EdgeError> {
        let newest = listing.newest_shipped();
        let mut objects = listing.objects().iter();
        let newest = objects.find(|object| Some(object.name) == newest);
        let Some(newest) = newest else {
            return Ok(());
        };
        let opened = self.source().open(newest).await?;
        match opened.header.wal_size {
            0 => Ok(()),
            _ => Err(EdgeError::Attended),
        }
    }

    /// One object of a level, with the pages as of its last transaction.
    async fn write(
        &self,
        listing: &Listing,
        name: &ObjectName,
        limit: Option<u64>,
    ) -> Result<Written, EdgeError> {
        let plan = restore::plan(listing, None, Target::Txid(name.max));
        let plan = plan.map_err(RestoreError::from)?;
        let map = self.map_of(&plan.objects).await?;
        let pages = match name.is_snapshot() {
            // A page that nobody wrote is zeros, and a snapshot holds it all the same.
            true => (1..=map.pages()).map(Pgno).collect(),
            false => map.changed_since(Txid(name.min.0.saturating_sub(1))),
        };
        let lock = map.page_size().lock_page();
        let pages: Vec<Pgno> = pages.into_iter().filter(|pgno| *pgno != lock).collect();
        let bytes = pages.len() as u64 * u64::from(map.page_size().get());
        if limit.is_some_and(|limit| bytes > limit) {
            return Ok(Written::TooLarge);
        }
        let header = Header {
            min: name.min,
            max: name.max,
            wal_offset: 0,
            wal_size: 0,
            salts: (0, 0),
            node: self.settings.writer,
            extra: Extra {
                database_checksum: map.header.extra.database_checksum,
                ..Extra::default()
            },
            ..map.header
        };
        let (size, verified) = match self.send_level(name, &map, &header, &pages).await? {
            Ok(summary) => (summary.size, true),
            // Somebody else was faster: the same object, which is read before it counts.
            Err(ObjectError::PreconditionFailed(_)) => (bytes, false),
            Err(error) => return Err(EdgeError::Store(error)),
        };
        Ok(Written::Yes(Held {
            size,
            time_ms: self.environment.now_ms(),
            verified,
            stuck: false,
        }))
    }

    /// The outer error is ours, the inner one the store's.
    async fn send_level(
        &self,
        name: &ObjectName,
        map: &PageMap,
        header: &Header,
        pages: &[Pgno],
    ) -> Result<Result<Summary, ObjectError>, EdgeError> {
        let key = self.settings.layout.key(name);
        let created = header.timestamp_ms as u64;
        let mut encoder = Encoder::new(*header)?;
        let mut out = Vec::new();
        let mut upload = None;
        let (mut number, mut offset) = (0, 0);
        for pgno in pages {
            let page = self.page(map, *pgno).await?;
            encoder.page(*pgno, &page, &mut out)?;
            if out.len() >= PART_BYTES {
                let target: &O::Upload = match &upload {
                    Some(target) => target,
                    None => match self.objects.upload(&key, created).await {
                        Ok(begun) => upload.insert(begun),
                        Err(error) => return Ok(Err(error)),
                    },
                };
                number += 1;
                let rest = out.split_off(PART_BYTES);
                let part = std::mem::replace(&mut out, rest);
                if let Err(error) = target.part(number, offset, part).await {
                    return Ok(Err(error));
                }
                offset += PART_BYTES as u64;
            }
        }
        let summary = encoder.finish(&mut out)?;
        let sent = match upload {
            None => {
                self.objects
                    .put(&key, out, Condition::IfAbsent, created)
                    .await
            }
            Some(upload) => match upload.part(number + 1, offset, out).await {
                Ok(()) => upload.complete(Condition::IfAbsent).await,
                Err(error) => Err(error),
            },
        };
        match sent {
            // An answer that was lost, or given twice: what is there now counts.
            Ok(_) | Err(ObjectError::UnknownOutcome(_)) => {
                let listed = listed(name, summary.size);
                let (environment, layout) = (&*self.environment, self.settings.layout);
                let sent = (header, &summary);
                let there =
                    restore::is_as_sent(&self.objects, environment, layout, &listed, sent).await?;
                let other = || ObjectError::PreconditionFailed(key);
                Ok(if there { Ok(summary) } else { Err(other()) })
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Deletes what has expired and is held by an object that was read and is sound.
    async fn expire(
        &self,
        holdings: &mut Holdings,
        schedule: &Schedule,
        now: u64,
        limit: Option<u64>,
    ) -> Result<u32, EdgeError> {
        let (expired, _) = retention::expired(holdings, schedule, now);
        let mut sound = BTreeSet::new();
        let mut names = Vec::new();
        for found in expired {
            if !sound.contains(&found.cover) {
                if !self.is_sound(holdings, &found.cover, limit).await? {
                    continue;
                }
                sound.insert(found.cover);
            }
            names.push(found.name);
        }
        if names.is_empty() {
            return Ok(0);
        }
        let (environment, layout) = (&*self.environment, self.settings.layout);
        let left = expire::delete(&self.objects, environment, layout, &names);
        let left = left.await.map_err(EdgeError::Store)?;
        Ok((names.len() - left.len()) as u32)
    }

    async fn is_sound(
        &self,
        holdings: &Holdings,
        name: &ObjectName,
        limit: Option<u64>,
    ) -> Result<bool, EdgeError> {
        let Some(held) = holdings.get(name) else {
            return Ok(false);
        };
        if held.verified {
            return Ok(true);
        }
        if limit.is_some_and(|limit| held.size > limit) {
            return Ok(false);
        }
        let listed = listed(name, held.size);
        let (environment, layout) = (&*self.environment, self.settings.layout);
        match restore::check_object(&self.objects, environment, layout, &listed).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_the_objects_fault() => {
                let text = format!("{error}. What it replaces is kept");
                self.environment.log(LogLevel::Error, &text);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// As told, but that objects of level 0 stay long enough: each instance finds out by them whether
/// somebody else has committed.
fn patient(schedule: &Schedule) -> Schedule {
    Schedule {
        shipped_retention: match schedule.shipped_retention {
            0 => 0,
            told => told.max(STAY_MS),
        },
        // What came before the oldest snapshot that is kept goes with it.
        snapshot_retention: schedule.snapshot_retention.max(STAY_MS),
        ..schedule.clone()
    }
}

enum Written {
    /// By us or by somebody else.
    Yes(Held),
    TooLarge,
}

fn listed(name: &ObjectName, size: u64) -> Listed {
    Listed {
        name: *name,
        size,
        modified_ms: 0,
    }
}

/// What is written to a level next: what came before the current window of the clock.
fn next_object(
    holdings: &Holdings,
    schedule: &Schedule,
    level: Level,
    tip: Txid,
    now: u64,
) -> Option<ObjectName> {
    let start = schedule.window_start(level, now)?;
    let first = level == Level::SNAPSHOT && holdings.newest(level).is_none();
    let before = holdings
        .level(Level::SHIPPED)
        .filter(|(_, held)| held.time_ms < start || first)
        .map(|(name, _)| name.max)
        .max();
    // Nothing of level 0 is older: what is merged into the level below is.
    let below = level.below().and_then(|below| holdings.newest(below));
    let max = before.or(below.map(|(name, _)| name.max)).unwrap_or(tip);
    let end = match level {
        Level::SNAPSHOT => Txid::ZERO,
        level => holdings.end(level)?,
    };
    let newest = holdings
        .newest(level)
        .map_or(Txid::ZERO, |(name, _)| name.max);
    (max > end && max > newest).then_some(ObjectName {
        level,
        min: end.next(),
        max,
    })
}
