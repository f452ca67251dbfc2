//! What a replica holds of Litestream 0.3's backups, and whether they are newer than its LTX files.

use std::collections::BTreeMap;

use crate::ports::Entry;
use crate::restore::generations::name::{self, Content, Generation, WalIndex};
use crate::restore::plan::Listing;

/// A copy of the database as it was when a WAL began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub index: WalIndex,
    pub entry: Entry,
}

/// Bytes of a WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub index: WalIndex,
    /// Of its first byte in the WAL.
    pub offset: u64,
    pub entry: Entry,
}

/// The files of one generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub snapshots: Vec<Snapshot>,
    /// In ascending order of WAL and offset.
    pub segments: Vec<Segment>,
}

/// The files of all generations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backups {
    generations: BTreeMap<Generation, History>,
}

impl History {
    /// The newest one that was there at `until_ms`; of equals, that of the later WAL.
    pub fn snapshot(&self, until_ms: u64) -> Option<&Snapshot> {
        let there = self.snapshots.iter();
        there
            .filter(|snapshot| snapshot.entry.modified_ms <= until_ms)
            .max_by_key(|snapshot| (snapshot.entry.modified_ms, snapshot.index))
    }

    /// When the newest file came that was there at `until_ms`.
    pub fn newest_ms(&self, until_ms: u64) -> Option<u64> {
        let snapshots = self.snapshots.iter().map(|snapshot| &snapshot.entry);
        let entries = snapshots.chain(self.segments.iter().map(|segment| &segment.entry));
        let times = entries.map(|entry| entry.modified_ms);
        times.filter(|&time| time <= until_ms).max()
    }
}

impl Backups {
    /// Entries that are no files of a backup are left out.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Backups {
        let mut generations: BTreeMap<Generation, History> = BTreeMap::new();
        for entry in entries {
            match name::parse(&entry.key) {
                Some((generation, Content::Snapshot(index))) => {
                    let history = generations.entry(generation).or_default();
                    history.snapshots.push(Snapshot { index, entry });
                }
                Some((generation, Content::Segment { index, offset })) => {
                    let history = generations.entry(generation).or_default();
                    history.segments.push(Segment {
                        index,
                        offset,
                        entry,
                    });
                }
                None => {}
            }
        }
        for history in generations.values_mut() {
            let segments = &mut history.segments;
            // Keys in byte order are not in the order of offsets: some have more digits.
            segments.sort_by_key(|segment| (segment.index, segment.offset));
        }
        Backups { generations }
    }

    pub fn is_empty(&self) -> bool {
        self.generations.is_empty()
    }

    pub fn generations(&self) -> impl Iterator<Item = (Generation, &History)> {
        self.generations
            .iter()
            .map(|(name, history)| (*name, history))
    }

    /// When the newest file of any generation came, Unix milliseconds.
    pub fn newest_ms(&self) -> Option<u64> {
        let histories = self.generations.values();
        histories
            .filter_map(|history| history.newest_ms(u64::MAX))
            .max()
    }

    /// Whether a restore reads these backups rather than the replica's LTX files: when their newest
    /// file came later or, for a time, their newest snapshot before it did. As Litestream 0.5.
    pub fn are_chosen_over(&self, ltx: &Listing, until_ms: Option<u64>) -> bool {
        if ltx.is_empty() {
            return !self.is_empty();
        }
        let objects = ltx.objects().iter();
        let Some(until_ms) = until_ms else {
            return self.newest_ms() > objects.map(|object| object.modified_ms).max();
        };
        let snapshots = self.generations.values();
        let snapshots = snapshots.filter_map(|history| history.snapshot(until_ms));
        let there = objects.filter(|object| object.modified_ms <= until_ms);
        let ltx = there.filter(|object| object.name.is_snapshot());
        snapshots.map(|snapshot| snapshot.entry.modified_ms).max()
            > ltx.map(|object| object.modified_ms).max()
    }
}
