//! Which pages changed since the end of a level.

use super::holdings::Holdings;
use crate::mutants::{self, Mutant};
use crate::pageset::PageSet;
use crate::units::{Level, Pgno, Txid};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// Of the transactions after the level's end, but for those that are not known.
    pub pages: PageSet,
    /// Up to here they were shipped before our time, and `pages` lacks theirs.
    pub unknown_until: Option<Txid>,
    /// When the first transaction after the level's end was shipped; `None`: there is none.
    pub since_ms: Option<u64>,
}

impl Pending {
    /// What a level lacks when we begin.
    pub fn at_start(holdings: &Holdings, level: Level, tip: Txid) -> Pending {
        let end = holdings.end(level).unwrap_or(Txid::ZERO);
        if end >= tip {
            return Pending::default();
        }
        Pending {
            pages: PageSet::default(),
            unknown_until: Some(tip),
            since_ms: Some(shipped_at(holdings, level, end.next())),
        }
    }

    pub fn add(&mut self, pages: &[Pgno], time_ms: u64) {
        let forgotten = usize::from(mutants::is(Mutant::MergeForgets));
        self.pages.extend(pages.iter().skip(forgotten).copied());
        self.since_ms.get_or_insert(time_ms);
    }

    /// `earlier` was taken before what is here was added, and was not written.
    pub fn take_back(&mut self, earlier: Pending) {
        self.pages.union(&earlier.pages);
        self.unknown_until = earlier.unknown_until.or(self.unknown_until);
        self.since_ms = earlier.since_ms.or(self.since_ms);
    }
}

/// When a transaction was shipped, from the object of the lowest level below `level` that holds it.
/// What is not known is long ago.
fn shipped_at(holdings: &Holdings, level: Level, txid: Txid) -> u64 {
    Level::all()
        .take_while(|below| *below < level)
        .find_map(|below| {
            let mut objects = holdings.level(below);
            objects.find(|(name, _)| name.min <= txid && txid <= name.max)
        })
        .map_or(0, |(_, held)| held.time_ms)
}
