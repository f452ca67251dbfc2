//! Restoring from a replica in memory, against a model of the database it was made from.

mod damage;
mod holes;
mod large;
mod planning;
mod proof;
mod races;
mod random;

use futures::executor::block_on;

use crate::ltx::{Encoder, Extra, Header, Layout, ObjectName, Rolling, page_checksum};
use crate::ports::FileError;
use crate::restore::{
    DEFAULT_PARALLELISM, Options, PlanError, RestoreError, Restored, Rolled, Target, list_all,
    restore, roll_forward,
};
use crate::testing::{MemoryFile, MemoryStore, Operation, TestEnvironment};
use crate::units::{Level, PageSize, Pgno, Txid};

/// A database's history and its replica.
struct Replica {
    store: MemoryStore,
    environment: TestEnvironment,
    layout: Layout,
    page_size: PageSize,
    /// `states[n]` is the database after transaction `n`.
    states: Vec<Vec<Vec<u8>>>,
    /// Which pages transaction `n` wrote.
    written: Vec<Vec<u32>>,
    seed: u64,
    /// Whether files carry the checksum of the database.
    checksums: bool,
}

impl Replica {
    fn new(page_size: u32) -> Replica {
        Replica {
            store: MemoryStore::new(),
            environment: TestEnvironment::default(),
            layout: Layout::Hexadecimal,
            page_size: PageSize::new(page_size).unwrap(),
            states: vec![Vec::new()],
            written: vec![Vec::new()],
            seed: 1,
            checksums: true,
        }
    }

    fn newest(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    /// A page that LZ4 cannot make shorter, and that no other equals.
    fn noise(&mut self) -> Vec<u8> {
        let mut next = || {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            self.seed
        };
        let words = self.page_size.bytes() / 8;
        (0..words).flat_map(|_| next().to_le_bytes()).collect()
    }

    /// Ships a transaction that writes these pages, and all those by which the database grows.
    fn commit(&mut self, pages: &[u32], commit: u32) {
        let mut state = self.states.last().unwrap().clone();
        let grown = state.len() as u32 + 1..=commit;
        let mut written: Vec<u32> = pages.iter().copied().chain(grown).collect();
        written.retain(|&pgno| pgno <= commit);
        written.sort_unstable();
        written.dedup();
        state.resize(commit as usize, Vec::new());
        for &pgno in &written {
            state[pgno as usize - 1] = self.noise();
        }
        self.states.push(state);
        self.written.push(written);
        self.ship(self.newest());
    }

    fn ship(&self, txid: u64) {
        self.merge(0, txid, txid);
    }

    /// Puts an object with what the transactions wrote, and returns its key.
    fn merge(&self, level: u8, min: u64, max: u64) -> String {
        let commit = self.states[max as usize].len() as u32;
        let between = min as usize..=max as usize;
        let mut pages: Vec<u32> = self.written[between].iter().flatten().copied().collect();
        if min == 1 {
            pages = (1..=commit).collect();
        }
        pages.retain(|&pgno| pgno <= commit);
        pages.sort_unstable();
        pages.dedup();
        self.put(level, min, max, &pages)
    }

    fn put(&self, level: u8, min: u64, max: u64, pages: &[u32]) -> String {
        let state = &self.states[max as usize];
        let pages = pages
            .iter()
            .map(|&pgno| (pgno, &state[pgno as usize - 1][..]));
        let bytes = encode(self.header(min, max), pages);
        let key = self.key(level, min, max);
        self.store.insert(&key, bytes);
        key
    }

    fn header(&self, min: u64, max: u64) -> Header {
        let checksum = || Rolling::of(&self.page_checksums(max)).value();
        Header {
            page_size: self.page_size,
            commit: self.states[max as usize].len() as u32,
            min: Txid(min),
            max: Txid(max),
            timestamp_ms: max as i64,
            wal_offset: 32,
            wal_size: 0,
            salts: (1, 2),
            node: 3,
            extra: Extra {
                database_checksum: self.checksums.then(checksum),
                ..Extra::default()
            },
        }
    }

    fn page_checksums(&self, txid: u64) -> Vec<u64> {
        let pages = self.states[txid as usize].iter().zip(1..);
        let checksum = |(page, pgno): (&Vec<u8>, u32)| match page.len() {
            0 => 0,
            _ => page_checksum(Pgno(pgno), page),
        };
        pages.map(checksum).collect()
    }

    fn key(&self, level: u8, min: u64, max: u64) -> String {
        let level = Level::new(level).unwrap();
        let (min, max) = (Txid(min), Txid(max));
        self.layout.key(&ObjectName { level, min, max })
    }

    fn database(&self, txid: u64) -> Vec<u8> {
        self.states[txid as usize].concat()
    }

    fn restore(&self) -> Result<(Restored, MemoryFile), RestoreError> {
        self.restore_with(Target::Latest, DEFAULT_PARALLELISM)
    }

    fn restore_with(
        &self,
        target: Target,
        parallelism: usize,
    ) -> Result<(Restored, MemoryFile), RestoreError> {
        let file = MemoryFile::default();
        // What was in the file before must not shine through.
        file.bytes.replace(vec![0xee; 100_000]);
        let options = Options {
            target,
            parallelism,
        };
        let restoring = restore(&self.store, &self.environment, self.layout, &file, options);
        block_on(restoring).map(|restored| (restored, file))
    }

    /// Restores, and compares everything with the model.
    fn check(&self, txid: u64) -> Restored {
        let (restored, file) = self.restore_with(Target::Txid(Txid(txid)), 8).unwrap();
        assert!(
            file.bytes.borrow()[..] == self.database(txid)[..],
            "other bytes"
        );
        assert_eq!(restored.page_checksums, self.page_checksums(txid));
        assert_eq!(restored.txid, Txid(txid));
        assert_eq!(restored.header.max, Txid(txid));
        assert_eq!(restored.commit as usize, self.states[txid as usize].len());
        assert_eq!(restored.page_size, self.page_size);
        assert_eq!(restored.checksum_verified, self.checksums);
        assert_eq!(restored.missing_pages, 0);
        assert_eq!(file.syncs.get(), 1, "a sync after the last change");
        restored
    }

    fn roll(&self, from: u64, checksums: &mut Vec<u64>) -> Result<Rolled, RestoreError> {
        block_on(async {
            let listing = list_all(&self.store, &self.environment, self.layout).await?;
            let (store, environment) = (&self.store, &self.environment);
            roll_forward(
                store,
                environment,
                self.layout,
                &listing,
                Txid(from),
                checksums,
            )
            .await
        })
    }
}

fn encode<'a>(header: Header, pages: impl IntoIterator<Item = (u32, &'a [u8])>) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(header).unwrap(), Vec::new());
    for (pgno, page) in pages {
        encoder.page(Pgno(pgno), page, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    out
}

#[test]
fn the_newest_version_of_every_page_is_restored() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 10);
    replica.commit(&[2, 7], 12);
    replica.commit(&[1, 2], 11);
    let restored = replica.check(3);
    assert_eq!(restored.requests, 1 + 3);
    assert_eq!(replica.store.count(Operation::List), 1);
    let sizes = replica
        .store
        .keys()
        .into_iter()
        .map(|key| replica.store.body(&key).unwrap().len());
    assert_eq!(restored.downloaded_bytes, sizes.sum::<usize>() as u64);
    replica.check(1);
    replica.check(2);
}

#[test]
fn both_layouts_are_restored() {
    let mut replica = Replica::new(512);
    replica.layout = Layout::Decimal;
    replica.commit(&[], 3);
    replica.commit(&[2], 3);
    assert!(replica.store.keys()[0].starts_with("ltx/0/"));
    replica.check(2);
}

#[test]
fn what_litestream_wrote_is_restored() {
    let replica = Replica::new(4096);
    let body = include_bytes!("../../../tests/vectors/L2.ltx");
    replica.store.insert(&replica.key(2, 1, 7), body.to_vec());
    let (restored, file) = replica.restore().unwrap();
    assert_eq!((restored.txid, restored.commit), (Txid(7), 4));
    assert!(!restored.checksum_verified);
    assert!(file.bytes.borrow().starts_with(b"SQLite format 3\0"));
    assert_eq!(file.bytes.borrow().len(), 4 * 4096);
}

#[test]
fn an_empty_replica_is_an_error_of_its_own() {
    let error = Replica::new(512).restore().map(|_| ()).unwrap_err();
    assert_eq!(error, RestoreError::Plan(PlanError::Empty));
}

#[test]
fn an_empty_database_is_restored() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 2);
    replica.commit(&[], 0);
    let restored = replica.check(2);
    assert_eq!(
        restored.requests,
        1 + 2,
        "the older object is begun and dropped"
    );
}

#[test]
fn a_large_object_that_is_nearly_all_wanted_is_read_in_chunks_and_verified() {
    let mut replica = Replica::new(4096);
    replica.checksums = false;
    replica.commit(&[], 1000);
    replica.commit(&[5, 6], 1000);
    let snapshot = replica.store.body(&replica.key(0, 1, 1)).unwrap().len() as u64;
    let (restored, file) = replica.restore_with(Target::Latest, 64).unwrap();
    assert!(file.bytes.borrow()[..] == replica.database(2)[..]);
    assert!(restored.downloaded_bytes < snapshot + 100_000);
    // A listing, the small object, header and index of the other, and chunks of 512 KiB.
    let chunks = snapshot.div_ceil(512 * 1024);
    assert_eq!(restored.requests, 1 + 1 + 2 + chunks);
}

#[test]
fn of_an_object_that_is_half_replaced_only_the_rest_is_fetched() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 1000);
    replica.commit(&(1..=500).collect::<Vec<_>>(), 1000);
    let restored = replica.check(2);
    let pages = 1000 * 4096;
    assert!((pages..pages + 150_000).contains(&restored.downloaded_bytes));
    let end = restored.downloaded_bytes;
    assert_eq!(
        replica.environment.progress.borrow().last(),
        Some(&(end, end))
    );
}

#[test]
fn older_objects_are_not_read_once_every_page_is_there() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 300);
    replica.commit(&(1..=300).collect::<Vec<_>>(), 300);
    let pages = 300 * 4096;
    let restored = replica.check(2);
    assert!(restored.downloaded_bytes < pages + 100_000);
}

#[test]
fn a_full_copy_with_another_page_size_replaces_what_came_before() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 3);
    replica.page_size = PageSize::new(1024).unwrap();
    replica.commit(&[1, 2, 3], 3);
    replica.check(2);
}

#[test]
fn neighbouring_pages_are_written_at_once() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 1000);
    let (_, file) = replica.restore().unwrap();
    assert_eq!(file.writes.get(), 4, "four times 1 MiB at most");
}

#[test]
fn progress_only_grows_and_ends_at_the_total() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 1000);
    replica.commit(&[5, 6], 1000);
    replica.store.shuffle_answers(7);
    let (restored, _) = replica.restore().unwrap();
    let progress = replica.environment.progress.borrow();
    assert!(progress.is_sorted_by_key(|(done, _)| *done));
    assert!(progress.iter().all(|(done, total)| done <= total));
    let end = restored.downloaded_bytes;
    assert_eq!(progress.last(), Some(&(end, end)));
    assert!(progress.len() > 4);
}

#[test]
fn a_listing_of_many_pages_is_read_to_its_end() {
    let mut replica = Replica::new(512);
    replica.store.set_keys_per_listing(3);
    (0..10).for_each(|_| replica.commit(&[1], 2));
    // One that is cut short, nine levels, four pages of level 0, ten objects.
    assert_eq!(replica.check(10).requests, 1 + 9 + 4 + 10);
}

#[test]
fn requests_under_way_are_limited() {
    for (parallelism, most) in [(1, 2), (64, 15)] {
        let mut replica = Replica::new(4096);
        replica.commit(&[], 1900);
        replica.store.hold_answers(3);
        replica.restore_with(Target::Latest, parallelism).unwrap();
        // Header and index at once; 1900 pages make 15 chunks when 64 may be under way.
        assert_eq!(replica.store.most_in_flight(), most);
        assert_eq!(replica.store.abandoned(), 0);
    }
}

#[test]
fn a_full_disk_is_told() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 3);
    let file = MemoryFile::default();
    file.broken.replace(Some(FileError::NoSpace));
    let (store, options) = (&replica.store, Options::default());
    let restoring = restore(store, &replica.environment, replica.layout, &file, options);
    assert_eq!(
        block_on(restoring),
        Err(RestoreError::File(FileError::NoSpace))
    );
}
