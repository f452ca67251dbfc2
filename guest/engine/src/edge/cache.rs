//! Pages that were read, as many as fit: the inner ones of B-trees last longest.

use crate::ltx::ObjectName;
use crate::units::Pgno;
use quick_cache::unsync::{Cache as Inner, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::rc::Rc;

/// A version of a page, for ever the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    pub object: ObjectName,
    pub pgno: Pgno,
}

pub type Page = Rc<[u8]>;

/// What an entry costs beside its page: key, counters, the place in the table.
const ENTRY_BYTES: u64 = 96;

/// Of the cache, for interior pages: a search passes through each of them and needs little else to
/// begin with. They are about a hundredth of a database.
const INTERIOR_SHARE: u64 = 4;

/// Of the cache, for pages that were asked for again. What was read ahead must not drive itself out
/// before it is asked for once.
const HOT_SHARE: f64 = 0.5;

#[derive(Clone)]
struct Weight;

impl Weighter<Version, Page> for Weight {
    fn weight(&self, _: &Version, page: &Page) -> u64 {
        page.len() as u64 + ENTRY_BYTES
    }
}

/// Bounded in bytes.
pub struct Cache {
    interior: Inner<Version, Page, Weight>,
    other: Inner<Version, Page, Weight>,
    hits: u64,
    misses: u64,
}

/// What a cache did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    pub hits: u64,
    pub misses: u64,
    pub bytes: u64,
    pub pages: u64,
}

impl Cache {
    /// For up to `bytes` of pages, their keys included.
    pub fn new(bytes: u64) -> Cache {
        let interior = bytes / INTERIOR_SHARE;
        Cache {
            interior: bounded(interior),
            other: bounded(bytes - interior),
            hits: 0,
            misses: 0,
        }
    }

    pub fn get(&mut self, version: &Version) -> Option<Page> {
        let found = self
            .interior
            .get(version)
            .or_else(|| self.other.get(version));
        let found = found.cloned();
        match found {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        found
    }

    pub fn clear(&mut self) {
        self.interior.clear();
        self.other.clear();
    }

    pub fn holds(&self, version: &Version) -> bool {
        self.interior.peek(version).is_some() || self.other.peek(version).is_some()
    }

    pub fn insert(&mut self, version: Version, page: Page) {
        match is_interior(version.pgno, &page) {
            true => self.interior.insert(version, page),
            false => self.other.insert(version, page),
        }
    }

    pub fn used(&self) -> Used {
        Used {
            hits: self.hits,
            misses: self.misses,
            bytes: self.interior.weight() + self.other.weight(),
            pages: (self.interior.len() + self.other.len()) as u64,
        }
    }
}

fn bounded(bytes: u64) -> Inner<Version, Page, Weight> {
    let pages = (bytes / 4096) as usize;
    let mut options = OptionsBuilder::new();
    let options = options
        .weight_capacity(bytes)
        .estimated_items_capacity(pages);
    match options.hot_allocation(HOT_SHARE).build() {
        Ok(options) => {
            let hashes = DefaultHashBuilder::default();
            Inner::with_options(options, Weight, hashes, DefaultLifecycle::default())
        }
        Err(_) => Inner::with_weighter(pages, bytes, Weight),
    }
}

/// Whether a page leads to others: interior pages of indexes and tables, by their first byte, and
/// the first page, which leads to all. An overflow page that looks so does no harm.
fn is_interior(pgno: Pgno, page: &[u8]) -> bool {
    pgno.0 == 1 || matches!(page.first(), Some(2 | 5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Txid;

    fn version(pgno: u32) -> Version {
        Version {
            object: ObjectName::shipped(Txid(1)),
            pgno: Pgno(pgno),
        }
    }

    #[test]
    fn it_never_grows_beyond_its_limit_and_keeps_the_inner_pages() {
        let mut cache = Cache::new(1 << 20);
        for pgno in 2..22 {
            cache.insert(version(pgno), vec![5; 4096].into());
        }
        for pgno in 1000..6000 {
            cache.insert(version(pgno), vec![13; 4096].into());
            assert!(cache.used().bytes <= 1 << 20);
        }
        assert!((2..22).all(|pgno| cache.get(&version(pgno)).is_some()));
        assert!(cache.get(&version(5999)).is_some());
        assert!((1000..6000).any(|pgno| cache.get(&version(pgno)).is_none()));
    }
}
