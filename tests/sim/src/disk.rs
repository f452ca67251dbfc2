//! The disk of one machine: the files of one database, what of them is durable, and the locks that
//! processes hold on them.
//!
//! A process that dies loses its locks and open files; what it wrote stays. A machine that loses
//! power keeps what was synced, and of everything else any part, in sectors, in any order.

mod locks;
mod power;

use crate::dice::Dice;
use engine::ports::{FileError, FileKind};
use locks::Lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

const KINDS: [FileKind; 5] = [
    FileKind::Database,
    FileKind::Wal,
    FileKind::Journal,
    FileKind::Checksums,
    FileKind::Position,
];

pub type ProcessId = u32;
/// An open file; locks belong to it.
pub type Handle = u64;
type Inode = u64;

/// `-shm` has locks and users as a file has, and lives in memory.
const SHARED_MEMORY: Inode = 0;

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Default, Clone)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    changes: Vec<Change>,
}

struct Open {
    process: ProcessId,
    inode: Inode,
    kind: Option<FileKind>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<Inode, File>,
    names: Vec<(FileKind, Inode)>,
    /// As they are after a loss of power.
    durable_names: Vec<(FileKind, Inode)>,
    shared_memory: Vec<u8>,
    opened: BTreeMap<Handle, Open>,
    locks: Vec<Lock>,
    counter: u64,
    full: bool,
    was_full: bool,
    has_lost_power: bool,
    /// Changes of any file so far.
    changes: u64,
}

/// A handle: clones share the disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn bytes(&self, kind: FileKind) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.named(kind)?;
        Some(state.files[&inode].bytes.clone())
    }

    pub fn size(&self, kind: FileKind) -> usize {
        let state = self.state();
        let inode = state.named(kind);
        inode.map_or(0, |inode| state.files[&inode].bytes.len())
    }

    /// Grows with each change of any file.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// From now on nothing can grow.
    pub fn set_full(&self, full: bool) {
        let mut state = self.state();
        state.full = full;
        state.was_full |= full;
    }

    /// Ever.
    pub fn has_lost_power(&self) -> bool {
        self.state().has_lost_power
    }

    /// Ever.
    pub fn was_full(&self) -> bool {
        self.state().was_full
    }

    /// A file that was put there durably, by somebody who is gone.
    pub fn place(&self, kind: FileKind, bytes: Vec<u8>) {
        let mut state = self.state();
        let inode = state.fresh();
        let file = File {
            durable: bytes.clone(),
            bytes,
            changes: Vec::new(),
        };
        state.files.insert(inode, file);
        state.rename(kind, Some(inode));
        state.durable_names = state.names.clone();
    }

    /// Everything that the process held is free.
    pub fn release(&self, process: ProcessId) {
        let mut state = self.state();
        let gone: Vec<Handle> = state
            .opened
            .iter()
            .filter(|(_, open)| open.process == process)
            .map(|(handle, _)| *handle)
            .collect();
        for handle in gone {
            state.close(handle);
        }
    }

    /// The power is gone: so is every process, and what was not synced stays in part.
    pub fn lose_power(&self, dice: &Dice) {
        let mut state = self.state();
        state.opened.clear();
        state.locks.clear();
        state.shared_memory.clear();
        state.full = false;
        state.has_lost_power = true;
        // Each name leads to what it did at the last sync of the directory, or to what it does now.
        for kind in KINDS {
            let (now, then) = (state.named(kind), find(&state.durable_names, kind));
            let kept = if dice.happens(0.5) { now } else { then };
            state.rename(kind, kept);
        }
        state.durable_names = state.names.clone();
        let named: Vec<Inode> = state.names.iter().map(|(_, inode)| *inode).collect();
        state.files.retain(|inode, _| named.contains(inode));
        for file in state.files.values_mut() {
            file.lose_power(dice);
        }
        state.changes += 1;
    }

    pub fn open(
        &self,
        process: ProcessId,
        kind: FileKind,
        create: bool,
    ) -> Result<Handle, FileError> {
        let mut state = self.state();
        let inode = match state.named(kind) {
            Some(inode) => inode,
            None if !create => return Err(FileError::NotFound),
            None if state.full => return Err(FileError::NoSpace),
            None => {
                let inode = state.fresh();
                state.files.insert(inode, File::default());
                state.rename(kind, Some(inode));
                inode
            }
        };
        Ok(state.opened(process, inode, Some(kind)))
    }

    pub fn open_memory(&self, process: ProcessId) -> Handle {
        let mut state = self.state();
        // The dead man's switch: nobody has it open, so what it holds is of no use.
        let users = |open: &Open| open.inode == SHARED_MEMORY;
        if !state.opened.values().any(users) {
            state.shared_memory.clear();
        }
        state.opened(process, SHARED_MEMORY, None)
    }

    pub fn close(&self, handle: Handle) {
        self.state().close(handle);
    }

    pub fn read(&self, handle: Handle, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        let mut state = self.state();
        let bytes = &state.file(handle)?.bytes;
        let from = bytes.len().min(offset as usize);
        let to = bytes.len().min(from + length as usize);
        Ok(bytes[from..to].to_vec())
    }

    pub fn write(&self, handle: Handle, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let mut state = self.state();
        let full = state.full;
        state.changes += 1;
        let file = state.file(handle)?;
        if full && file.bytes.len() < offset as usize + data.len() {
            return Err(FileError::NoSpace);
        }
        apply(&mut file.bytes, offset as usize, data);
        file.changes
            .push(Change::Write(offset as usize, data.to_vec()));
        Ok(())
    }

    pub fn truncate(&self, handle: Handle, size: u64) -> Result<(), FileError> {
        let mut state = self.state();
        state.changes += 1;
        let file = state.file(handle)?;
        file.bytes.resize(size as usize, 0);
        file.changes.push(Change::Resize(size as usize));
        Ok(())
    }

    pub fn sync(&self, handle: Handle) -> Result<(), FileError> {
        let mut state = self.state();
        let inode = state.open(handle)?.inode;
        let file = state.file(handle)?;
        file.durable = file.bytes.clone();
        file.changes.clear();
        // A new file's name is durable with it, as on the journaling file systems that people use.
        let name = state
            .names
            .iter()
            .find(|(_, named)| *named == inode)
            .copied();
        if let Some((kind, inode)) = name
            && find(&state.durable_names, kind).is_none()
        {
            state.durable_names.push((kind, inode));
        }
        Ok(())
    }

    pub fn file_size(&self, handle: Handle) -> Result<u64, FileError> {
        Ok(self.state().file(handle)?.bytes.len() as u64)
    }

    pub fn is_current(&self, handle: Handle) -> bool {
        let state = self.state();
        let open = state.opened.get(&handle);
        open.is_some_and(|open| open.kind.and_then(|kind| state.named(kind)) == Some(open.inode))
    }

    pub fn delete(&self, kind: FileKind, sync_directory: bool) -> Result<(), FileError> {
        let mut state = self.state();
        state.changes += 1;
        state.named(kind).ok_or(FileError::NotFound)?;
        state.rename(kind, None);
        if sync_directory {
            state.durable_names = state.names.clone();
        }
        Ok(())
    }

    pub fn exists(&self, kind: FileKind) -> bool {
        self.state().named(kind).is_some()
    }

    /// Temporary file, sync, rename, sync of the directory.
    pub fn replace(&self, kind: FileKind, data: &[u8]) -> Result<(), FileError> {
        if self.state().full {
            return Err(FileError::NoSpace);
        }
        self.place(kind, data.to_vec());
        self.state().changes += 1;
        Ok(())
    }

    /// False: it is shorter, and is not to be extended.
    pub fn ensure_memory(&self, size: u32, extend: bool) -> Result<bool, FileError> {
        let mut state = self.state();
        if state.shared_memory.len() < size as usize {
            if !extend {
                return Ok(false);
            }
            if state.full {
                return Err(FileError::NoSpace);
            }
            state.shared_memory.resize(size as usize, 0);
        }
        Ok(true)
    }

    /// None: beyond its end.
    pub fn load_memory(&self, offset: u32, length: u32) -> Option<Vec<u8>> {
        let state = self.state();
        let range = offset as usize..(offset + length) as usize;
        state.shared_memory.get(range).map(<[u8]>::to_vec)
    }

    /// None: beyond its end.
    pub fn store_memory(&self, offset: u32, words: &[u32]) -> Option<()> {
        let mut state = self.state();
        let range = offset as usize..offset as usize + 4 * words.len();
        let there = state.shared_memory.get_mut(range)?;
        for (bytes, word) in there.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Some(())
    }

    pub fn remove_memory(&self, handle: Handle) {
        let mut state = self.state();
        let others = state
            .opened
            .iter()
            .any(|(other, open)| *other != handle && open.inode == SHARED_MEMORY);
        if !others {
            state.shared_memory.clear();
        }
    }
}

fn find(names: &[(FileKind, Inode)], kind: FileKind) -> Option<Inode> {
    let found = names.iter().find(|(named, _)| *named == kind);
    found.map(|(_, inode)| *inode)
}

fn apply(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl State {
    fn named(&self, kind: FileKind) -> Option<Inode> {
        find(&self.names, kind)
    }

    fn rename(&mut self, kind: FileKind, inode: Option<Inode>) {
        self.names.retain(|(named, _)| *named != kind);
        self.names.extend(inode.map(|inode| (kind, inode)));
    }

    fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn opened(&mut self, process: ProcessId, inode: Inode, kind: Option<FileKind>) -> Handle {
        let handle = self.fresh();
        let open = Open {
            process,
            inode,
            kind,
        };
        self.opened.insert(handle, open);
        handle
    }

    /// A handle of a process that is dead leads nowhere.
    fn open(&self, handle: Handle) -> Result<&Open, FileError> {
        let dead = || FileError::Io("the process is dead".to_owned());
        self.opened.get(&handle).ok_or_else(dead)
    }

    fn file(&mut self, handle: Handle) -> Result<&mut File, FileError> {
        let inode = self.open(handle)?.inode;
        Ok(self.files.get_mut(&inode).expect("what is open is there"))
    }

    fn close(&mut self, handle: Handle) {
        self.opened.remove(&handle);
        self.locks.retain(|lock| lock.owner != handle);
    }
}
