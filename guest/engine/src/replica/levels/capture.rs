//! Freezes what is to be written to the levels: which pages, as of which transaction.

use super::super::plan::Tip;
use super::super::view::View;
use super::super::{Error, Replicator, State};
use super::Levels;
use super::pending::Pending;
use super::schedule::Due;
use crate::ltx::{Extra, Header, ObjectName, page_checksum};
use crate::pageset::PageSet;
use crate::ports::{LogLevel, Objects};
use crate::restore;
use crate::units::{Level, PageSize, Pgno, Txid};
use std::rc::Rc;

/// One object to be.
pub struct Job {
    pub name: ObjectName,
    pub header: Header,
    /// Ascending, without the lock page; and the checksum with which each was shipped.
    pub pages: Vec<(Pgno, u64)>,
    /// What is given back if the object is not written.
    pub taken: Vec<(Level, Pending)>,
    view: Rc<View>,
}

impl Job {
    /// Page number `n` of the object.
    ///
    /// Errors: what is on disk is not what was shipped.
    pub fn page(&self, number: usize) -> Result<(Pgno, Vec<u8>), Error> {
        let (pgno, shipped) = self.pages[number];
        let page = self.view.page(pgno)?;
        if page_checksum(pgno, &page) != shipped {
            return Err(Error::NotAsShipped {
                pgno,
                txid: self.name.max,
            });
        }
        Ok((pgno, page))
    }
}

impl<O: Objects> Replicator<O> {
    /// Finds out which pages changed before our time, from the replica's own objects.
    pub(super) async fn learn_pages(&self, due: &Due) -> Result<(), Error> {
        for level in self.settings.schedule.merged_levels() {
            if level.get() > due.levels {
                break;
            }
            let layout = self.settings.layout;
            let unknown = self.with(|state| {
                let levels = state.levels.as_ref()?;
                let until = levels.pending(level)?.unknown_until?;
                let end = levels.holdings.end(level)?;
                Some((levels.holdings.listing(layout), end, until))
            });
            let Some((listing, end, until)) = unknown else {
                continue;
            };
            let environment = &*self.environment;
            let changed =
                restore::changed_pages(&self.objects, environment, &listing, end, until).await;
            let changed = match changed {
                Ok(changed) => changed,
                Err(error) if error.is_the_objects_fault() => {
                    self.log(LogLevel::Error, &error.to_string());
                    None
                }
                Err(error) => return Err(error.into()),
            };
            if changed.is_none() {
                let text = format!(
                    "the objects of TXID {} to {until} are not all there and sound: level {level} \
                     takes the whole database instead",
                    end.next()
                );
                self.log(LogLevel::Warn, &text);
            }
            self.with(|state| state.learned(level, until, changed));
        }
        Ok(())
    }

    /// `None`: not now, but after the object that is under way.
    pub(super) fn capture(&self, state: &mut State, due: &Due) -> Result<Option<Vec<Job>>, Error> {
        if state.pending.is_some() {
            return Ok(None);
        }
        let (Some(database), Some(tip), Some(levels)) =
            (&state.database, &state.tip, &mut state.levels)
        else {
            return Ok(Some(Vec::new()));
        };
        let (Some(checksums), Some(view)) = (&tip.checksums, database.view(tip.place)) else {
            return Ok(None);
        };
        let page_size = database.page_size;
        let shipped = |pages: &PageSet| -> Vec<(Pgno, u64)> {
            let kept = pages.iter().filter(|pgno| *pgno != page_size.lock_page());
            kept.filter_map(|pgno| Some((pgno, checksums.get(pgno)?)))
                .collect()
        };
        let view = Rc::new(view);
        let mut jobs = Vec::new();
        let job = |level, min, pages: &PageSet, taken| {
            let name = ObjectName {
                level,
                min,
                max: tip.txid,
            };
            Job {
                name,
                header: self.level_header(page_size, state.epoch, tip, &name, checksums.pages()),
                pages: shipped(pages),
                taken,
                view: Rc::clone(&view),
            }
        };
        if due.snapshot {
            let taken = levels.take_before_first_snapshot();
            let all = PageSet::all(checksums.pages());
            jobs.push(job(Level::SNAPSHOT, Txid::FIRST, &all, taken));
        }
        for level in self.settings.schedule.merged_levels() {
            let end = levels.holdings.end(level).unwrap_or(tip.txid);
            if level.get() > due.levels || end >= tip.txid {
                continue;
            }
            let unknown = |pending: &Pending| pending.unknown_until.is_some();
            if levels.pending(level).is_some_and(unknown) {
                // Without the pages that changed before, it would not hold what its name says.
                break;
            }
            if let Some(pending) = levels.pending_mut(level) {
                let taken = std::mem::take(pending);
                let pages = taken.pages.clone();
                jobs.push(job(level, end.next(), &pages, vec![(level, taken)]));
            }
        }
        levels.view = Rc::downgrade(&view);
        Ok(Some(jobs))
    }

    /// Between two objects, the database is as it was shipped: does what `compact` could not.
    pub(in super::super) fn capture_wanted(&self, state: &mut State) -> Result<(), Error> {
        let Some(due) = state
            .levels
            .as_mut()
            .and_then(|levels| levels.wanted.take())
        else {
            return Ok(());
        };
        let captured = self.capture(state, &due)?;
        if let (Some(levels), Some(jobs)) = (&mut state.levels, captured) {
            levels.captured = jobs;
        }
        Ok(())
    }

    fn level_header(
        &self,
        page_size: PageSize,
        epoch: u32,
        tip: &Tip,
        name: &ObjectName,
        pages: u32,
    ) -> Header {
        let database_checksum = tip.checksums.as_ref().map(|checksums| checksums.database());
        Header {
            page_size,
            commit: pages,
            min: name.min,
            max: name.max,
            timestamp_ms: tip.timestamp_ms,
            // As Litestream: only what was shipped names a part of the WAL.
            wal_offset: 0,
            wal_size: 0,
            salts: (0, 0),
            node: self.writer,
            extra: Extra {
                database_checksum,
                wal_checksum: (0, 0),
                epoch,
            },
        }
    }
}

impl State {
    fn learned(&mut self, level: Level, until: Txid, changed: Option<PageSet>) {
        let pages = self.tip.as_ref().and_then(|tip| tip.checksums.as_ref());
        let pages = pages.map_or(0, |checksums| checksums.pages());
        let pending = self
            .levels
            .as_mut()
            .and_then(|levels| levels.pending_mut(level));
        if let Some(pending) = pending.filter(|pending| pending.unknown_until == Some(until)) {
            pending
                .pages
                .union(&changed.unwrap_or_else(|| PageSet::all(pages)));
            pending.unknown_until = None;
        }
    }
}

impl Levels {
    /// The first snapshot holds all that the levels lack: they begin after it.
    fn take_before_first_snapshot(&mut self) -> Vec<(Level, Pending)> {
        if self.holdings.newest(Level::SNAPSHOT).is_some() {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for (number, pending) in self.pending.iter_mut().enumerate() {
            let Ok(level) = Level::new(number as u8 + 1) else {
                continue;
            };
            if self.holdings.newest(level).is_none() {
                taken.push((level, std::mem::take(pending)));
            }
        }
        taken
    }
}
