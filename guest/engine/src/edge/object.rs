//! Reads what is needed of an object to find its pages, and some of them.

use super::{Edge, EdgeError};
use crate::ltx::header::HEADER_BYTES;
use crate::ltx::{Decoder, Event, Header, Index, IndexEntry, Parsed, decode_frame};
use crate::ports::{ByteRange, Objects};
use crate::restore::{Damage, Listed, RestoreError, SMALL_OBJECT_BYTES, Source};
use crate::units::{PageSize, Pgno};

/// Read from an object's beginning together with its header: its first pages, among them in a
/// snapshot those that lead to all others.
const HEAD_BYTES: u64 = 64 * 1024;

/// An index takes about ten bytes a page, and a page compressed 1,500 to 4,000: asking for this share
/// of the object at once saves a round trip most of the time, and little is read in vain.
const INDEX_SHARE: u64 = 256;

/// The first request for an index, at most.
const INDEX_BYTES: u64 = 8 << 20;

/// Where an object's pages lie.
pub(super) struct Contents {
    pub header: Header,
    pub index: Vec<IndexEntry>,
}

impl<O: Objects> Edge<O> {
    pub(super) fn source(&self) -> Source<'_, O> {
        Source::new(&self.objects, &*self.environment, self.settings.layout)
    }

    pub(super) async fn contents(&self, object: &Listed) -> Result<Contents, EdgeError> {
        let source = self.source();
        if object.size <= SMALL_OBJECT_BYTES {
            let bytes = source.whole(object).await?;
            return Ok(self.take_whole(&source, object, &bytes)?);
        }
        let head = ByteRange {
            offset: 0,
            length: HEAD_BYTES,
        };
        // Both are waited for even if one fails: nothing is left in flight.
        let (head, index) = futures::join!(source.range(object, head), self.index(&source, object));
        let (head, index) = (head?, index?);
        let (header, _) = source.header(object, &head)?;
        let entries = index.entries;
        for entry in entries.iter().take_while(|entry| entry.end() <= HEAD_BYTES) {
            let frame = &head[entry.offset as usize..entry.end() as usize];
            let page = unpack(header.page_size, entry.pgno, entry.offset, frame);
            let page = page.map_err(|damage| source.damaged(object, damage))?;
            self.hold(object.name, entry.pgno, page.into());
        }
        Ok(Contents {
            header,
            index: entries,
        })
    }

    async fn index(&self, source: &Source<'_, O>, object: &Listed) -> Result<Index, RestoreError> {
        let length = (object.size / INDEX_SHARE).clamp(32 * 1024, INDEX_BYTES);
        let length = length.min(object.size - HEADER_BYTES as u64);
        let mut range = ByteRange {
            offset: object.size - length,
            length,
        };
        // The second answer holds all of the index, whatever the first one was.
        for _ in 0..2 {
            let tail = source.range(object, range).await?;
            let parsed = Index::parse(&tail, object.size);
            match parsed.map_err(|why| source.damaged(object, why))? {
                Parsed::Complete(index) => return Ok(index),
                Parsed::NeedMore(more) => range = more,
            }
        }
        let damage = Damage::Short {
            offset: range.offset,
            expected: range.length,
            found: 0,
        };
        Err(source.damaged(object, damage))
    }

    /// Checks a whole object, keeps its pages, and tells where they lie.
    pub(super) fn take_whole(
        &self,
        source: &Source<'_, O>,
        object: &Listed,
        bytes: &[u8],
    ) -> Result<Contents, RestoreError> {
        let (header, _) = source.header(object, bytes)?;
        let damaged = |damage: Damage| source.damaged(object, damage);
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        while let Some(event) = decoder.event().map_err(|why| damaged(why.into()))? {
            if let Event::Page { pgno, data } = event {
                self.hold(object.name, pgno, data.into());
            }
        }
        decoder.finish().map_err(|why| damaged(why.into()))?;
        let size = bytes.len() as u64;
        match Index::parse(bytes, size).map_err(|why| damaged(why.into()))? {
            Parsed::Complete(index) => Ok(Contents {
                header,
                index: index.entries,
            }),
            Parsed::NeedMore(range) => Err(damaged(Damage::Short {
                offset: range.offset,
                expected: range.length,
                found: size,
            })),
        }
    }
}

/// A page from its frame at byte `offset` of an object, which must be that of page `pgno`.
pub(super) fn unpack(
    page_size: PageSize,
    pgno: Pgno,
    offset: u64,
    frame: &[u8],
) -> Result<Vec<u8>, Damage> {
    let (found, page) =
        decode_frame(frame, page_size).map_err(|source| Damage::Frame { offset, source })?;
    if found != pgno {
        let expected = pgno;
        return Err(Damage::WrongPage {
            offset,
            expected,
            found,
        });
    }
    Ok(page)
}
