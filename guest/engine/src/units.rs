//! The units everything is counted in: transactions, pages, page sizes, levels.

#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

/// The byte at which SQLite keeps its locks. The page that holds it carries no data.
/// Source: SQLite file format, section 1.7.
const PENDING_BYTE: u32 = 0x4000_0000;

/// Why a text or number is not a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("a TXID has 16 lowercase hex digits: {0:?}")]
    Txid(String),
    #[error("a page size is a power of two from 512 to 65536: {0}")]
    PageSize(u32),
    #[error("a level is a number from 0 to 9: {0}")]
    Level(u8),
}

/// The number of a replicated transaction: one line, from 1 on, for the life of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Txid(pub u64);

impl Txid {
    /// Before the first transaction.
    pub const ZERO: Txid = Txid(0);
    /// The transaction that only a full copy of the database can begin with.
    pub const FIRST: Txid = Txid(1);

    /// Stays at the end of the range rather than wrapping: names in a bucket are not trusted.
    pub const fn next(self) -> Txid {
        Txid(self.0.saturating_add(1))
    }
}

impl fmt::Display for Txid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Txid {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refused = || UnitError::Txid(text.to_owned());
        let lowercase_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(lowercase_hex) {
            return Err(refused());
        }
        u64::from_str_radix(text, 16)
            .map(Txid)
            .map_err(|_| refused())
    }
}

/// A page's number in its database, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pgno(pub u32);

impl fmt::Display for Pgno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A power of two from 512 to 65536 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSize(u32);

impl PageSize {
    pub const MIN: PageSize = PageSize(512);
    pub const MAX: PageSize = PageSize(65536);

    pub fn new(bytes: u32) -> Result<PageSize, UnitError> {
        let known = bytes.is_power_of_two() && (Self::MIN.0..=Self::MAX.0).contains(&bytes);
        known
            .then_some(PageSize(bytes))
            .ok_or(UnitError::PageSize(bytes))
    }

    pub const fn bytes(self) -> usize {
        self.0 as usize
    }

    pub const fn get(self) -> u32 {
        self.0
    }

    /// The page under SQLite's lock bytes: never written, never shipped.
    pub const fn lock_page(self) -> Pgno {
        Pgno(PENDING_BYTE / self.0 + 1)
    }

    /// Where a page begins in the database file, bytes.
    pub const fn offset_of(self, pgno: Pgno) -> u64 {
        (pgno.0 as u64 - 1) * self.0 as u64
    }

    /// The length of a database of so many pages, bytes.
    pub const fn database_bytes(self, pages: u32) -> u64 {
        pages as u64 * self.0 as u64
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often an object was merged: 0 is as shipped, 9 is a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    pub const SHIPPED: Level = Level(0);
    /// The first of those that are merged.
    pub const MERGED: Level = Level(1);
    pub const SNAPSHOT: Level = Level(9);
    /// How many there are.
    pub const COUNT: usize = 10;

    pub fn new(level: u8) -> Result<Level, UnitError> {
        (level <= Self::SNAPSHOT.0)
            .then_some(Level(level))
            .ok_or(UnitError::Level(level))
    }

    /// From 0 to 9.
    pub fn all() -> impl Iterator<Item = Level> {
        (0..=Self::SNAPSHOT.0).map(Level)
    }

    pub const fn get(self) -> u8 {
        self.0
    }

    /// The level that is merged into this one.
    pub fn below(self) -> Option<Level> {
        self.0.checked_sub(1).map(Level)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_txid_is_written_as_16_lowercase_hex_digits() {
        assert_eq!(Txid(0x1f).to_string(), "000000000000001f");
        assert_eq!("000000000000001f".parse(), Ok(Txid(0x1f)));
    }

    #[test]
    fn a_txid_in_any_other_spelling_is_refused() {
        for text in [
            "3",
            "000000000000001F",
            "+00000000000001f",
            "0000000000000001f",
            "",
        ] {
            assert_eq!(text.parse::<Txid>(), Err(UnitError::Txid(text.into())));
        }
    }

    #[test]
    fn page_sizes_are_those_of_sqlite() {
        let known: Vec<u32> = (0..=140_000)
            .filter(|&n| PageSize::new(n).is_ok())
            .collect();
        assert_eq!(known, [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]);
    }

    #[test]
    fn the_lock_page_holds_the_byte_at_one_gibibyte() {
        for bytes in [512, 4096, 65536] {
            let size = PageSize::new(bytes).unwrap();
            let starts = size.offset_of(size.lock_page());
            assert!((starts..starts + u64::from(bytes)).contains(&(1 << 30)));
        }
        assert_eq!(
            PageSize::new(4096).map(PageSize::lock_page),
            Ok(Pgno(262_145))
        );
    }

    #[test]
    fn there_are_ten_levels() {
        assert_eq!(Level::all().count(), 10);
        assert_eq!(Level::new(10), Err(UnitError::Level(10)));
    }
}
