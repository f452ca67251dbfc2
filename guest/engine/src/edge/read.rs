//! Fetches pages: from the cache, or together with those that lie behind them.

use super::cache::{Page, Version};
use super::object::unpack;
use super::{Edge, EdgeError, PageMap};
use crate::ltx::ObjectName;
use crate::ports::{ByteRange, Objects};
use crate::restore::Listed;
use crate::units::Pgno;
use futures::future::join_all;

/// Fetched at least, as far as pages lie behind: a request costs about as much time as this.
const READ_BYTES: u64 = 64 * 1024;

/// Fetched at most, when one page after the other is asked for.
const AHEAD_BYTES: u64 = 2 << 20;

/// What is fetched ahead is cut into pieces that are under way together.
const PIECE_BYTES: u64 = 256 * 1024;

/// Where a reader that takes one page after the other would go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    next: Pgno,
    bytes: u64,
}

impl Default for Ahead {
    fn default() -> Ahead {
        Ahead {
            next: Pgno(0),
            bytes: READ_BYTES,
        }
    }
}

impl<O: Objects> Edge<O> {
    /// A page as of a snapshot. A page that nobody wrote is all zeros.
    pub async fn page(&self, map: &PageMap, pgno: Pgno) -> Result<Page, EdgeError> {
        let Some((object, _)) = map.slot(pgno) else {
            return Ok(vec![0; map.page_size().bytes()].into());
        };
        let version = Version { object, pgno };
        let cached = self.cache.borrow_mut().get(&version);
        match cached {
            Some(page) => Ok(page),
            None => self.fetch(map, object, pgno).await,
        }
    }

    async fn fetch(
        &self,
        map: &PageMap,
        object: ObjectName,
        pgno: Pgno,
    ) -> Result<Page, EdgeError> {
        let before = self.ahead.get();
        let bytes = match before.next == pgno {
            true => (before.bytes * 2).min(AHEAD_BYTES).min(self.room()),
            false => READ_BYTES,
        };
        let mut run = map.run(pgno, bytes);
        let next = Pgno(run.last().map_or(pgno.0, |(last, _)| last.0) + 1);
        self.ahead.set(Ahead { next, bytes });
        {
            let cache = self.cache.borrow();
            while run.len() > 1
                && run.last().is_some_and(|(pgno, _)| {
                    let pgno = *pgno;
                    cache.holds(&Version { object, pgno })
                })
            {
                run.pop();
            }
        }
        let pieces = pieces(&run);
        let gets = pieces
            .iter()
            .map(|piece| self.fetch_piece(map, object, piece));
        let mut wanted = None;
        // All are waited for, and what arrived is kept, even if one fails.
        for pages in join_all(gets).await {
            for (found, page) in pages? {
                if found == pgno {
                    wanted = Some(Page::clone(&page));
                }
                self.hold(object, found, page);
            }
        }
        wanted.ok_or(EdgeError::Gone)
    }

    /// Read ahead, at most: a small part of the cache.
    fn room(&self) -> u64 {
        (self.settings.cache_bytes / 16).max(READ_BYTES)
    }

    async fn fetch_piece(
        &self,
        map: &PageMap,
        object: ObjectName,
        piece: &[(Pgno, super::map::Slot)],
    ) -> Result<Vec<(Pgno, Page)>, EdgeError> {
        let (Some((_, first)), Some((_, last))) = (piece.first(), piece.last()) else {
            return Ok(Vec::new());
        };
        let range = ByteRange {
            offset: first.offset,
            length: last.offset + u64::from(last.length) - first.offset,
        };
        let listed = Listed {
            name: object,
            size: 0,
            modified_ms: 0,
        };
        let source = self.source();
        let bytes = source.range(&listed, range).await.inspect_err(|error| {
            if error.is_vanished() {
                self.forget();
            }
        })?;
        let unpacked = piece.iter().map(|(pgno, slot)| {
            let from = (slot.offset - range.offset) as usize;
            let frame = &bytes[from..from + slot.length as usize];
            let page = unpack(map.page_size(), *pgno, slot.offset, frame)
                .map_err(|damage| source.damaged(&listed, damage))?;
            Ok((*pgno, Page::from(page)))
        });
        unpacked.collect()
    }
}

fn pieces(run: &[(Pgno, super::map::Slot)]) -> Vec<&[(Pgno, super::map::Slot)]> {
    let mut pieces = Vec::new();
    let mut rest = run;
    while let Some((_, first)) = rest.first() {
        let fits = |(_, slot): &&(Pgno, super::map::Slot)| {
            slot.offset + u64::from(slot.length) - first.offset <= PIECE_BYTES
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (piece, others) = rest.split_at(count);
        pieces.push(piece);
        rest = others;
    }
    pieces
}
