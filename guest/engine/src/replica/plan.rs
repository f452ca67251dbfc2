//! What the next object holds: the frames since the last one, the pages that differ, or all.

use super::checksums::Checksums;
use super::database::Database;
use super::error::Error;
use super::place::Place;
use crate::ltx::page_checksum;
use crate::mutants::{self, Mutant};
use crate::units::{Pgno, Txid};
use crate::wal::{self, Image, IndexHeader, WalPosition};
use std::collections::BTreeMap;

/// Where the replica stands.
#[derive(Debug, Clone)]
pub struct Tip {
    /// Of the newest object; 0: the replica is empty.
    pub txid: Txid,
    /// When it certainly was the newest. Unix milliseconds.
    pub newest_ms: u64,
    pub place: Place,
    /// When `txid` was committed, as its object says. Unix milliseconds.
    pub timestamp_ms: i64,
    /// Of the pages as of `txid`, when they are known.
    pub checksums: Option<Checksums>,
}

/// What an object does to the checksums.
#[derive(Debug)]
pub enum Change {
    /// Ascending.
    Some(Vec<(Pgno, u64)>),
    All(Checksums),
}

/// One object to be.
#[derive(Debug)]
pub struct Shipment {
    pub txid: Txid,
    /// Database size in pages.
    pub pages: u32,
    /// Ascending, without the lock page; and where each is, when not in the newest place.
    pub content: Vec<(Pgno, Option<Image>)>,
    pub change: Change,
    /// Where the range of the WAL begins and ends that this object stands for; `None`: there is
    /// no WAL.
    pub range: Option<(u64, WalPosition)>,
    /// Committed frames follow.
    pub more: bool,
}

/// What there is to do.
#[derive(Debug)]
pub enum Next {
    /// Nothing; and this is where we are.
    Nothing(Place),
    Ship(Box<Shipment>),
    /// The WAL is not the one we were reading; the reason is for the log.
    Lost(&'static str),
}

/// Finds out what to ship next. Reads the WAL, and the database when it must be compared.
pub fn next(
    database: &mut Database,
    index: &IndexHeader,
    tip: &Tip,
    max_bytes: u64,
) -> Result<Next, Error> {
    match tip.place {
        Place::Unknown => compare(database, index, tip),
        Place::Start => from_start(database, index, tip, max_bytes),
        Place::At(position) => {
            let end = wal::offset_after(index.last_frame, database.page_size);
            if index.salts == position.salts {
                if end < position.offset {
                    return Ok(Next::Lost("the WAL is shorter than what was shipped of it"));
                }
                return frames(database, index, tip, position, max_bytes);
            }
            // SQLite adds one to the first salt when it restarts a WAL, which it does only after
            // a checkpoint of the whole of it. All checkpoints are ours and none goes past what
            // is shipped.
            if index.salts.0 != position.salts.0.wrapping_add(1) {
                return Ok(Next::Lost("the WAL was replaced by another one"));
            }
            database.forget_images();
            from_start(database, index, tip, max_bytes)
        }
    }
}

fn from_start(
    database: &mut Database,
    index: &IndexHeader,
    tip: &Tip,
    max_bytes: u64,
) -> Result<Next, Error> {
    if index.last_frame == 0 {
        return Ok(Next::Nothing(Place::Start));
    }
    match database.wal_header()? {
        Some(header) if header.salts == index.salts => {
            frames(database, index, tip, header.start(), max_bytes)
        }
        _ => Ok(Next::Lost("the WAL-index and the WAL's header differ")),
    }
}

/// The frames after `from`.
fn frames(
    database: &mut Database,
    index: &IndexHeader,
    tip: &Tip,
    from: WalPosition,
    max_bytes: u64,
) -> Result<Next, Error> {
    let until = wal::offset_after(index.last_frame, database.page_size);
    if from.offset == until {
        return Ok(Next::Nothing(Place::At(from)));
    }
    let Some(header) = database.wal_header()? else {
        return Ok(Next::Lost("the WAL's header is gone"));
    };
    let Some(scan) = database.scan(&header, from, until, max_bytes)? else {
        return Ok(Next::Lost("the WAL-index names frames without a commit"));
    };
    if !scan.more && (scan.end.checksum != index.checksum || scan.pages != index.pages) {
        return Ok(Next::Lost("the WAL-index and the WAL's frames differ"));
    }
    let lock_page = database.page_size.lock_page();
    let mut content: BTreeMap<Pgno, Option<Image>> = scan
        .images
        .iter()
        .filter(|image| image.pgno.0 <= scan.pages)
        .map(|image| (image.pgno, Some(*image)))
        .collect();
    let change = match &tip.checksums {
        Some(known) => {
            // Pages that the database grew by without writing them are in no frame. They belong to
            // the database all the same.
            for pgno in (known.pages() + 1..=scan.pages).map(Pgno) {
                content.entry(pgno).or_insert(None);
            }
            content.remove(&lock_page);
            let mut set = Vec::with_capacity(content.len());
            for (pgno, image) in &content {
                let page = read(database, *pgno, *image)?;
                set.push((*pgno, page_checksum(*pgno, &page)));
            }
            Change::Some(set)
        }
        // The checksums are lost, the WAL is not: read the database as it will be.
        None => {
            content.remove(&lock_page);
            Change::All(Checksums::new(database.checksums(scan.pages)?))
        }
    };
    Ok(Next::Ship(Box::new(Shipment {
        txid: tip.txid.next(),
        pages: scan.pages,
        content: content.into_iter().collect(),
        change,
        range: Some((from.offset, scan.end)),
        more: scan.more,
    })))
}

/// The pages that differ from what was shipped, or all when that is not known.
fn compare(database: &mut Database, index: &IndexHeader, tip: &Tip) -> Result<Next, Error> {
    let end = whole_wal(database, index)?;
    let pages = match end {
        Some(_) => index.pages,
        None => database.file_pages()?,
    };
    if pages == 0 {
        return Ok(Next::Nothing(Place::Unknown));
    }
    if tip.txid > Txid::ZERO && mutants::is(Mutant::NoComparison) {
        return Ok(Next::Nothing(end.map_or(Place::Start, Place::At)));
    }
    let now = database.checksums(pages)?;
    let lock_page = database.page_size.lock_page();
    let old = tip.checksums.as_ref();
    let content: Vec<(Pgno, Option<Image>)> = (1..=pages)
        .map(Pgno)
        .filter(|pgno| *pgno != lock_page)
        .filter(|pgno| old.is_none_or(|old| old.get(*pgno) != Some(now[pgno.0 as usize - 1])))
        .map(|pgno| (pgno, None))
        .collect();
    if content.is_empty() && old.is_some_and(|old| old.pages() == pages) {
        return Ok(Next::Nothing(end.map_or(Place::Start, Place::At)));
    }
    Ok(Next::Ship(Box::new(Shipment {
        txid: tip.txid.next(),
        pages,
        content,
        change: Change::All(Checksums::new(now)),
        range: end.map(|end| (wal::HEADER_BYTES, end)),
        more: false,
    })))
}

/// Whether the database is what it was when it had these checksums.
pub fn is_as(
    database: &mut Database,
    index: &IndexHeader,
    known: &Checksums,
) -> Result<bool, Error> {
    let pages = match whole_wal(database, index)? {
        Some(_) => index.pages,
        None => database.file_pages()?,
    };
    if pages != known.pages() {
        return Ok(false);
    }
    Ok(Checksums::new(database.checksums(pages)?) == *known)
}

/// Makes sure that pages are read as of the last commit. Returns where that is; `None`: the WAL is
/// empty.
fn whole_wal(database: &mut Database, index: &IndexHeader) -> Result<Option<WalPosition>, Error> {
    database.forget_images();
    if index.last_frame == 0 {
        return Ok(None);
    }
    let end = index.end(database.page_size);
    if index.backfilled >= index.last_frame {
        // All of it is in the database file, and the next writer may overwrite the frames. Until
        // somebody checkpoints, which only we do, the file stays as it is.
        return Ok(Some(end));
    }
    let header = database.wal_header()?;
    let Some(header) = header.filter(|header| header.salts == index.salts) else {
        return Err(Error::Busy("the WAL is just being restarted".to_owned()));
    };
    match database.scan(&header, header.start(), end.offset, u64::MAX)? {
        Some(scan) if scan.end == end => Ok(Some(end)),
        _ => Err(Error::Busy("the WAL changed while it was read".to_owned())),
    }
}

/// One page of a shipment.
pub fn read(database: &mut Database, pgno: Pgno, image: Option<Image>) -> Result<Vec<u8>, Error> {
    match image {
        Some(image) => database.image(image),
        None => database.page(pgno),
    }
}
