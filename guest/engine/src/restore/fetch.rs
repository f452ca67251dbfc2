//! What of the replica is read from the store: listings, headers, indexes, ranges, small objects.

use std::cell::Cell;

use futures::future::join_all;

use crate::ltx::decoder::check_post_apply;
use crate::ltx::header::HEADER_BYTES;
use crate::ltx::order::Order;
use crate::ltx::{Crc64, Header, Index, Layout, ObjectName, Parsed, Tracking, tail_range};
use crate::ports::{ByteRange, Entry, Environment, ObjectError, Objects};
use crate::restore::apply::Piece;
use crate::restore::error::{Damage, RestoreError};
use crate::restore::plan::{Listed, Listing};
use crate::units::Level;

/// An object up to this size is read whole with one request: header, index and frames of a larger
/// one take three, and a request costs about as long as this takes to arrive.
pub const SMALL_OBJECT_BYTES: u64 = 256 * 1024;

/// The store, with a count of what was asked of it.
pub struct Source<'a, O> {
    objects: &'a O,
    environment: &'a dyn Environment,
    layout: Layout,
    requests: Cell<u64>,
    downloaded: Cell<u64>,
    expected: Cell<u64>,
}

/// An object whose header was read.
pub struct Opened {
    pub object: Listed,
    pub header: Header,
    pub content: Content,
}

pub enum Content {
    /// All of it; only the header was looked at.
    Whole(Vec<u8>),
    Index {
        index: Index,
        /// What header and tail add to the file checksum.
        head: Crc64,
        tail: Piece,
    },
}

impl<'a, O: Objects> Source<'a, O> {
    pub fn new(objects: &'a O, environment: &'a dyn Environment, layout: Layout) -> Self {
        Source {
            objects,
            environment,
            layout,
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

    pub fn layout(&self) -> Layout {
        self.layout
    }

    pub fn key(&self, object: &Listed) -> String {
        self.layout.key(&object.name)
    }

    pub fn damaged(&self, object: &Listed, damage: impl Into<Damage>) -> RestoreError {
        RestoreError::Damaged {
            key: self.key(object),
            damage: damage.into(),
        }
    }

    /// All levels: with one request if they are short, else all at the same time.
    pub async fn list(&self) -> Result<Listing, RestoreError> {
        let root = self.layout.root();
        self.count_request();
        let first = self.objects.list(root, None).await;
        let first = first.map_err(|source| RestoreError::List {
            prefix: root.to_owned(),
            source,
        })?;
        if !first.truncated {
            return Ok(Listing::new(self.layout, &first.entries));
        }
        let levels = join_all(Level::all().map(|level| self.list_level(level))).await;
        let entries = levels.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Listing::new(self.layout, entries.iter().flatten()))
    }

    async fn list_level(&self, level: Level) -> Result<Vec<Entry>, RestoreError> {
        self.list_after(level, None).await
    }

    /// The keys of a level that come after `after`.
    pub async fn list_after(
        &self,
        level: Level,
        after: Option<String>,
    ) -> Result<Vec<Entry>, RestoreError> {
        let prefix = self.layout.prefix(level);
        let failed = |source| RestoreError::List {
            prefix: prefix.clone(),
            source,
        };
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let last = entries.last().map(|entry| entry.key.clone());
            let after = last.or_else(|| after.clone());
            self.count_request();
            let page = self.objects.list(&prefix, after.as_deref()).await;
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

    /// Reads a small object whole, and header and index of another.
    pub async fn open(&self, object: &Listed) -> Result<Opened, RestoreError> {
        if object.size <= SMALL_OBJECT_BYTES {
            let bytes = self.whole(object).await?;
            let (header, _) = self.header(object, &bytes)?;
            return Ok(Opened {
                object: *object,
                header,
                content: Content::Whole(bytes),
            });
        }
        let head = ByteRange {
            offset: 0,
            length: HEADER_BYTES as u64,
        };
        // Both are waited for even if one fails: nothing is left in flight.
        let (head, index) = futures::join!(self.range(object, head), self.index(object));
        let (head, (index, tail)) = (head?, index?);
        let (header, tracking) = self.header(object, &head)?;
        check_index(&header, tracking, &index).map_err(|damage| self.damaged(object, damage))?;
        Ok(Opened {
            object: *object,
            header,
            content: Content::Index {
                index,
                head: Crc64::of(&head),
                tail,
            },
        })
    }

    pub fn header(
        &self,
        object: &Listed,
        bytes: &[u8],
    ) -> Result<(Header, Tracking), RestoreError> {
        let Some(head) = bytes.first_chunk() else {
            let damage = Damage::Short {
                offset: 0,
                expected: object.size,
                found: bytes.len() as u64,
            };
            return Err(self.damaged(object, damage));
        };
        let (header, tracking) = Header::parse(head).map_err(|why| self.damaged(object, why))?;
        check_name(object, &header).map_err(|damage| self.damaged(object, damage))?;
        Ok((header, tracking))
    }

    /// An object's index, and what the bytes around it add to the file checksum.
    async fn index(&self, object: &Listed) -> Result<(Index, Piece), RestoreError> {
        let mut range = tail_range(object.size);
        // The second answer holds all of the index, whatever the first one was.
        for _ in 0..2 {
            let tail = self.range(object, range).await?;
            match Index::parse(&tail, object.size).map_err(|why| self.damaged(object, why))? {
                Parsed::Complete(index) => {
                    let piece = Piece {
                        checksum: index.tail_checksum(&tail),
                        covered_bytes: index.tail_bytes,
                    };
                    return Ok((index, piece));
                }
                Parsed::NeedMore(more) => range = more,
            }
        }
        let damage = Damage::Short {
            offset: range.offset,
            expected: range.length,
            found: 0,
        };
        Err(self.damaged(object, damage))
    }

    /// Exactly these bytes of an object.
    pub async fn range(&self, object: &Listed, range: ByteRange) -> Result<Vec<u8>, RestoreError> {
        let bytes = self.get(object, Some(range)).await?;
        let found = bytes.len() as u64;
        if found == range.length {
            return Ok(bytes);
        }
        let damage = Damage::Short {
            offset: range.offset,
            expected: range.length,
            found,
        };
        Err(self.damaged(object, damage))
    }

    /// All of an object, however long it is by now.
    pub async fn whole(&self, object: &Listed) -> Result<Vec<u8>, RestoreError> {
        self.get(object, None).await
    }

    async fn get(
        &self,
        object: &Listed,
        range: Option<ByteRange>,
    ) -> Result<Vec<u8>, RestoreError> {
        let key = self.key(object);
        self.count_request();
        match self.objects.get(&key, range).await {
            Ok(bytes) => {
                let downloaded = self.downloaded.get() + bytes.len() as u64;
                self.downloaded.set(downloaded);
                self.expected.set(self.expected.get().max(downloaded));
                self.report();
                Ok(bytes)
            }
            Err(source) => Err(RestoreError::Object { key, source }),
        }
    }

    fn count_request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    fn report(&self) {
        self.environment
            .progress(self.downloaded.get(), self.expected.get());
    }
}

/// Whether an object holds the transactions that its key says.
pub fn check_name(object: &Listed, header: &Header) -> Result<(), Damage> {
    let found = ObjectName {
        level: object.name.level,
        min: header.min,
        max: header.max,
    };
    if found == object.name {
        return Ok(());
    }
    Err(Damage::WrongName { found })
}

fn check_index(header: &Header, tracking: Tracking, index: &Index) -> Result<(), Damage> {
    let mut order = Order::of(header);
    for entry in &index.entries {
        order.accept(entry.pgno)?;
    }
    check_post_apply(tracking, index.post_apply)?;
    Ok(())
}
