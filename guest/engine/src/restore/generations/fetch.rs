//! What of a Litestream 0.3 backup is read from the store: its listing, and its files in pieces.

use std::cell::Cell;

use crate::ports::{ByteRange, Entry, Environment, ObjectError, Objects};
use crate::restore::IN_FLIGHT_BYTES;
use crate::restore::error::{Damage, RestoreError};
use crate::restore::generations::name::PREFIX;

/// Files are read front to back in pieces of at most this length, several at once. Most segments
/// are shorter.
pub const PIECE_BYTES: u64 = 1024 * 1024;

/// All files below `generations/`.
pub async fn list<O: Objects>(objects: &O) -> Result<Vec<Entry>, RestoreError> {
    let failed = |source| RestoreError::List {
        prefix: PREFIX.to_owned(),
        source,
    };
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map(|entry| entry.key.clone());
        let page = objects.list(PREFIX, after.as_deref()).await;
        let page = page.map_err(failed)?;
        let goes_on = page.entries.last().map(|entry| &entry.key) > after.as_ref();
        entries.extend(page.entries);
        match (page.truncated, goes_on) {
            (false, _) => return Ok(entries),
            (true, true) => {}
            (true, false) => {
                let endless = "more keys are promised, but none come".to_owned();
                return Err(failed(ObjectError::Invalid(endless)));
            }
        }
    }
}

/// The store, with a count of what was asked of it.
pub struct Source<'a, O> {
    objects: &'a O,
    environment: &'a dyn Environment,
    requests: Cell<u64>,
    downloaded: Cell<u64>,
    expected: Cell<u64>,
}

/// Some bytes of a file, the next ones in order.
pub struct Piece {
    /// The file's place in the plan.
    pub number: usize,
    pub bytes: Vec<u8>,
    pub first: bool,
    pub last: bool,
}

/// Bytes to fetch with one request.
pub struct Wanted<'p> {
    number: usize,
    entry: &'p Entry,
    /// `None`: all of a short file.
    range: Option<ByteRange>,
}

/// The files as pieces, when so many are under way at once.
pub fn pieces<'p>(
    entries: impl Iterator<Item = &'p Entry>,
    at_once: usize,
) -> impl Iterator<Item = Wanted<'p>> {
    let most = PIECE_BYTES.min(IN_FLIGHT_BYTES / at_once as u64);
    entries.enumerate().flat_map(move |(number, entry)| {
        let short = entry.size <= most;
        let count = if short { 1 } else { entry.size.div_ceil(most) };
        (0..count).map(move |piece| {
            let offset = piece * most;
            let length = most.min(entry.size - offset);
            Wanted {
                number,
                entry,
                range: (!short).then_some(ByteRange { offset, length }),
            }
        })
    })
}

impl<'a, O: Objects> Source<'a, O> {
    pub fn new(objects: &'a O, environment: &'a dyn Environment) -> Self {
        Source {
            objects,
            environment,
            requests: Cell::new(0),
            downloaded: Cell::new(0),
            expected: Cell::new(0),
        }
    }

    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    pub fn downloaded_bytes(&self) -> u64 {
        self.downloaded.get()
    }

    /// Tells how many bytes there are still to come, for the progress.
    pub fn expect_more(&self, bytes: u64) {
        self.expected.set(self.downloaded.get() + bytes);
        self.report();
    }

    pub async fn fetch(&self, wanted: Wanted<'_>) -> Result<Piece, RestoreError> {
        let Wanted {
            number,
            entry,
            range,
        } = wanted;
        self.requests.set(self.requests.get() + 1);
        let bytes = self.objects.get(&entry.key, range).await;
        let bytes = bytes.map_err(|source| RestoreError::Object {
            key: entry.key.clone(),
            source,
        })?;
        let downloaded = self.downloaded.get() + bytes.len() as u64;
        self.downloaded.set(downloaded);
        self.expected.set(self.expected.get().max(downloaded));
        self.report();
        let offset = range.map_or(0, |range| range.offset);
        let expected = range.map_or(entry.size, |range| range.length);
        let found = bytes.len() as u64;
        if found != expected {
            return Err(RestoreError::Damaged {
                key: entry.key.clone(),
                damage: Damage::Short {
                    offset,
                    expected,
                    found,
                },
            });
        }
        Ok(Piece {
            number,
            bytes,
            first: offset == 0,
            last: offset + expected == entry.size,
        })
    }

    fn report(&self) {
        self.environment
            .progress(self.downloaded.get(), self.expected.get());
    }
}
