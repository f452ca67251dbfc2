//! Brings the page checksums of a database from one transaction to the newest, without the pages.

use std::ops::ControlFlow;

use crate::ltx::{Decoder, Event, Header, Layout, page_checksum};
use crate::ports::{ByteRange, Environment, LogLevel, Objects};
use crate::restore::error::RestoreError;
use crate::restore::fetch::{Source, check_name};
use crate::restore::pages::{MAX_PAGES, TooLarge};
use crate::restore::plan::{Listed, Listing, Target, plan};
use crate::restore::{DEFAULT_PARALLELISM, REPLANS, flow};
use crate::units::Txid;

/// Objects are read front to back in pieces of this length, eight at once: 8 MiB.
const PIECE_BYTES: u64 = 1024 * 1024;

/// Where the checksums are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rolled {
    pub txid: Txid,
    /// The database's length, pages.
    pub commit: u32,
    /// Of the newest object; `None` if there was nothing to apply.
    pub header: Option<Header>,
    pub downloaded_bytes: u64,
    pub requests: u64,
}

/// Applies what came after `from` to `checksums`, which are those of the database at `from`.
///
/// Every object is read whole and its file checksum verified. After an error the checksums are of
/// no use.
pub async fn roll_forward<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    listing: &Listing,
    from: Txid,
    checksums: &mut Vec<u64>,
) -> Result<Rolled, RestoreError> {
    let source = Source::new(objects, environment, layout);
    let mut roll = Roll {
        source: &source,
        txid: from,
        header: None,
        checksums,
        decoder: Decoder::new(),
    };
    let (mut replans, mut again) = (0..REPLANS, None);
    loop {
        match roll.over(again.as_ref().unwrap_or(listing)).await {
            Err(error) if error.is_worth_a_new_listing() && replans.next().is_some() => {
                let message = format!("{error}; listing the replica again");
                environment.log(LogLevel::Warn, &message);
                again = Some(source.list().await?);
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    Ok(Rolled {
        txid: roll.txid,
        commit: roll.checksums.len() as u32,
        header: roll.header,
        downloaded_bytes: source.downloaded_bytes(),
        requests: source.requests(),
    })
}

struct Roll<'a, O> {
    source: &'a Source<'a, O>,
    /// The newest transaction that was applied in full.
    txid: Txid,
    header: Option<Header>,
    checksums: &'a mut Vec<u64>,
    /// Of the object being read.
    decoder: Decoder,
}

/// Some bytes of an object, the next ones in order.
pub(super) struct Piece {
    object: Listed,
    pub bytes: Vec<u8>,
    last: bool,
}

impl<O: Objects> Roll<'_, O> {
    async fn over(&mut self, listing: &Listing) -> Result<(), RestoreError> {
        let plan = plan(listing, Some(self.txid), Target::Latest)?;
        let source = self.source;
        source.expect_more(plan.bytes());
        self.decoder = Decoder::new();
        let ranges = plan.objects.iter().flat_map(ranges);
        let pieces = ranges.map(|(object, range)| read(source, object, range));
        let at_once = DEFAULT_PARALLELISM;
        flow::run(pieces, at_once, flow::Order::Given, |piece| {
            self.take(&piece)
        })
        .await
    }

    fn take(&mut self, piece: &Piece) -> Result<ControlFlow<()>, RestoreError> {
        self.decoder.push(&piece.bytes);
        self.drain(&piece.object)?;
        if piece.last {
            let decoder = std::mem::take(&mut self.decoder);
            decoder
                .finish()
                .map_err(|why| self.source.damaged(&piece.object, why))?;
            self.txid = piece.object.name.max;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn drain(&mut self, object: &Listed) -> Result<(), RestoreError> {
        let source = self.source;
        loop {
            let event = self.decoder.event();
            match event.map_err(|why| source.damaged(object, why))? {
                Some(Event::Header(header)) => {
                    check_name(object, header).map_err(|why| source.damaged(object, why))?;
                    self.header = Some(*header);
                    resize(self.checksums, header.commit)?;
                }
                // The decoder lets no page through that is beyond the header's commit.
                Some(Event::Page { pgno, data }) => {
                    self.checksums[pgno.0 as usize - 1] = page_checksum(pgno, data);
                }
                Some(Event::End(_)) => {}
                None => return Ok(()),
            }
        }
    }
}

/// Pages that are cut off are forgotten, new ones begin as missing.
fn resize(checksums: &mut Vec<u64>, commit: u32) -> Result<(), TooLarge> {
    let more = (commit as usize).saturating_sub(checksums.len());
    if commit > MAX_PAGES || checksums.try_reserve_exact(more).is_err() {
        return Err(TooLarge { commit });
    }
    checksums.resize(commit as usize, 0);
    Ok(())
}

/// An object as ranges to read one after the other; `None` is all of a short one.
pub(super) fn ranges(object: &Listed) -> impl Iterator<Item = (&Listed, Option<ByteRange>)> {
    let short = object.size <= PIECE_BYTES;
    let pieces = if short {
        1
    } else {
        object.size.div_ceil(PIECE_BYTES)
    };
    (0..pieces).map(move |piece| {
        let offset = piece * PIECE_BYTES;
        let range = ByteRange {
            offset,
            length: PIECE_BYTES.min(object.size - offset),
        };
        (object, (!short).then_some(range))
    })
}

pub(super) async fn read<O: Objects>(
    source: &Source<'_, O>,
    object: &Listed,
    range: Option<ByteRange>,
) -> Result<Piece, RestoreError> {
    let bytes = match range {
        Some(range) => source.range(object, range).await?,
        None => source.whole(object).await?,
    };
    Ok(Piece {
        object: *object,
        bytes,
        last: range.is_none_or(|range| range.offset + range.length == object.size),
    })
}
