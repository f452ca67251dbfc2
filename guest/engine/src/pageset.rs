//! A set of pages of one database: one bit each.

#![forbid(unsafe_code)]

use crate::units::Pgno;

const BITS: usize = u64::BITS as usize;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    /// All pages of a database of so many.
    pub fn all(pages: u32) -> PageSet {
        let mut words = vec![u64::MAX; (pages as usize).div_ceil(BITS)];
        if let Some(last) = words.last_mut()
            && !(pages as usize).is_multiple_of(BITS)
        {
            *last = (1 << (pages as usize % BITS)) - 1;
        }
        PageSet { words }
    }

    pub fn insert(&mut self, pgno: Pgno) {
        let at = (pgno.0 as usize).saturating_sub(1);
        let word = at / BITS;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (at % BITS);
    }

    pub fn contains(&self, pgno: Pgno) -> bool {
        let at = (pgno.0 as usize).saturating_sub(1);
        let word = self.words.get(at / BITS);
        word.is_some_and(|word| word >> (at % BITS) & 1 == 1)
    }

    pub fn clear(&mut self) {
        self.words.clear();
    }

    pub fn extend(&mut self, pages: impl IntoIterator<Item = Pgno>) {
        for pgno in pages {
            self.insert(pgno);
        }
    }

    pub fn union(&mut self, other: &PageSet) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Ascending.
    pub fn iter(&self) -> impl Iterator<Item = Pgno> {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            (0..BITS)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| Pgno((at * BITS + bit) as u32 + 1))
        })
    }
}

impl FromIterator<Pgno> for PageSet {
    fn from_iter<T: IntoIterator<Item = Pgno>>(pages: T) -> Self {
        let mut set = PageSet::default();
        set.extend(pages);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_pages_are_all_and_no_more() {
        for pages in [0, 1, 63, 64, 65, 128, 1000] {
            let all: Vec<u32> = PageSet::all(pages).iter().map(|pgno| pgno.0).collect();
            assert_eq!(all, (1..=pages).collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_into_it(a: BTreeSet<u16>, b: BTreeSet<u16>) {
            let pages = |set: &BTreeSet<u16>| -> BTreeSet<Pgno> {
                set.iter().map(|&pgno| Pgno(u32::from(pgno) + 1)).collect()
            };
            let (a, b) = (pages(&a), pages(&b));
            let mut set: PageSet = a.iter().copied().collect();
            set.union(&b.iter().copied().collect());
            let both: Vec<Pgno> = a.union(&b).copied().collect();
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), &both[..]);
            let all = (1..=70_000).map(Pgno);
            let held: Vec<Pgno> = all.filter(|pgno| set.contains(*pgno)).collect();
            prop_assert_eq!(held, both);
        }
    }
}
