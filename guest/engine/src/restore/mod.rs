//! Rebuilds a database from its replica: list, plan, find each page's newest version, fetch only
//! that with many requests under way, write it in place, check.

#![forbid(unsafe_code)]

mod apply;
mod error;
mod fetch;
mod flow;
mod follow;
pub mod generations;
mod inspect;
mod moment;
mod pages;
mod plan;
pub mod proof;
mod reading;
mod rolling;
mod whole;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::ltx::{Header, Layout, Rolling};
use crate::ports::{ByteRange, Environment, LiveFile, LogLevel, Objects};
use crate::units::{Level, PageSize, Txid};

pub use error::{Damage, RestoreError};
pub use fetch::SMALL_OBJECT_BYTES;
pub(crate) use fetch::Source;
pub use follow::{Followed, begin as begin_following, catch_up, follow};
pub use inspect::{changed_pages, check_object, is_as_sent};
pub use moment::points;
pub use pages::{MAX_CHUNK_BYTES, MAX_PAGES, MERGED_GAP_BYTES, READ_WHOLE_PERCENT, TooLarge};
pub use plan::{Listed, Listing, Plan, PlanError, Target, plan};
pub use rolling::{Rolled, roll_forward};

use apply::{ApplyError, Assembly};
use fetch::{Content, Opened};
use pages::{Chunk, Reading};
use whole::WholeRead;

/// Headers, indexes and small objects read ahead. Most of them are a few KB; 16 of the largest
/// small objects are 4 MiB.
const OPENED_AHEAD: usize = 16;

/// As in Litestream's `-parallelism`.
pub const DEFAULT_PARALLELISM: usize = 8;

/// More bring nothing, and would make the chunks short.
pub const MAX_PARALLELISM: usize = 64;

/// Of frames under way or waiting to be written, at most: what keeps the memory flat.
pub const IN_FLIGHT_BYTES: u64 = 32 * 1024 * 1024;

/// How often objects that vanish are answered with a new listing. They vanish when they were
/// merged, which on a living replica happens every 30 seconds.
pub const REPLANS: u32 = 3;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub target: Target,
    /// Requests under way at once; taken as 1 to [`MAX_PARALLELISM`].
    pub parallelism: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            target: Target::Latest,
            parallelism: DEFAULT_PARALLELISM,
        }
    }
}

/// A database that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub txid: Txid,
    pub page_size: PageSize,
    /// The database's length, pages.
    pub commit: u32,
    /// Of the newest object.
    pub header: Header,
    pub downloaded_bytes: u64,
    pub requests: u64,
    /// Whether the newest object carried the database's checksum; if so, it is the right one.
    pub checksum_verified: bool,
    /// Pages of which no object has a version. They are zeros now.
    pub missing_pages: u32,
    /// Of each page; zero for the lock page and for missing ones.
    pub page_checksums: Vec<u64>,
}

/// The objects of the replica, of all levels.
pub async fn list_all<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
) -> Result<Listing, RestoreError> {
    Source::new(objects, environment, layout).list().await
}

/// The objects of one level, or of all, in the order of their levels and TXIDs.
pub async fn list<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    level: Option<Level>,
) -> Result<Listing, RestoreError> {
    let source = Source::new(objects, environment, layout);
    match level {
        None => source.list().await,
        Some(level) => {
            let entries = source.list_after(level, None).await?;
            Ok(Listing::new(layout, &entries))
        }
    }
}

/// What [`restore`] would read, and the newest object's header.
pub async fn plan_for<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    target: Target,
) -> Result<(Plan, Header), RestoreError> {
    let source = Source::new(objects, environment, layout);
    let listing = source.list().await?;
    let target = moment::resolve(&source, &listing, target).await?;
    let plan = plan(&listing, None, target)?;
    let last = plan.objects.last().ok_or(PlanError::Empty)?;
    let header = moment::header(&source, last).await?;
    Ok((plan, header))
}

/// Rebuilds the database in `file`, whose content is replaced.
///
/// After an error the file holds nothing of use.
pub async fn restore<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    file: &dyn LiveFile,
    options: Options,
) -> Result<Restored, RestoreError> {
    let source = Source::new(objects, environment, layout);
    let mut replans = 0..REPLANS;
    loop {
        let listing = source.list().await?;
        match restore_listed(&source, &listing, file, options).await {
            Err(error) if error.is_worth_a_new_listing() && replans.next().is_some() => {
                let message = format!("{error}; listing the replica again");
                environment.log(LogLevel::Warn, &message);
            }
            result => return result,
        }
    }
}

async fn restore_listed<O: Objects>(
    source: &Source<'_, O>,
    listing: &Listing,
    file: &dyn LiveFile,
    options: Options,
) -> Result<Restored, RestoreError> {
    let target = moment::resolve(source, listing, options.target).await?;
    let plan = plan(listing, None, target)?;
    let parallelism = options.parallelism.clamp(1, MAX_PARALLELISM);
    let chunk_bytes = MAX_CHUNK_BYTES.min(IN_FLIGHT_BYTES / parallelism as u64);
    source.expect_more(plan.bytes());

    let mut work = Work::new(source, file, chunk_bytes);
    let newest_first = plan.objects.iter().rev();
    let opened = newest_first.map(|object| source.open(object));
    flow::run(opened, OPENED_AHEAD, flow::Order::Given, |opened| {
        work.take(opened)
    })
    .await?;

    let Work {
        newest,
        objects,
        reads,
        mut wholes,
        ..
    } = work;
    // A plan that reaches anything has an object.
    let Some((header, mut assembly)) = newest else {
        return Err(PlanError::Empty.into());
    };
    source.expect_more(reads.iter().map(|read| read.chunk.length).sum());
    let fetched = reads.iter().map(|read| fetch_chunk(source, &objects, read));
    flow::run(fetched, parallelism, flow::Order::Done, |(read, bytes)| {
        let object = &objects[read.chunk.object as usize];
        let piece = assembly
            .chunk(&read.chunk, &bytes, read.whole.is_some())
            .map_err(|error| failed(source, object, error))?;
        if let Some(whole) = read.whole {
            wholes[whole].set(read.number, piece);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    for whole in &wholes {
        let object = &objects[whole.object as usize];
        whole
            .check()
            .map_err(|damage| source.damaged(object, damage))?;
    }

    let missing_pages = assembly.pages.missing();
    let page_checksums = assembly.finish()?;
    let checksum_verified = check_database(source, &objects, &header, &page_checksums)?;
    Ok(Restored {
        txid: plan.reached,
        page_size: header.page_size,
        commit: header.commit,
        header,
        downloaded_bytes: source.downloaded_bytes(),
        requests: source.requests(),
        checksum_verified,
        missing_pages,
        page_checksums,
    })
}

/// A chunk to fetch, and of which object that is read whole it is which piece.
struct Read {
    chunk: Chunk,
    whole: Option<usize>,
    number: usize,
}

/// What is to be done, as it becomes known from the objects, newest first.
struct Work<'a, O> {
    source: &'a Source<'a, O>,
    file: &'a dyn LiveFile,
    chunk_bytes: u64,
    /// The newest object's header, and the database that begins with it.
    newest: Option<(Header, Assembly<'a>)>,
    /// Those opened so far; an object's number is its place.
    objects: Vec<Listed>,
    reads: Vec<Read>,
    wholes: Vec<WholeRead>,
}

impl<'a, O: Objects> Work<'a, O> {
    fn new(source: &'a Source<'a, O>, file: &'a dyn LiveFile, chunk_bytes: u64) -> Self {
        Work {
            source,
            file,
            chunk_bytes,
            newest: None,
            objects: Vec::new(),
            reads: Vec::new(),
            wholes: Vec::new(),
        }
    }

    /// Takes the next older object. `Break`: older ones have nothing to add.
    fn take(&mut self, opened: Opened) -> Result<ControlFlow<()>, RestoreError> {
        let Opened {
            object,
            header,
            content,
        } = opened;
        let number = self.objects.len() as u32;
        self.objects.push(object);
        let (_, assembly) = match &mut self.newest {
            Some(newest) => newest,
            None => self
                .newest
                .insert((header, Assembly::new(&header, self.file)?)),
        };
        assembly
            .check_page_size(&header)
            .map_err(|damage| self.source.damaged(&object, damage))?;
        match content {
            Content::Whole(bytes) => assembly
                .whole(number, &bytes)
                .map_err(|error| failed(self.source, &object, error))?,
            Content::Index { index, head, tail } => {
                let pages = &mut assembly.pages;
                let reading = pages::reading(pages, number, &index.entries, self.chunk_bytes);
                let (chunks, whole) = match reading {
                    Reading::Ranges(chunks) => (chunks, None),
                    Reading::Whole(chunks) => {
                        let whole =
                            WholeRead::new(number, head, tail, index.file_checksum, chunks.len());
                        self.wholes.push(whole);
                        (chunks, Some(self.wholes.len() - 1))
                    }
                };
                let reads = chunks.into_iter().enumerate();
                self.reads.extend(reads.map(|(number, chunk)| Read {
                    chunk,
                    whole,
                    number,
                }));
            }
        }
        assembly.pages.cut(header.commit);
        Ok(if assembly.pages.is_complete() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

async fn fetch_chunk<'r, O: Objects>(
    source: &Source<'_, O>,
    objects: &[Listed],
    read: &'r Read,
) -> Result<(&'r Read, Vec<u8>), RestoreError> {
    let range = ByteRange {
        offset: read.chunk.offset,
        length: read.chunk.length,
    };
    let object = &objects[read.chunk.object as usize];
    Ok((read, source.range(object, range).await?))
}

fn failed<O: Objects>(source: &Source<'_, O>, object: &Listed, error: ApplyError) -> RestoreError {
    match error {
        ApplyError::Damage(damage) => source.damaged(object, damage),
        ApplyError::File(error) => error.into(),
    }
}

/// Whether there was a checksum of the database to compare with.
fn check_database<O: Objects>(
    source: &Source<'_, O>,
    newest_first: &[Listed],
    header: &Header,
    page_checksums: &[u64],
) -> Result<bool, RestoreError> {
    let Some(expected) = header.extra.database_checksum else {
        return Ok(false);
    };
    let found = Rolling::of(page_checksums).value();
    if found == expected {
        return Ok(true);
    }
    Err(RestoreError::DatabaseChecksum {
        key: source.key(&newest_first[0]),
        expected,
        found,
    })
}
