//! Finds where the replica stands, from the replica alone: no local state is needed.
//!
//! The newest object's header says up to which point of which WAL was shipped. When the WAL on
//! disk still holds that point, shipping goes on from there. Else the database is compared with
//! the checksums of what was shipped, if they can be had, and only what differs is shipped.

use super::Replicator;
use super::checksums::Checksums;
use super::database::Database;
use super::error::Error;
use super::levels::Levels;
use super::levels::holdings::Holdings;
use super::place::Place;
use super::plan::Tip;
use crate::ltx::header::HEADER_BYTES;
use crate::ltx::{Header, ObjectName};
use crate::ports::{ByteRange, FileError, FileKind, LogLevel, Objects};
use crate::restore::{self, Listing};
use crate::units::{PageSize, Txid};
use crate::wal::{self, IndexHeader, WalHeader};

impl<O: Objects> Replicator<O> {
    /// Lists the replica and sets the tip.
    pub(super) async fn find_tip(&self, page_size: PageSize) -> Result<(), Error> {
        let layout = self.settings.layout;
        let listing = restore::list_all(&self.objects, &*self.environment, layout).await?;
        let Some(newest) = listing.newest() else {
            self.with(|state| {
                state.epoch = 1;
                state.tip = Some(Tip {
                    txid: Txid::ZERO,
                    place: Place::Unknown,
                    timestamp_ms: 0,
                    checksums: None,
                });
                state.levels = Some(self.levels(&listing, Txid::ZERO));
            });
            return Ok(());
        };
        // Only level 0 says which part of the WAL it stands for.
        let newest = listing
            .newest_shipped()
            .filter(|shipped| shipped.max == newest.max)
            .unwrap_or(newest);
        let header = self.read_header(&newest).await?;
        if header.page_size != page_size {
            return Err(Error::PageSize {
                database: page_size,
                replica: header.page_size,
            });
        }
        let checksums = self.find_checksums(&listing, &header).await;
        self.with(|state| -> Result<(), Error> {
            state.epoch = header.extra.epoch.wrapping_add(1);
            let place = match state.database.as_mut() {
                Some(database) => place_of(database, &header)?,
                None => Place::Unknown,
            };
            let how = match (place, &checksums) {
                (Place::At(_), _) => "the WAL still holds that point: going on from there",
                (_, Some(_)) => "the WAL has moved on: comparing the database with it",
                (_, None) => {
                    "the WAL has moved on and the page checksums are not known: a full copy follows"
                }
            };
            self.log(
                LogLevel::Info,
                &format!("the replica is at TXID {}; {how}", header.max),
            );
            state.tip = Some(Tip {
                txid: newest.max,
                place,
                timestamp_ms: header.timestamp_ms,
                checksums,
            });
            state.levels = Some(self.levels(&listing, newest.max));
            Ok(())
        })
    }

    fn levels(&self, listing: &Listing, tip: Txid) -> Levels {
        Levels::new(Holdings::new(listing), tip, &self.settings.schedule)
    }

    pub(super) async fn read_header(&self, name: &ObjectName) -> Result<Header, Error> {
        let key = self.settings.layout.key(name);
        let range = ByteRange {
            offset: 0,
            length: HEADER_BYTES as u64,
        };
        let bytes = self.objects.get(&key, Some(range)).await?;
        let bytes: [u8; HEADER_BYTES] =
            bytes.try_into().map_err(|short: Vec<u8>| Error::Object {
                key: key.clone(),
                what: format!("it has {} bytes, fewer than an LTX header", short.len()),
            })?;
        let (header, _) = Header::parse(&bytes).map_err(Error::header(&key))?;
        Ok(header)
    }

    /// The checksums of what was shipped as of the newest object: the cache, brought up to date
    /// with the objects since, and verified against the checksum in the newest header.
    async fn find_checksums(&self, listing: &Listing, newest: &Header) -> Option<Checksums> {
        let cached = match self.files.load_whole(FileKind::Checksums) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) => return None,
            Err(error) => {
                self.log(LogLevel::Warn, &format!("page checksums: {error}"));
                return None;
            }
        };
        let (txid, checksums) = Checksums::decode(&cached, newest.page_size)?;
        let expected = newest.extra.database_checksum?;
        if txid > newest.max {
            return None;
        }
        let mut pages = checksums.into_pages();
        if txid < newest.max {
            let layout = self.settings.layout;
            let rolled = restore::roll_forward(
                &self.objects,
                &*self.environment,
                layout,
                listing,
                txid,
                &mut pages,
            )
            .await;
            if let Err(error) = rolled {
                self.log(
                    LogLevel::Warn,
                    &format!("page checksums cannot be brought up to date: {error}"),
                );
                return None;
            }
        }
        let checksums = Checksums::new(pages);
        (checksums.database() == expected && checksums.pages() == newest.commit)
            .then_some(checksums)
    }
}

/// Does the WAL on disk still hold the point that the header names?
fn place_of(database: &mut Database, header: &Header) -> Result<Place, Error> {
    let Some(index) = database.index() else {
        return Err(Error::Busy(
            "the WAL-index is just being written".to_owned(),
        ));
    };
    let end = header.wal_offset + header.wal_size;
    let page_size = database.page_size;
    if header.wal_size == 0 || index.salts != header.salts || index.last_frame == 0 {
        return Ok(Place::Unknown);
    }
    // Somebody else's checkpoint copied frames that are not shipped, and the next writer may
    // overwrite them: they cannot be read safely from the WAL any more.
    let all_backfilled = index.backfilled >= index.last_frame;
    let limit = wal::offset_after(index.last_frame, page_size);
    if end > limit || (all_backfilled && end < limit) {
        return Ok(Place::Unknown);
    }
    if end == limit && all_backfilled {
        let known = index.end(page_size);
        return Ok(verified(header, known.checksum).map_or(Place::Unknown, |()| Place::At(known)));
    }
    let Some(wal_header) = database.wal_header()? else {
        return Ok(Place::Unknown);
    };
    scan_to(database, &wal_header, header, &index, end)
}

fn scan_to(
    database: &mut Database,
    wal_header: &WalHeader,
    header: &Header,
    index: &IndexHeader,
    end: u64,
) -> Result<Place, Error> {
    if wal_header.salts != index.salts {
        return Ok(Place::Unknown);
    }
    let scan = database.scan(wal_header, wal_header.start(), end, u64::MAX)?;
    Ok(match scan {
        Some(scan) if scan.end.offset == end => {
            verified(header, scan.end.checksum).map_or(Place::Unknown, |()| Place::At(scan.end))
        }
        _ => Place::Unknown,
    })
}

/// After a power failure a WAL may have lost its tail and been written on differently, with the
/// same salts. Objects of ours say which checksum the WAL had at that point.
fn verified(header: &Header, checksum: wal::WalChecksum) -> Option<()> {
    let known = header.extra.wal_checksum;
    (known == (0, 0) || known == checksum).then_some(())
}
