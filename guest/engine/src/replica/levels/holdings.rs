//! What the replica holds, as far as we know: listed once at the start, and kept up to date with
//! what we write and delete since.

use crate::ltx::{Layout, ObjectName};
use crate::restore::{Listed, Listing};
use crate::units::{Level, Txid};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Bytes.
    pub size: u64,
    /// When the store took it; of our own objects, when we sent them. Unix milliseconds.
    pub time_ms: u64,
    /// What it holds was read back, or compared with what we sent.
    pub verified: bool,
    /// The store says that it is deleted, or cannot be, and it is still there. Left alone.
    pub stuck: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    objects: BTreeMap<ObjectName, Held>,
    /// Of all objects together.
    bytes: u64,
}

impl Holdings {
    pub fn new(listing: &Listing) -> Holdings {
        let held = |object: &Listed| {
            let held = Held {
                size: object.size,
                time_ms: object.modified_ms,
                verified: false,
                stuck: false,
            };
            (object.name, held)
        };
        let mut holdings = Holdings::default();
        for (name, held) in listing.objects().iter().map(held) {
            holdings.add(name, held);
        }
        holdings
    }

    pub fn add(&mut self, name: ObjectName, held: Held) {
        let replaced = self.objects.insert(name, held);
        self.bytes += held.size;
        self.bytes -= replaced.map_or(0, |held| held.size);
    }

    pub fn remove(&mut self, name: &ObjectName) {
        let removed = self.objects.remove(name);
        self.bytes -= removed.map_or(0, |held| held.size);
    }

    pub fn names(&self) -> impl Iterator<Item = ObjectName> {
        self.objects.keys().copied()
    }

    /// Bytes of all objects together, and how many there are.
    pub fn total(&self) -> (u64, u32) {
        (self.bytes, self.objects.len() as u32)
    }

    pub fn get(&self, name: &ObjectName) -> Option<&Held> {
        self.objects.get(name)
    }

    pub fn get_mut(&mut self, name: &ObjectName) -> Option<&mut Held> {
        self.objects.get_mut(name)
    }

    /// In the order of their TXIDs.
    pub fn level(&self, level: Level) -> impl DoubleEndedIterator<Item = (&ObjectName, &Held)> {
        let bound = |txid| ObjectName {
            level,
            min: txid,
            max: txid,
        };
        self.objects
            .range(bound(Txid::ZERO)..=bound(Txid(u64::MAX)))
    }

    pub fn newest(&self, level: Level) -> Option<(&ObjectName, &Held)> {
        self.level(level).max_by_key(|(name, _)| name.max)
    }

    /// The same as a listing, for planning.
    pub fn listing(&self, layout: Layout) -> Listing {
        let listed = |(name, held): (&ObjectName, &Held)| Listed {
            name: *name,
            size: held.size,
            modified_ms: held.time_ms,
        };
        Listing::of(layout, self.objects.iter().map(listed).collect())
    }

    /// Up to where a level reaches: what comes after it is still to be merged into it.
    ///
    /// An empty level begins where an object of the level below does, and level 1 after the newest
    /// snapshot: a copy of the whole database is not stored once more.
    pub fn end(&self, level: Level) -> Option<Txid> {
        if let Some((newest, _)) = self.newest(level) {
            return Some(newest.max);
        }
        if level <= Level::MERGED {
            return self.newest(Level::SNAPSHOT).map(|(name, _)| name.max);
        }
        let below = level.below()?;
        match self.level(below).find(|(name, _)| !name.is_snapshot()) {
            Some((first, _)) => Some(Txid(first.min.0.saturating_sub(1))),
            None => self.end(below),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Held = Held {
        size: 1,
        time_ms: 0,
        verified: true,
        stuck: false,
    };

    fn holdings(objects: &[(u8, u64, u64)]) -> Holdings {
        let mut holdings = Holdings::default();
        for &(level, min, max) in objects {
            holdings.add(name(level, min, max), HELD);
        }
        holdings
    }

    fn name(level: u8, min: u64, max: u64) -> ObjectName {
        ObjectName {
            level: Level::new(level).unwrap(),
            min: Txid(min),
            max: Txid(max),
        }
    }

    fn end(holdings: &Holdings, level: u8) -> Option<u64> {
        holdings.end(Level::new(level).unwrap()).map(|txid| txid.0)
    }

    #[test]
    fn without_a_snapshot_no_level_can_begin() {
        assert_eq!(end(&holdings(&[(0, 1, 1), (0, 2, 2)]), 1), None);
    }

    #[test]
    fn the_first_level_begins_after_the_snapshot_and_the_others_with_it() {
        let holdings = holdings(&[(9, 1, 4), (0, 5, 5), (0, 6, 6)]);
        for level in 1..=3 {
            assert_eq!(end(&holdings, level), Some(4), "level {level}");
        }
    }

    #[test]
    fn a_level_goes_on_where_its_newest_object_ends() {
        let holdings = holdings(&[(9, 1, 1), (1, 2, 5), (1, 6, 9), (2, 2, 5), (0, 10, 10)]);
        assert_eq!(end(&holdings, 1), Some(9));
        assert_eq!(end(&holdings, 2), Some(5));
        assert_eq!(end(&holdings, 3), Some(1));
    }

    #[test]
    fn the_total_follows_what_is_written_replaced_and_deleted() {
        let mut holdings = holdings(&[(9, 1, 1), (0, 2, 2)]);
        holdings.add(name(9, 1, 1), Held { size: 10, ..HELD });
        assert_eq!(holdings.total(), (11, 2));
        holdings.remove(&name(0, 2, 2));
        holdings.remove(&name(0, 2, 2));
        assert_eq!(holdings.total(), (10, 1));
    }

    #[test]
    fn a_level_holds_its_own_objects_only() {
        let holdings = holdings(&[(0, 9, 9), (1, 2, 5), (1, 6, 9), (2, 1, 1)]);
        let level: Vec<_> = holdings
            .level(Level::MERGED)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(level, [name(1, 2, 5), name(1, 6, 9)]);
    }
}
