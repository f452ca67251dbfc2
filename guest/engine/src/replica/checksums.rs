//! Checksums of the pages that were shipped: what the whole-database checksum is made of, and
//! what tells after an absence which pages differ from the replica.
//!
//! The file beside the database (all integers little-endian):
//!
//! ```text
//! "SWCK" | version u32 | page size u32 | pages u32 | TXID u64 | rolling u64 | writer u64 | pages × u64
//! | CRC-64 u64
//! ```
//!
//! It is a cache: bound to a TXID, verified against the replica, and when it is missing or
//! doubtful the price is one full copy. It also says who ships from this file: what somebody else
//! shipped since that TXID is not in it.

use crate::ltx::{Crc64, Rolling};
use crate::units::{PageSize, Pgno, Txid};

const MAGIC: &[u8; 4] = b"SWCK";
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 40;

/// The writer of a database that was restored as of now, and from which nothing was shipped.
pub const NOBODY: u64 = 0;
/// The writer of a database that was restored as of a moment that somebody chose: all that was
/// shipped since is meant to be taken back.
pub const CHOSEN: u64 = u64::MAX;

/// One checksum for each page; 0 for the lock page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checksums {
    pages: Vec<u64>,
    rolling: Rolling,
}

/// What the file beside the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub txid: Txid,
    /// The NodeID of the process that shipped last from this database, [`NOBODY`] or [`CHOSEN`].
    pub writer: u64,
    pub checksums: Checksums,
}

impl Checksums {
    pub fn new(pages: Vec<u64>) -> Checksums {
        let rolling = Rolling::of(&pages);
        Checksums { pages, rolling }
    }

    pub fn pages(&self) -> u32 {
        self.pages.len() as u32
    }

    pub fn into_pages(self) -> Vec<u64> {
        self.pages
    }

    /// Of the whole database.
    pub fn database(&self) -> u64 {
        self.rolling.value()
    }

    /// `None`: the database had no such page.
    pub fn get(&self, pgno: Pgno) -> Option<u64> {
        self.pages.get(pgno.0 as usize - 1).copied()
    }

    /// The whole-database checksum after `apply` with the same arguments.
    pub fn database_after(&self, pages: u32, set: &[(Pgno, u64)]) -> u64 {
        let mut rolling = self.rolling;
        for gone in self.pages.iter().skip(pages as usize) {
            rolling.remove(*gone);
        }
        for (pgno, checksum) in set {
            rolling.replace(self.get(*pgno).unwrap_or(0), *checksum);
        }
        rolling.value()
    }

    /// The database has `pages` pages now, and those in `set` changed.
    pub fn apply(&mut self, pages: u32, set: &[(Pgno, u64)]) {
        self.rolling = Rolling::from_value(self.database_after(pages, set));
        self.pages.resize(pages as usize, 0);
        for (pgno, checksum) in set {
            if let Some(slot) = self.pages.get_mut(pgno.0 as usize - 1) {
                *slot = *checksum;
            }
        }
    }

    pub fn encode(&self, txid: Txid, page_size: PageSize, writer: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 8 * self.pages.len() + 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&page_size.get().to_le_bytes());
        bytes.extend_from_slice(&self.pages().to_le_bytes());
        bytes.extend_from_slice(&txid.0.to_le_bytes());
        bytes.extend_from_slice(&self.database().to_le_bytes());
        bytes.extend_from_slice(&writer.to_le_bytes());
        for page in &self.pages {
            bytes.extend_from_slice(&page.to_le_bytes());
        }
        let crc = Crc64::of(&bytes).value();
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None`: not such a file, damaged, or of another page size.
    pub fn decode(bytes: &[u8], page_size: PageSize) -> Option<Saved> {
        let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        let (header, pages) = body.split_at_checked(HEADER_BYTES)?;
        let word =
            |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap_or_default());
        let long =
            |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
        let count = word(12) as usize;
        let sound = &header[..4] == MAGIC
            && word(4) == VERSION
            && word(8) == page_size.get()
            && pages.len() == count * 8
            && Crc64::of(body).value().to_le_bytes() == crc;
        if !sound {
            return None;
        }
        let pages = pages
            .chunks_exact(8)
            .map(|page| u64::from_le_bytes(page.try_into().unwrap_or_default()))
            .collect();
        let checksums = Checksums::new(pages);
        (checksums.database() == long(24)).then_some(Saved {
            txid: Txid(long(16)),
            writer: long(32),
            checksums,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ltx::page_checksum;

    fn sample() -> (PageSize, Checksums) {
        let size = PageSize::new(512).unwrap();
        let pages = (1..=5u8)
            .map(|n| page_checksum(Pgno(u32::from(n)), &[n; 512]))
            .collect();
        (size, Checksums::new(pages))
    }

    #[test]
    fn what_was_written_is_read_again() {
        let (size, checksums) = sample();
        let bytes = checksums.encode(Txid(7), size, 9);
        let saved = Saved {
            txid: Txid(7),
            writer: 9,
            checksums,
        };
        assert_eq!(Checksums::decode(&bytes, size), Some(saved));
    }

    #[test]
    fn any_flipped_bit_or_cut_makes_the_file_doubtful() {
        let (size, checksums) = sample();
        let bytes = checksums.encode(Txid(7), size, 9);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Checksums::decode(&damaged, size), None, "byte {at}");
            assert_eq!(Checksums::decode(&bytes[..at], size), None, "cut at {at}");
        }
        assert_eq!(Checksums::decode(&bytes, PageSize::MAX), None);
    }

    #[test]
    fn the_rolling_checksum_follows_changes_and_shrinking() {
        let (_, mut checksums) = sample();
        checksums.apply(5, &[(Pgno(2), page_checksum(Pgno(2), &[9; 512]))]);
        checksums.apply(3, &[]);
        checksums.apply(4, &[(Pgno(4), page_checksum(Pgno(4), &[8; 512]))]);
        let fresh = Checksums::new(checksums.pages.clone());
        assert_eq!(fresh.database(), checksums.database());
    }
}
