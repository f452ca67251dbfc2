//! Holds page images of a WAL until they are written: the newest of each page, in few long writes.
//!
//! The memory is bounded. A transaction that does not fit is written before it is known to end; if
//! it does not, the file is spoiled, and whoever builds it begins again, knowing where to stop.

use std::collections::BTreeMap;

use crate::restore::generations::damage::Failure;
use crate::restore::generations::database::Database;
use crate::units::{PageSize, Pgno};

/// Of images held, at most. Hot pages are written once for all transactions that fit.
pub const IMAGE_BYTES: usize = 8 * 1024 * 1024;

pub struct Images {
    page_size: PageSize,
    bytes: Vec<u8>,
    /// Where in `bytes` the image of each page begins: of transactions that ended, and of the one
    /// that has not.
    committed: BTreeMap<Pgno, usize>,
    pending: BTreeMap<Pgno, usize>,
    /// Images of the pending transaction are in the file.
    ahead: bool,
}

impl Images {
    pub fn new(page_size: PageSize) -> Images {
        Images {
            page_size,
            bytes: Vec::new(),
            committed: BTreeMap::new(),
            pending: BTreeMap::new(),
            ahead: false,
        }
    }

    /// Takes an image of the pending transaction.
    pub fn put(
        &mut self,
        pgno: Pgno,
        page: &[u8],
        database: &mut Database<'_>,
    ) -> Result<(), Failure> {
        if let Some(&at) = self.pending.get(&pgno) {
            self.bytes[at..at + page.len()].copy_from_slice(page);
            return Ok(());
        }
        if self.bytes.len() + page.len() > IMAGE_BYTES {
            self.make_room(database)?;
        }
        self.pending.insert(pgno, self.bytes.len());
        self.bytes.extend_from_slice(page);
        Ok(())
    }

    /// The pending transaction ends.
    pub fn commit(&mut self) {
        self.committed.append(&mut self.pending);
        self.ahead = false;
    }

    /// Writes what was committed and forgets the rest. False: some of the rest is in the file.
    pub fn finish(&mut self, database: &mut Database<'_>) -> Result<bool, Failure> {
        self.write_committed(database)?;
        self.pending.clear();
        self.bytes.clear();
        Ok(!std::mem::take(&mut self.ahead))
    }

    fn make_room(&mut self, database: &mut Database<'_>) -> Result<(), Failure> {
        self.write_committed(database)?;
        let page = self.page_size.bytes();
        if self.pending.len() * page > IMAGE_BYTES / 2 {
            self.ahead = true;
            for (pgno, at) in std::mem::take(&mut self.pending) {
                database.page(pgno, &self.bytes[at..at + page])?;
            }
            self.bytes.clear();
            return Ok(());
        }
        let mut kept = Vec::with_capacity(IMAGE_BYTES);
        for at in self.pending.values_mut() {
            let image = &self.bytes[*at..*at + page];
            *at = kept.len();
            kept.extend_from_slice(image);
        }
        self.bytes = kept;
        Ok(())
    }

    fn write_committed(&mut self, database: &mut Database<'_>) -> Result<(), Failure> {
        for (pgno, at) in std::mem::take(&mut self.committed) {
            database.page(pgno, &self.bytes[at..at + self.page_size.bytes()])?;
        }
        Ok(())
    }
}
