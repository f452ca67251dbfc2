//! Which key an object of the replica has, and which keys are objects of the replica.

use std::fmt;

use crate::units::{Level, Txid};

/// Where the levels stand in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `0000/<name>`: S3 and OSS.
    Hexadecimal,
    /// `ltx/0/<name>`: directories and all other stores.
    Decimal,
}

/// Which transactions an object holds, and at which level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    pub level: Level,
    pub min: Txid,
    pub max: Txid,
}

impl ObjectName {
    /// An object of level 0: one transaction.
    pub const fn shipped(txid: Txid) -> ObjectName {
        ObjectName {
            level: Level::SHIPPED,
            min: txid,
            max: txid,
        }
    }

    /// Whether the object holds every page of the database.
    pub fn is_snapshot(&self) -> bool {
        self.min == Txid::FIRST
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.ltx at level {}", self.min, self.max, self.level)
    }
}

impl Layout {
    /// What the keys of all levels begin with, and no key of another kind.
    pub fn root(self) -> &'static str {
        match self {
            Layout::Hexadecimal => "000",
            Layout::Decimal => "ltx/",
        }
    }

    /// What the keys of a level begin with.
    pub fn prefix(self, level: Level) -> String {
        match self {
            Layout::Hexadecimal => format!("{:04x}/", level.get()),
            Layout::Decimal => format!("ltx/{}/", level.get()),
        }
    }

    pub fn key(self, name: &ObjectName) -> String {
        format!("{}{}-{}.ltx", self.prefix(name.level), name.min, name.max)
    }

    /// `None`: not an object of the replica. Others may share the bucket.
    pub fn parse(self, key: &str) -> Option<ObjectName> {
        let (level, file) = Level::all().find_map(|level| {
            key.strip_prefix(self.prefix(level).as_str())
                .map(|file| (level, file))
        })?;
        let (min, max) = file.strip_suffix(".ltx")?.split_once('-')?;
        let (min, max): (Txid, Txid) = (min.parse().ok()?, max.parse().ok()?);
        (Txid::ZERO < min && min <= max).then_some(ObjectName { level, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(level: u8, min: u64, max: u64) -> ObjectName {
        ObjectName {
            level: Level::new(level).unwrap(),
            min: Txid(min),
            max: Txid(max),
        }
    }

    #[test]
    fn keys_are_those_of_litestream() {
        assert_eq!(
            Layout::Hexadecimal.key(&name(9, 1, 0x1f)),
            "0009/0000000000000001-000000000000001f.ltx"
        );
        assert_eq!(
            Layout::Decimal.key(&name(2, 5, 7)),
            "ltx/2/0000000000000005-0000000000000007.ltx"
        );
    }

    #[test]
    fn every_key_leads_back_to_its_name() {
        for layout in [Layout::Hexadecimal, Layout::Decimal] {
            for level in 0..=9 {
                let name = name(level, 3, 0xabc);
                assert_eq!(layout.parse(&layout.key(&name)), Some(name));
                assert!(layout.key(&name).starts_with(layout.root()));
            }
        }
    }

    #[test]
    fn other_keys_are_left_alone() {
        for key in [
            "",
            "0000/",
            "0000/0000000000000001-0000000000000001.ltx.tmp",
            "0000/0000000000000001-0000000000000001",
            "0000/000000000000001-0000000000000001.ltx",
            "0000/000000000000000A-000000000000000A.ltx",
            "0000/x/0000000000000001-0000000000000001.ltx",
            "000a/0000000000000001-0000000000000001.ltx",
            "0/0000000000000001-0000000000000001.ltx",
            "0000/0000000000000002-0000000000000001.ltx",
            "0000/0000000000000000-0000000000000001.ltx",
            "ltx/0/0000000000000001-0000000000000001.ltx",
            "lock.json",
        ] {
            assert_eq!(Layout::Hexadecimal.parse(key), None, "{key}");
        }
    }
}
