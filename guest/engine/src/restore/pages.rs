//! Which object holds the newest version of each page, and which of its bytes to fetch for that.
//!
//! Pure. Objects are shown newest first, and each claims the pages that no newer one has. Four
//! bytes a page: where a frame stands in its object need not be kept, since by then it is known
//! which ranges to fetch, and the frames in them say what they are.

use crate::ltx::IndexEntry;
use crate::units::{PageSize, Pgno};

/// Bytes between two wanted frames that are fetched rather than left out: a request costs about
/// as long as this takes to arrive.
pub const MERGED_GAP_BYTES: u64 = 64 * 1024;

/// Fetched at once, at most: long enough that the request's own time does not count, short
/// enough that eight at once fit the memory of a small machine.
pub const MAX_CHUNK_BYTES: u64 = 4 * 1024 * 1024;

/// An object of which this many percent are wanted is read whole: little more to fetch, and its
/// file checksum can be verified. Frames have none of their own.
pub const READ_WHOLE_PERCENT: u64 = 90;

/// The largest database that is restored: 100 million pages, 400 GB at 4 KiB a page. Twelve bytes
/// a page are held in a memory of 4 GiB.
pub const MAX_PAGES: u32 = 100_000_000;

/// Nobody's page.
const FREE: u32 = u32::MAX;

/// The pages of a database in the making, and who brings each.
#[derive(Debug)]
pub struct Pages {
    /// Indexed by page number less one; the number of an object, or [`FREE`].
    owners: Vec<u32>,
    lock: Pgno,
    /// Pages beyond it were cut off by a newer object: older versions of them are void.
    limit: u32,
    /// Up to the limit, without the lock page.
    free: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a database of {commit} pages is larger than the {MAX_PAGES} pages, or the memory, that there are"
)]
pub struct TooLarge {
    pub commit: u32,
}

/// Bytes of one object to fetch at once. Begins and ends with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The object's number.
    pub object: u32,
    pub offset: u64,
    pub length: u64,
    /// Frames in it whose pages belong to this object.
    pub wanted: u32,
}

impl Pages {
    /// All free; `commit` is the size of the finished database, pages.
    pub fn new(page_size: PageSize, commit: u32) -> Result<Pages, TooLarge> {
        let lock = page_size.lock_page();
        let mut owners = Vec::new();
        if commit > MAX_PAGES || owners.try_reserve_exact(commit as usize).is_err() {
            return Err(TooLarge { commit });
        }
        owners.resize(commit as usize, FREE);
        Ok(Pages {
            owners,
            lock,
            limit: commit,
            free: commit - u32::from(lock.0 <= commit),
        })
    }

    /// Gives the page to the object, unless a newer one has it, it was cut off, or is the lock
    /// page.
    pub fn claim(&mut self, pgno: Pgno, object: u32) -> bool {
        if pgno == self.lock || pgno.0 == 0 || pgno.0 > self.limit {
            return false;
        }
        let owner = &mut self.owners[pgno.0 as usize - 1];
        let claimed = *owner == FREE;
        if claimed {
            *owner = object;
            self.free -= 1;
        }
        claimed
    }

    pub fn is_owner(&self, pgno: Pgno, object: u32) -> bool {
        let at = (pgno.0 as usize).checked_sub(1);
        at.and_then(|at| self.owners.get(at)) == Some(&object)
    }

    /// The object shown last left so many pages: what older ones have beyond is void.
    pub fn cut(&mut self, commit: u32) {
        if commit >= self.limit {
            return;
        }
        let (lock, from) = (self.lock.0 as usize, commit as usize);
        let cut = self.owners[from..self.limit as usize]
            .iter()
            .zip(from + 1..);
        let void = cut.filter(|&(&owner, pgno)| owner == FREE && pgno != lock);
        self.free -= void.count() as u32;
        self.limit = commit;
    }

    /// Whether older objects have nothing to add.
    pub fn is_complete(&self) -> bool {
        self.free == 0
    }

    /// Pages that no object brought, the lock page not counted.
    pub fn missing(&self) -> u32 {
        let pages = self.owners.iter().zip(1u32..);
        let missing = pages.filter(|&(&owner, pgno)| owner == FREE && pgno != self.lock.0);
        missing.count() as u32
    }
}

/// What to fetch of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// These ranges, in ascending order; none at all if newer objects have every page.
    Ranges(Vec<Chunk>),
    /// All frames, in ascending order and without gaps.
    Whole(Vec<Chunk>),
}

/// Claims an object's pages, and plans how to fetch them in chunks of `chunk_bytes`.
pub fn reading(pages: &mut Pages, object: u32, index: &[IndexEntry], chunk_bytes: u64) -> Reading {
    let claimed: Vec<bool> = index
        .iter()
        .map(|entry| pages.claim(entry.pgno, object))
        .collect();
    let frames = || index.iter().zip(claimed.iter().copied());
    let ranges = chunks(object, frames().filter(|&(_, wanted)| wanted), chunk_bytes);
    let fetched: u64 = ranges.iter().map(|chunk| chunk.length).sum();
    let whole: u64 = index.iter().map(|entry| u64::from(entry.length)).sum();
    if fetched > 0 && fetched * 100 >= whole * READ_WHOLE_PERCENT {
        Reading::Whole(chunks(object, frames(), chunk_bytes))
    } else {
        Reading::Ranges(ranges)
    }
}

fn chunks<'a>(
    object: u32,
    frames: impl Iterator<Item = (&'a IndexEntry, bool)>,
    chunk_bytes: u64,
) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for (frame, wanted) in frames {
        let wanted = u32::from(wanted);
        match chunks.last_mut() {
            Some(last) if last.can_take(frame, chunk_bytes) => {
                last.length = frame.end() - last.offset;
                last.wanted += wanted;
            }
            _ => chunks.push(Chunk {
                object,
                offset: frame.offset,
                length: u64::from(frame.length),
                wanted,
            }),
        }
    }
    chunks
}

impl Chunk {
    fn can_take(&self, frame: &IndexEntry, chunk_bytes: u64) -> bool {
        let gap = frame.offset - (self.offset + self.length);
        gap <= MERGED_GAP_BYTES && frame.end() - self.offset <= chunk_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: PageSize = PageSize::MAX;

    /// Pages with the lengths of their frames, one after the other from byte 100 on.
    fn index(frames: impl IntoIterator<Item = (u32, u32)>) -> Vec<IndexEntry> {
        let mut offset = 100;
        let entry = |(pgno, length)| {
            let entry = IndexEntry {
                pgno: Pgno(pgno),
                offset,
                length,
            };
            offset += u64::from(length);
            entry
        };
        frames.into_iter().map(entry).collect()
    }

    #[test]
    fn the_newest_object_with_a_page_owns_it() {
        let mut pages = Pages::new(SIZE, 3).unwrap();
        assert!(pages.claim(Pgno(2), 7));
        assert!(!pages.claim(Pgno(2), 8));
        assert!(pages.is_owner(Pgno(2), 7) && !pages.is_owner(Pgno(2), 8));
        assert!(!pages.claim(Pgno(4), 7) && !pages.claim(Pgno(0), 7));
        assert!(pages.claim(Pgno(1), 8) && !pages.is_complete());
        assert_eq!(pages.missing(), 1);
        assert!(pages.claim(Pgno(3), 8) && pages.is_complete());
        assert_eq!(pages.missing(), 0);
    }

    #[test]
    fn the_lock_page_is_nobodys_and_not_missing() {
        let lock = SIZE.lock_page();
        let mut pages = Pages::new(SIZE, lock.0).unwrap();
        assert!(!pages.claim(lock, 0));
        for pgno in 1..lock.0 {
            assert!(!pages.is_complete());
            pages.claim(Pgno(pgno), 0);
        }
        assert!(pages.is_complete());
        assert_eq!(pages.missing(), 0);
    }

    #[test]
    fn a_cut_below_the_lock_page_counts_it_neither() {
        let lock = SIZE.lock_page();
        let mut pages = Pages::new(SIZE, lock.0 + 2).unwrap();
        pages.cut(1);
        assert!(!pages.is_complete());
        assert!(pages.claim(Pgno(1), 0) && pages.is_complete());
        assert_eq!(pages.missing(), lock.0);
    }

    #[test]
    fn pages_that_were_cut_off_in_between_do_not_come_back() {
        let mut pages = Pages::new(SIZE, 4).unwrap();
        assert!(pages.claim(Pgno(4), 0));
        pages.cut(2);
        assert!(!pages.claim(Pgno(3), 1) && !pages.claim(Pgno(4), 1));
        pages.cut(3); // an older object's size does not lift the limit
        assert!(!pages.claim(Pgno(3), 2));
        assert!(pages.claim(Pgno(1), 2) && pages.claim(Pgno(2), 2));
        assert!(pages.is_complete());
        assert_eq!(pages.missing(), 1);
    }

    #[test]
    fn a_size_beyond_all_memory_is_refused() {
        let commit = MAX_PAGES + 1;
        assert_eq!(Pages::new(SIZE, commit).unwrap_err(), TooLarge { commit });
    }

    #[test]
    fn near_frames_are_fetched_together_and_far_ones_apart() {
        let mut pages = Pages::new(SIZE, 100).unwrap();
        for newer in [2, 4, 5] {
            pages.claim(Pgno(newer), 0);
        }
        // Page 2 is a small gap, pages 4 and 5 together are one byte too much.
        let index = index([(1, 50), (2, 65536), (3, 50), (4, 65536), (5, 1), (6, 50)]);
        let near = Chunk {
            object: 1,
            offset: 100,
            length: 65636,
            wanted: 2,
        };
        let far = Chunk {
            object: 1,
            offset: 100 + 65636 + 65537,
            length: 50,
            wanted: 1,
        };
        assert_eq!(
            reading(&mut pages, 1, &index, MAX_CHUNK_BYTES),
            Reading::Ranges(vec![near, far])
        );
    }

    #[test]
    fn nothing_is_fetched_of_an_object_without_a_newest_page() {
        let mut pages = Pages::new(SIZE, 2).unwrap();
        pages.claim(Pgno(1), 0);
        let reading = reading(&mut pages, 1, &index([(1, 50)]), MAX_CHUNK_BYTES);
        assert_eq!(reading, Reading::Ranges(vec![]));
    }

    #[test]
    fn an_object_that_is_nearly_all_wanted_is_read_whole() {
        for (newer, whole) in [(1, true), (10, true), (11, false)] {
            let mut pages = Pages::new(SIZE, 100).unwrap();
            (1..=newer).for_each(|pgno| assert!(pages.claim(Pgno(pgno), 0)));
            let index = index((1..=100).map(|pgno| (pgno, 1000)));
            let reading = reading(&mut pages, 1, &index, 10_000);
            assert_eq!(matches!(reading, Reading::Whole(_)), whole, "{newer}");
        }
    }

    proptest! {
        #[test]
        fn every_claimed_frame_is_in_one_chunk_and_no_chunk_is_too_long(
            lengths in proptest::collection::vec((1..60_000u32, any::<bool>()), 1..200),
            chunk_bytes in 60_000..200_000u64,
        ) {
            let mut pages = Pages::new(SIZE, 200).unwrap();
            let index = index((1..).zip(lengths.iter().map(|(length, _)| *length)));
            for (entry, (_, newer)) in index.iter().zip(&lengths) {
                if *newer {
                    pages.claim(entry.pgno, 0);
                }
            }
            let (chunks, whole) = match reading(&mut pages, 1, &index, chunk_bytes) {
                Reading::Ranges(chunks) => (chunks, false),
                Reading::Whole(chunks) => (chunks, true),
            };
            let mut end = 100;
            for chunk in &chunks {
                prop_assert!(chunk.offset >= end && chunk.length <= chunk_bytes);
                prop_assert!(!whole || chunk.offset == end);
                end = chunk.offset + chunk.length;
                let inside: Vec<_> = index.iter()
                    .filter(|entry| entry.offset >= chunk.offset && entry.end() <= end)
                    .collect();
                prop_assert_eq!(inside.first().unwrap().offset, chunk.offset);
                prop_assert_eq!(inside.last().unwrap().end(), end);
                let wanted = inside.iter().filter(|entry| pages.is_owner(entry.pgno, 1)).count();
                prop_assert_eq!(wanted, chunk.wanted as usize);
            }
            let claimed = index.iter().filter(|entry| pages.is_owner(entry.pgno, 1)).count();
            let wanted: u32 = chunks.iter().map(|chunk| chunk.wanted).sum();
            prop_assert_eq!(claimed, wanted as usize);
        }
    }
}
