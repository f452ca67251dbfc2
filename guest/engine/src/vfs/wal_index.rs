//! SQLite's WAL-index as a copy in guest memory, kept coherent at SQLite's own synchronisation
//! points.
//!
//! A guest cannot map the `-shm` file that other processes map. Each 32 KiB region is a copy, with
//! a shadow of what the file held when both were last the same:
//!
//! - **pull** (file → copy) after every lock that is granted, EXCLUSIVE on the database file
//!   included: a connection that closes last has only that one;
//! - **push** (copy → file, changed words only) before a lock is released, at a barrier, and
//!   before the database file is written. Push always comes before pull, so that a pull may
//!   overwrite everything.
//!
//! Without a lock the copy ages. SQLite reads the header first, takes a lock, and begins again when
//! the header has changed meanwhile, after a sleep that gets longer each time. So the copy is also
//! pulled when SQLite **wakes**: under a writer without pauses the sleep alone would make each next
//! attempt fail, for the ten seconds after which SQLite gives up.
//!
//! Pull loads ascending: header, then `nBackfill` and `aReadMark`, then the hash tables. A reader
//! compares `nBackfill` with its header without a lock; an old `nBackfill` beside a new header is
//! what must not be seen. Push stores the hash tables before the header, so that nobody finds a
//! header whose entries are not there yet.
//!
//! Hash tables have one owner, the holder of WRITE or RECOVER; only then are they compared.
//! On taking WRITE they must be exactly what the file holds: entries of a transaction that was
//! rolled back, or of a writer that died, may have been copied earlier and are gone from the file
//! since. Pulls of whole regions keep all of this simple.

use crate::ports::{FileError, LockKind, SharedMemory};
use crate::wal::INDEX_HEAD_BYTES;

/// Bytes of the two header copies and the checkpoint information before the first hash table.
const HEAD_BYTES: usize = 136;
const HEAD_WORDS: usize = HEAD_BYTES / 4;

/// Numbers of SQLite's lock bytes, counted from 120.
pub const WRITE: u32 = 0;
pub const CHECKPOINT: u32 = 1;
pub const RECOVER: u32 = 2;

/// One region: what SQLite sees, and what the file held when both were last the same.
struct Region {
    // Boxed slices: SQLite keeps pointers into `words`, which must not move.
    words: Box<[u32]>,
    shadow: Box<[u32]>,
}

pub struct WalIndex {
    memory: Box<dyn SharedMemory>,
    regions: Vec<Option<Region>>,
    region_bytes: usize,
    /// Bit masks of lock numbers that SQLite holds through this connection.
    exclusive: u32,
    shared: u32,
    /// CHECKPOINT is held for as long as this connection lives, whatever SQLite asks.
    keeps_checkpoint: bool,
}

fn mask(first: u32, count: u32) -> u32 {
    ((1 << count) - 1) << first
}

impl WalIndex {
    pub fn new(memory: Box<dyn SharedMemory>) -> WalIndex {
        WalIndex {
            memory,
            regions: Vec::new(),
            region_bytes: 0,
            exclusive: 0,
            shared: 0,
            keeps_checkpoint: false,
        }
    }

    /// Takes CHECKPOINT and keeps it; `false`: another process has it now.
    pub fn keep_checkpoint(&mut self) -> Result<bool, FileError> {
        if !self.keeps_checkpoint {
            self.keeps_checkpoint = self.memory.lock(CHECKPOINT, 1, LockKind::Exclusive)?;
        }
        Ok(self.keeps_checkpoint)
    }

    /// A pointer to region `number`, valid until this value is dropped; `None`: the file has no
    /// such region and `extend` is false.
    pub fn map(
        &mut self,
        number: usize,
        region_bytes: usize,
        extend: bool,
    ) -> Result<Option<*mut u32>, FileError> {
        self.region_bytes = region_bytes;
        if self.regions.len() <= number {
            self.regions.resize_with(number + 1, || None);
        }
        if self.regions[number].is_none() {
            let end = (number + 1) * region_bytes;
            if !self.memory.ensure(end as u32, extend)? {
                return Ok(None);
            }
            let words = region_bytes / 4;
            let mut region = Region {
                words: vec![0; words].into(),
                shadow: vec![0; words].into(),
            };
            load(&*self.memory, &mut region, number * region_bytes, words);
            self.regions[number] = Some(region);
        }
        Ok(self.regions[number]
            .as_mut()
            .map(|region| region.words.as_mut_ptr()))
    }

    /// `false`: another connection holds a conflicting lock.
    pub fn lock(&mut self, first: u32, count: u32, exclusive: bool) -> Result<bool, FileError> {
        let wanted = mask(first, count);
        if !exclusive && self.shared & wanted != 0 {
            return Ok(true);
        }
        let kind = if exclusive {
            LockKind::Exclusive
        } else {
            LockKind::Shared
        };
        if !self.change(first, count, kind)? {
            return Ok(false);
        }
        // What was changed under the locks held up to now goes out before anything comes in.
        self.push();
        if exclusive {
            self.exclusive |= wanted;
        } else {
            self.shared |= wanted;
        }
        if cfg!(not(feature = "broken-pull")) {
            self.pull();
        }
        Ok(true)
    }

    pub fn unlock(&mut self, first: u32, count: u32) -> Result<(), FileError> {
        let released = mask(first, count);
        if (self.exclusive | self.shared) & released == 0 {
            return Ok(());
        }
        if cfg!(not(feature = "broken-push")) {
            self.push();
        }
        self.change(first, count, LockKind::Unlock)?;
        self.exclusive &= !released;
        self.shared &= !released;
        Ok(())
    }

    /// Changes the locks, but never lets go of a CHECKPOINT lock that is kept.
    fn change(&self, first: u32, count: u32, kind: LockKind) -> Result<bool, FileError> {
        let includes = first <= CHECKPOINT && CHECKPOINT < first + count;
        if !(self.keeps_checkpoint && includes) {
            return self.memory.lock(first, count, kind);
        }
        let below = CHECKPOINT - first;
        if below > 0 && !self.memory.lock(first, below, kind)? {
            return Ok(false);
        }
        let above = first + count - CHECKPOINT - 1;
        if above > 0 && !self.memory.lock(CHECKPOINT + 1, above, kind)? {
            if below > 0 {
                self.memory.lock(first, below, LockKind::Unlock)?;
            }
            return Ok(false);
        }
        Ok(true)
    }

    /// Before the database file is written, and at SQLite's barriers.
    pub fn publish(&mut self) {
        self.push();
        self.memory.barrier();
    }

    /// When nobody else has the database open any more: what they left, before SQLite acts on it.
    pub fn refresh(&mut self) {
        self.push();
        self.pull();
    }

    /// After a sleep between two attempts to begin to read. Under a lock nothing moves: what is
    /// copied is what counts.
    pub fn wake(&mut self) {
        if self.exclusive | self.shared == 0 {
            self.pull();
        }
    }

    /// Both header copies and `nBackfill` as the file holds them now; zeros when there is no region.
    pub fn header_bytes(&self) -> Vec<u8> {
        match self.regions.first() {
            Some(Some(_)) => self.memory.load(0, INDEX_HEAD_BYTES as u32),
            _ => vec![0; INDEX_HEAD_BYTES],
        }
    }

    pub fn close(&mut self, remove: bool) {
        self.push();
        if remove {
            self.memory.remove();
        }
    }

    fn push(&mut self) {
        if self.exclusive == 0 {
            return;
        }
        let mut runs = Vec::new();
        if self.exclusive & (mask(WRITE, 1) | mask(RECOVER, 1)) != 0 {
            for (number, region) in self.regions.iter_mut().enumerate() {
                let Some(region) = region else { continue };
                let from = if number == 0 { HEAD_WORDS } else { 0 };
                changed_runs(
                    region,
                    from..region.words.len(),
                    number * self.region_bytes,
                    &mut runs,
                );
            }
        }
        if let Some(Some(first)) = self.regions.first_mut() {
            changed_runs(first, 0..HEAD_WORDS, 0, &mut runs);
        }
        if !runs.is_empty() {
            self.memory.store(&runs);
        }
    }

    fn pull(&mut self) {
        for (number, region) in self.regions.iter_mut().enumerate() {
            let Some(region) = region else { continue };
            let words = if cfg!(feature = "broken-hash") {
                if number > 0 { 0 } else { HEAD_WORDS }
            } else {
                region.words.len()
            };
            load(&*self.memory, region, number * self.region_bytes, words);
        }
    }
}

fn load(memory: &dyn SharedMemory, region: &mut Region, offset: usize, words: usize) {
    if words == 0 {
        return;
    }
    let bytes = memory.load(offset as u32, words as u32 * 4);
    for (index, word) in bytes.chunks_exact(4).enumerate() {
        let value = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        region.words[index] = value;
        region.shadow[index] = value;
    }
}

/// Collects the stretches of words that differ from the shadow, and updates the shadow.
fn changed_runs(
    region: &mut Region,
    range: std::ops::Range<usize>,
    offset: usize,
    runs: &mut Vec<(u32, Vec<u32>)>,
) {
    let mut at = range.start;
    while at < range.end {
        if region.words[at] == region.shadow[at] {
            at += 1;
            continue;
        }
        let start = at;
        while at < range.end && region.words[at] != region.shadow[at] {
            region.shadow[at] = region.words[at];
            at += 1;
        }
        runs.push((
            (offset + 4 * start) as u32,
            region.words[start..at].to_vec(),
        ));
    }
}
