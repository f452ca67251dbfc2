//! Where the newest version of each page lies, as of one transaction.

use crate::ltx::{Header, IndexEntry, ObjectName};
use crate::units::{PageSize, Pgno, Txid};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Changed pages kept beside the table; beyond that a new table is made. A clone of the map copies
/// them, and a table of a 1 GB database is 4 MiB.
const FOLD_ABOVE: usize = if cfg!(test) { 200 } else { 8192 };

/// A page's frame in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Number of the object in the map.
    object: u32,
    /// Bytes; 0: no object has the page, it is all zeros.
    pub length: u32,
    /// Bytes from the object's beginning.
    pub offset: u64,
}

const NOWHERE: Slot = Slot {
    object: 0,
    length: 0,
    offset: 0,
};

/// A snapshot of the database: never changes for whoever holds it.
#[derive(Debug, Clone)]
pub struct PageMap {
    /// Of the newest object.
    pub header: Header,
    objects: Vec<ObjectName>,
    /// Of page `n + 1`.
    table: Rc<Vec<Slot>>,
    /// What changed since the table was made.
    changed: BTreeMap<u32, Slot>,
}

impl PageMap {
    /// Before any object is applied: a database without pages.
    pub fn empty(header: Header) -> PageMap {
        PageMap {
            header,
            objects: Vec::new(),
            table: Rc::default(),
            changed: BTreeMap::new(),
        }
    }

    pub fn txid(&self) -> Txid {
        self.header.max
    }

    pub fn page_size(&self) -> PageSize {
        self.header.page_size
    }

    /// The database's length in pages.
    pub fn pages(&self) -> u32 {
        self.header.commit
    }

    /// `None`: no object has the page.
    pub fn slot(&self, pgno: Pgno) -> Option<(ObjectName, Slot)> {
        if pgno.0 == 0 || pgno.0 > self.header.commit {
            return None;
        }
        let in_table = || self.table.get(pgno.0 as usize - 1);
        let slot = self.changed.get(&pgno.0).or_else(in_table)?;
        if slot.length == 0 {
            return None;
        }
        Some((self.objects[slot.object as usize], *slot))
    }

    /// Puts the next object's pages over what is there.
    pub fn apply(&mut self, name: ObjectName, header: &Header, mut index: Vec<IndexEntry>) {
        let object = self.objects.len() as u32;
        self.objects.push(name);
        // Pages that were cut off in between do not come back.
        if header.commit < self.header.commit {
            self.changed.split_off(&(header.commit + 1));
            if self.table.len() > header.commit as usize {
                Rc::make_mut(&mut self.table).truncate(header.commit as usize);
            }
        }
        self.header = *header;
        let slot = |entry: IndexEntry| Slot {
            object,
            length: entry.length,
            offset: entry.offset,
        };
        if self.table.is_empty() && self.changed.is_empty() {
            // A slot is as long as an entry: the table of a big database takes over their memory.
            let in_a_row = index
                .iter()
                .zip(1..)
                .take_while(|(entry, pgno)| entry.pgno.0 == *pgno);
            let others = index.split_off(in_a_row.count());
            self.table = Rc::new(index.into_iter().map(slot).collect());
            index = others;
        }
        let fold = self.changed.len() + index.len() > FOLD_ABOVE;
        let slots = index.into_iter().map(|entry| (entry.pgno.0, slot(entry)));
        if fold {
            let table = Rc::make_mut(&mut self.table);
            let changed = std::mem::take(&mut self.changed);
            table.resize(header.commit as usize, NOWHERE);
            for (pgno, slot) in changed.into_iter().chain(slots) {
                if let Some(place) = table.get_mut(pgno as usize - 1) {
                    *place = slot;
                }
            }
        } else {
            self.changed.extend(slots);
        }
    }

    /// The pages whose newest version is in an object that reaches beyond `txid`: all that changed
    /// since, and maybe some that did not. In ascending order.
    pub fn changed_since(&self, txid: Txid) -> Vec<Pgno> {
        let pages = (1..=self.header.commit).map(Pgno);
        let changed = |pgno: &Pgno| self.slot(*pgno).is_some_and(|(name, _)| name.max > txid);
        pages.filter(changed).collect()
    }

    /// The pages that lie behind `pgno` in its object, one frame after the other, as long as they
    /// are the newest of their number and `bytes` are not exceeded; `pgno` itself first.
    pub fn run(&self, pgno: Pgno, bytes: u64) -> Vec<(Pgno, Slot)> {
        let Some((_, first)) = self.slot(pgno) else {
            return Vec::new();
        };
        let mut run = vec![(pgno, first)];
        let mut end = first.offset + u64::from(first.length);
        for next in pgno.0 + 1..=self.header.commit {
            match self.slot(Pgno(next)) {
                Some((_, slot)) if slot.object == first.object && slot.offset == end => {
                    end += u64::from(slot.length);
                    if end - first.offset > bytes {
                        break;
                    }
                    run.push((Pgno(next), slot));
                }
                _ => break,
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ltx::Extra;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn header(txid: u64, commit: u32) -> Header {
        Header {
            page_size: PageSize::MIN,
            commit,
            min: Txid(txid),
            max: Txid(txid),
            timestamp_ms: 0,
            wal_offset: 32,
            wal_size: 0,
            salts: (0, 0),
            node: 0,
            extra: Extra::default(),
        }
    }

    fn index(pages: &[u32]) -> Vec<IndexEntry> {
        let mut offset = 100;
        let entry = |pgno: &u32| {
            let entry = IndexEntry {
                pgno: Pgno(*pgno),
                offset,
                length: 50,
            };
            offset += 50;
            entry
        };
        pages.iter().map(entry).collect()
    }

    #[test]
    fn a_run_ends_where_a_newer_version_lies_elsewhere() {
        let mut map = PageMap::empty(header(1, 0));
        map.apply(
            ObjectName::shipped(Txid(1)),
            &header(1, 6),
            index(&[1, 2, 3, 4, 5, 6]),
        );
        map.apply(ObjectName::shipped(Txid(2)), &header(2, 6), index(&[4]));
        let run = |pgno, bytes| -> Vec<u32> {
            let run = map.run(Pgno(pgno), bytes);
            run.into_iter().map(|(pgno, _)| pgno.0).collect()
        };
        assert_eq!(run(1, 1000), [1, 2, 3]);
        assert_eq!(run(1, 100), [1, 2]);
        assert_eq!(run(4, 1000), [4]);
        assert_eq!(run(5, 1), [5]);
        assert_eq!(run(7, 1000), [0_u32; 0]);
    }

    proptest! {
        /// Against the plainest model: the newest object that has a page owns it, unless the
        /// database was shorter in between.
        #[test]
        fn the_newest_version_of_each_page_is_found(
            objects in proptest::collection::vec(
                (1..300_u32, proptest::collection::btree_set(1..300_u32, 0..120)), 1..30),
        ) {
            let mut map = PageMap::empty(header(1, 0));
            let mut model: HashMap<u32, u64> = HashMap::new();
            for (number, (commit, pages)) in objects.iter().enumerate() {
                let txid = number as u64 + 1;
                let pages: Vec<u32> = pages.iter().copied().filter(|page| page <= commit).collect();
                model.retain(|page, _| page <= commit);
                model.extend(pages.iter().map(|page| (*page, txid)));
                map.apply(ObjectName::shipped(Txid(txid)), &header(txid, *commit), index(&pages));
                for page in 1..=300 {
                    let found = map.slot(Pgno(page)).map(|(name, _)| name.max.0);
                    prop_assert_eq!(found, model.get(&page).copied(), "page {}", page);
                }
            }
        }
    }
}
