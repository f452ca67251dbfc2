//! Which keys are files of a Litestream 0.3 backup, and what their names say.
//!
//! ```text
//! generations/<generation: 16 hex>/snapshots/<index: 8 hex>.snapshot.lz4
//! generations/<generation: 16 hex>/wal/<index: 8 hex>_<offset: 8 to 16 hex>.wal.lz4
//! ```

use std::fmt;

/// What the keys of all files begin with.
pub const PREFIX: &str = "generations/";

/// An unbroken line of WALs. Litestream 0.3 began a new one whenever it had lost track of the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// The number of a WAL in its generation. A checkpoint begins the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalIndex(pub u32);

impl WalIndex {
    /// `None` after the last number there is.
    pub const fn next(self) -> Option<WalIndex> {
        match self.0.checked_add(1) {
            Some(next) => Some(WalIndex(next)),
            None => None,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for WalIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What a file of a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The database as it was when the WAL began.
    Snapshot(WalIndex),
    /// Bytes of a WAL from `offset` on.
    Segment { index: WalIndex, offset: u64 },
}

/// `None`: not a file of a backup. Others may share the bucket.
pub fn parse(key: &str) -> Option<(Generation, Content)> {
    let (generation, file) = key.strip_prefix(PREFIX)?.split_once('/')?;
    let generation = Generation(hex(generation, 16..=16)?);
    if let Some(name) = file.strip_prefix("snapshots/") {
        let index = index(name.strip_suffix(".snapshot.lz4")?)?;
        return Some((generation, Content::Snapshot(index)));
    }
    let name = file.strip_prefix("wal/")?.strip_suffix(".wal.lz4")?;
    let (name, offset) = name.split_once('_')?;
    let index = index(name)?;
    let offset = hex(offset, 8..=16)?;
    Some((generation, Content::Segment { index, offset }))
}

fn index(digits: &str) -> Option<WalIndex> {
    let index = hex(digits, 8..=8)?;
    u32::try_from(index).ok().map(WalIndex)
}

fn hex(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let lowercase_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !length.contains(&digits.len()) || !digits.bytes().all(lowercase_hex) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_litestream() {
        let generation = Generation(0x238e_bc2b_b6ab_ae9c);
        assert_eq!(
            parse("generations/238ebc2bb6abae9c/snapshots/00000002.snapshot.lz4"),
            Some((generation, Content::Snapshot(WalIndex(2))))
        );
        let (index, offset) = (WalIndex(0x1f), 0x263b0);
        assert_eq!(
            parse("generations/238ebc2bb6abae9c/wal/0000001f_000263b0.wal.lz4"),
            Some((generation, Content::Segment { index, offset }))
        );
    }

    #[test]
    fn offsets_beyond_4_gib_have_more_digits() {
        for (digits, offset) in [
            ("ffffffff", 0xffff_ffff),
            ("100000000", 0x1_0000_0000),
            ("ffffffffffffffff", u64::MAX),
            ("0000000100000000", 0x1_0000_0000),
        ] {
            let key = format!("generations/0000000000000001/wal/00000000_{digits}.wal.lz4");
            let index = WalIndex(0);
            let segment = Content::Segment { index, offset };
            assert_eq!(parse(&key), Some((Generation(1), segment)));
        }
    }

    #[test]
    fn other_keys_are_left_alone() {
        for key in [
            "",
            "generations/",
            "generations/238ebc2bb6abae9c",
            "generations/238ebc2bb6abae9c/snapshots/",
            "generations/238ebc2bb6abae9c/snapshots/00000002.snapshot.lz4.tmp",
            "generations/238ebc2bb6abae9c/snapshots/0000002.snapshot.lz4",
            "generations/238ebc2bb6abae9c/snapshots/000000002.snapshot.lz4",
            "generations/238ebc2bb6abae9c/snapshots/x/00000002.snapshot.lz4",
            "generations/238EBC2BB6ABAE9C/snapshots/00000002.snapshot.lz4",
            "generations/238ebc2bb6abae9/snapshots/00000002.snapshot.lz4",
            "generations/238ebc2bb6abae9c/wal/00000002.wal.lz4",
            "generations/238ebc2bb6abae9c/wal/00000002_0000000.wal.lz4",
            "generations/238ebc2bb6abae9c/wal/00000002_00000000000000000.wal.lz4",
            "generations/238ebc2bb6abae9c/wal/00000002_+0000000.wal.lz4",
            "generations/238ebc2bb6abae9c/wal/00000002_00000000.wal",
            "x/generations/238ebc2bb6abae9c/snapshots/00000002.snapshot.lz4",
            "0000/0000000000000001-0000000000000001.ltx",
        ] {
            assert_eq!(parse(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn every_name_leads_back_to_what_it_says(
            generation: u64,
            index: u32,
            offset: u64,
        ) {
            let (generation, index) = (Generation(generation), WalIndex(index));
            let snapshot = format!("{PREFIX}{generation}/snapshots/{index}.snapshot.lz4");
            prop_assert_eq!(parse(&snapshot), Some((generation, Content::Snapshot(index))));
            let segment = format!("{PREFIX}{generation}/wal/{index}_{offset:08x}.wal.lz4");
            let content = Content::Segment { index, offset };
            prop_assert_eq!(parse(&segment), Some((generation, content)));
        }

        #[test]
        fn no_key_is_too_strange(key: String) {
            let _ = parse(&key);
            let _ = parse(&format!("{PREFIX}0123456789abcdef/wal/{key}.wal.lz4"));
        }
    }
}
