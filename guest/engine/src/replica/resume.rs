//! Finds where the replica stands, from the replica alone: no local state is needed.
//!
//! The newest object's header says up to which point of which WAL was shipped. When the WAL on
//! disk still holds that point, shipping goes on from there. Else the database is compared with
//! the checksums of what was shipped, if they can be had, and only what differs is shipped.

use super::checksums::{CHOSEN, Checksums, Saved};
use super::database::Database;
use super::error::Error;
use super::levels::Levels;
use super::levels::holdings::Holdings;
use super::place::Place;
use super::plan::{self, Tip};
use super::{Replicator, State, VFS_NAME};
use crate::ltx::header::HEADER_BYTES;
use crate::ltx::{Header, ObjectName};
use crate::mutants::{self, Mutant};
use crate::ports::{ByteRange, FileError, FileKind, LogLevel, Objects};
use crate::restore::{self, Listing, RestoreError};
use crate::units::{PageSize, Txid};
use crate::wal::{self, IndexHeader, WalHeader};

impl<O: Objects> Replicator<O> {
    /// Lists the replica and sets the tip.
    pub(super) async fn find_tip(&self, page_size: PageSize) -> Result<(), Error> {
        let layout = self.settings.layout;
        let began = self.environment.now_ms();
        let listing = restore::list_all(&self.objects, &*self.environment, layout).await?;
        let Some(newest) = listing.newest() else {
            self.with(|state| {
                state.epoch = 1;
                state.tip = Some(Tip {
                    txid: Txid::ZERO,
                    newest_ms: began,
                    place: Place::Unknown,
                    timestamp_ms: 0,
                    checksums: None,
                });
                state.levels = Some(self.levels(&listing, Txid::ZERO));
                // Before anything is shipped, here too: whoever comes later knows whose it was.
                let nothing = Checksums::default().encode(Txid::ZERO, page_size, self.writer);
                self.write_checksums(state, Txid::ZERO, &nothing);
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
        let place = self.with(|state| match state.database.as_mut() {
            Some(database) => place_of(database, &header),
            None => Ok(Place::Unknown),
        })?;
        let mut saved = self.saved_checksums(page_size);
        if let (Place::Unknown, Some(known)) = (place, &saved)
            && is_overtaken(known, &header)
        {
            saved = Some(self.catch_up(known, &listing, &header).await?);
        }
        let checksums = self.find_checksums(saved, &listing, &header).await?;
        self.with(|state| {
            state.epoch = header.extra.epoch.wrapping_add(1);
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
                newest_ms: began,
                place,
                timestamp_ms: header.timestamp_ms,
                checksums,
            });
            state.levels = Some(self.levels(&listing, newest.max));
            self.sign(state);
        });
        Ok(())
    }

    /// Says beside the database who ships from it from now on, before anything is shipped.
    fn sign(&self, state: &mut State) {
        let known = state
            .tip
            .as_ref()
            .is_some_and(|tip| tip.checksums.is_some());
        state.upkeep.saved = None;
        if known {
            self.save_checksums(state);
        }
        if state.upkeep.saved.is_none()
            && let Err(error) = self.files.delete(FileKind::Checksums, true)
            && error != FileError::NotFound
        {
            // Left there, it would make what we ship look like somebody else's.
            let text = format!("page checksums that are out of date cannot be removed: {error}");
            self.log(LogLevel::Warn, &text);
        }
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

    fn saved_checksums(&self, page_size: PageSize) -> Option<Saved> {
        match self.files.load_whole(FileKind::Checksums) {
            Ok(bytes) => Checksums::decode(&bytes, page_size),
            Err(FileError::NotFound) => None,
            Err(error) => {
                self.log(LogLevel::Warn, &format!("page checksums: {error}"));
                None
            }
        }
    }

    /// Somebody else shipped since this database was in step. Where nobody has changed it since, it
    /// is brought up to date; else two histories begin here, and that is for people to decide.
    async fn catch_up(
        &self,
        known: &Saved,
        listing: &Listing,
        newest: &Header,
    ) -> Result<Saved, Error> {
        let layout = self.settings.layout;
        let (objects, environment) = (&self.objects, &*self.environment);
        let is_untouched = || {
            self.with(|state| {
                let Some(database) = &mut state.database else {
                    return false;
                };
                let index = database.index();
                index.is_some_and(|index| {
                    plan::is_as(database, &index, &known.checksums).unwrap_or(false)
                })
            })
        };
        // Known before the database is touched: between its change and the file that tells of it
        // nothing is waited for.
        let mut pages = known.checksums.clone().into_pages();
        restore::roll_forward(
            objects,
            environment,
            layout,
            listing,
            known.txid,
            &mut pages,
        )
        .await?;
        let from = (listing, known.txid);
        let done =
            restore::catch_up(objects, environment, layout, VFS_NAME, from, is_untouched).await;
        match done {
            Ok(()) => {}
            Err(RestoreError::Changed) => {
                let (txid, author) = (newest.max, format!("the writer {:016x}", newest.node));
                self.with(|state| state.fenced = Some((txid, author.clone())));
                return Err(Error::Fenced { txid, author });
            }
            Err(error) => return Err(error.into()),
        }
        self.log(
            LogLevel::Warn,
            &format!(
                "another writer went on from TXID {} to {}, and nobody changed this database \
                 since: it was brought up to date",
                known.txid, newest.max
            ),
        );
        Ok(Saved {
            txid: newest.max,
            writer: self.writer,
            checksums: Checksums::new(pages),
        })
    }

    /// The checksums of what was shipped as of the newest object: the cache, brought up to date
    /// with the objects since, and verified against the checksum in the newest header.
    ///
    /// Errors: the store is away.
    async fn find_checksums(
        &self,
        saved: Option<Saved>,
        listing: &Listing,
        newest: &Header,
    ) -> Result<Option<Checksums>, Error> {
        let (Some(saved), Some(expected)) = (saved, newest.extra.database_checksum) else {
            return Ok(None);
        };
        if saved.txid > newest.max {
            return Ok(None);
        }
        let mut pages = saved.checksums.into_pages();
        if saved.txid < newest.max {
            let rolled = restore::roll_forward(
                &self.objects,
                &*self.environment,
                self.settings.layout,
                listing,
                saved.txid,
                &mut pages,
            )
            .await;
            match rolled.map_err(Error::from) {
                Ok(_) => {}
                Err(error @ (Error::Store(_) | Error::Denied(_))) => return Err(error),
                Err(error) => {
                    let text = format!("page checksums cannot be brought up to date: {error}");
                    self.log(LogLevel::Warn, &text);
                    return Ok(None);
                }
            }
        }
        let checksums = Checksums::new(pages);
        let sound = checksums.database() == expected && checksums.pages() == newest.commit;
        Ok(sound.then_some(checksums))
    }
}

/// Whether the newest object is somebody else's who went on without this database. Litestream leaves
/// no name, and works on the same file when it takes over. Who chose an earlier moment knows that
/// others went on.
fn is_overtaken(saved: &Saved, newest: &Header) -> bool {
    saved.txid < newest.max
        && newest.node != 0
        && newest.node != saved.writer
        && saved.writer != CHOSEN
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
    if mutants::is(Mutant::RestartUnseen) && index.salts != header.salts {
        return Ok(Place::Start);
    }
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
    (known == (0, 0) || known == checksum || mutants::is(Mutant::OldWalTrusted)).then_some(())
}
