//! Reads objects whole, front to back and with several requests under way, and decodes them.

use std::ops::ControlFlow;

use crate::ltx::{Decoder, Event};
use crate::ports::{ByteRange, Objects};
use crate::restore::error::RestoreError;
use crate::restore::fetch::{Source, check_name};
use crate::restore::flow;
use crate::restore::plan::Listed;

/// Objects are read in pieces of this length, eight at once: 8 MiB.
const PIECE_BYTES: u64 = 1024 * 1024;

/// Some bytes of an object, the next ones in order.
pub struct Piece {
    pub object: Listed,
    pub bytes: Vec<u8>,
    last: bool,
}

/// Objects that are decoded one after the other.
pub struct Reading<'a, O> {
    source: &'a Source<'a, O>,
    /// Of the object being read.
    decoder: Decoder,
}

impl<'a, O: Objects> Reading<'a, O> {
    pub fn new(source: &'a Source<'a, O>) -> Self {
        Reading {
            source,
            decoder: Decoder::new(),
        }
    }

    /// Takes the next piece, and gives what is in it to `take`. `true`: the object is read, and all
    /// that it says of itself is true.
    ///
    /// After an error the next piece must be the first of an object.
    pub fn piece(
        &mut self,
        piece: &Piece,
        take: &mut impl FnMut(&Listed, Event<'_>) -> Result<(), RestoreError>,
    ) -> Result<bool, RestoreError> {
        let mut decoder = std::mem::take(&mut self.decoder);
        let object = &piece.object;
        let damaged = |why| self.source.damaged(object, why);
        decoder.push(&piece.bytes);
        while let Some(event) = decoder.event().map_err(damaged)? {
            if let Event::Header(header) = &event {
                check_name(object, header).map_err(|why| self.source.damaged(object, why))?;
            }
            take(object, event)?;
        }
        if piece.last {
            decoder.finish().map_err(damaged)?;
        } else {
            self.decoder = decoder;
        }
        Ok(piece.last)
    }
}

/// Reads these objects whole and verifies everything that they say of themselves. What is in them
/// goes to `take`.
pub async fn read_all<'o, O: Objects>(
    source: &Source<'_, O>,
    objects: impl IntoIterator<Item = &'o Listed>,
    at_once: usize,
    mut take: impl FnMut(&Listed, Event<'_>) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let mut reading = Reading::new(source);
    let pieces = objects.into_iter().flat_map(ranges);
    let pieces = pieces.map(|(object, range)| read(source, object, range));
    flow::run(pieces, at_once, flow::Order::Given, |piece| {
        reading.piece(&piece, &mut take)?;
        Ok(ControlFlow::Continue(()))
    })
    .await
}

/// An object as ranges to read one after the other; `None` is all of a short one.
pub fn ranges(object: &Listed) -> impl Iterator<Item = (&Listed, Option<ByteRange>)> {
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

pub async fn read<O: Objects>(
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
