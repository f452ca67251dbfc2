//! The files of one database in memory, with locks that conflict as those of processes do: each
//! open file is an owner of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::ports::{FileError, FileKind, Files, LiveFile, LockKind, SharedMemory};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lock {
    owner: u64,
    start: u64,
    end: u64,
    exclusive: bool,
}

#[derive(Default)]
struct Locks(RefCell<Vec<Lock>>);

impl Locks {
    fn conflicts(&self, owner: u64, start: u64, end: u64, exclusive: bool) -> bool {
        let overlaps = |lock: &&Lock| lock.owner != owner && lock.start < end && start < lock.end;
        let locks = self.0.borrow();
        locks
            .iter()
            .filter(overlaps)
            .any(|lock| exclusive || lock.exclusive)
    }

    fn set(&self, owner: u64, start: u64, length: u64, kind: LockKind) -> bool {
        let end = start + length;
        let exclusive = kind == LockKind::Exclusive;
        if kind != LockKind::Unlock && self.conflicts(owner, start, end, exclusive) {
            return false;
        }
        let mut kept = Vec::new();
        for lock in self.0.borrow_mut().drain(..) {
            if lock.owner != owner || lock.end <= start || end <= lock.start {
                kept.push(lock);
                continue;
            }
            if lock.start < start {
                kept.push(Lock { end: start, ..lock });
            }
            if end < lock.end {
                kept.push(Lock { start: end, ..lock });
            }
        }
        if kind != LockKind::Unlock {
            kept.push(Lock {
                owner,
                start,
                end,
                exclusive,
            });
        }
        *self.0.borrow_mut() = kept;
        true
    }

    fn release(&self, owner: u64) {
        self.0.borrow_mut().retain(|lock| lock.owner != owner);
    }
}

#[derive(Default)]
struct Inode {
    bytes: RefCell<Vec<u8>>,
    locks: Locks,
}

#[derive(Default)]
struct Directory {
    names: RefCell<HashMap<FileKind, Rc<Inode>>>,
    shared_memory: RefCell<Option<Rc<Inode>>>,
    owners: Cell<u64>,
    full: Cell<bool>,
}

/// A handle: clones share the files.
#[derive(Clone, Default)]
pub struct MemoryFiles(Rc<Directory>);

impl MemoryFiles {
    pub fn bytes(&self, kind: FileKind) -> Option<Vec<u8>> {
        let names = self.0.names.borrow();
        names.get(&kind).map(|inode| inode.bytes.borrow().clone())
    }

    /// Puts another file in place; who has the old one open keeps it.
    pub fn put(&self, kind: FileKind, bytes: Vec<u8>) {
        let inode = Rc::new(Inode {
            bytes: RefCell::new(bytes),
            locks: Locks::default(),
        });
        self.0.names.borrow_mut().insert(kind, inode);
    }

    /// Writes over the file behind everybody's back.
    pub fn overwrite(&self, kind: FileKind, bytes: &[u8]) {
        let names = self.0.names.borrow();
        let inode = names.get(&kind).expect("it is there");
        inode.bytes.borrow_mut().copy_from_slice(bytes);
    }

    pub fn remove(&self, kind: FileKind) {
        self.0.names.borrow_mut().remove(&kind);
    }

    /// No room is left for a file that is written anew.
    pub fn fill_disk(&self) {
        self.0.full.set(true);
    }

    pub fn remove_shared_memory(&self) {
        self.0.shared_memory.borrow_mut().take();
    }

    /// Overwrites bytes of the WAL-index, as a process that dies half way does.
    pub fn scribble_on_shared_memory(&self, offset: usize, bytes: &[u8]) {
        let memory = self.0.shared_memory.borrow().clone().expect("it is in use");
        memory.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn owner(&self) -> u64 {
        self.0.owners.set(self.0.owners.get() + 1);
        self.0.owners.get()
    }
}

struct OpenFile {
    directory: MemoryFiles,
    kind: FileKind,
    inode: Rc<Inode>,
    owner: u64,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.inode.locks.release(self.owner);
    }
}

impl Files for MemoryFiles {
    fn open(&self, kind: FileKind, create: bool) -> Result<Box<dyn LiveFile>, FileError> {
        let mut names = self.0.names.borrow_mut();
        if !create && !names.contains_key(&kind) {
            return Err(FileError::NotFound);
        }
        Ok(Box::new(OpenFile {
            directory: self.clone(),
            kind,
            inode: Rc::clone(names.entry(kind).or_default()),
            owner: self.owner(),
        }))
    }

    fn shared_memory(&self) -> Result<Box<dyn SharedMemory>, FileError> {
        let mut memory = self.0.shared_memory.borrow_mut();
        let inode = memory.get_or_insert_default();
        // The dead man's switch: nobody has it open, so what it holds is of no use.
        if Rc::strong_count(inode) == 1 {
            inode.bytes.borrow_mut().clear();
        }
        Ok(Box::new(OpenMemory {
            directory: self.clone(),
            inode: Rc::clone(inode),
            owner: self.owner(),
        }))
    }

    fn delete(&self, kind: FileKind, _sync_directory: bool) -> Result<(), FileError> {
        let removed = self.0.names.borrow_mut().remove(&kind);
        removed.map(|_| ()).ok_or(FileError::NotFound)
    }

    fn exists(&self, kind: FileKind) -> bool {
        self.0.names.borrow().contains_key(&kind)
    }

    fn load_whole(&self, kind: FileKind) -> Result<Vec<u8>, FileError> {
        self.bytes(kind).ok_or(FileError::NotFound)
    }

    fn replace_whole(&self, kind: FileKind, data: &[u8]) -> Result<(), FileError> {
        if self.0.full.get() {
            return Err(FileError::NoSpace);
        }
        self.put(kind, data.to_vec());
        Ok(())
    }

    fn sleep_micros(&self, _micros: u32) {}
}

impl LiveFile for OpenFile {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        let bytes = self.inode.bytes.borrow();
        let from = bytes.len().min(offset as usize);
        let to = bytes.len().min(from + length as usize);
        Ok(bytes[from..to].to_vec())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        let mut bytes = self.inode.bytes.borrow_mut();
        let (from, to) = (offset as usize, offset as usize + data.len());
        if bytes.len() < to {
            bytes.resize(to, 0);
        }
        bytes[from..to].copy_from_slice(data);
        Ok(())
    }

    fn truncate(&self, size: u64) -> Result<(), FileError> {
        self.inode.bytes.borrow_mut().resize(size as usize, 0);
        Ok(())
    }

    fn sync(&self, _data_only: bool) -> Result<(), FileError> {
        Ok(())
    }

    fn size(&self) -> Result<u64, FileError> {
        Ok(self.inode.bytes.borrow().len() as u64)
    }

    fn lock(&self, start: u64, length: u64, kind: LockKind) -> Result<bool, FileError> {
        Ok(self.inode.locks.set(self.owner, start, length, kind))
    }

    fn is_locked(&self, start: u64, length: u64) -> Result<bool, FileError> {
        Ok(self
            .inode
            .locks
            .conflicts(self.owner, start, start + length, true))
    }

    fn is_current(&self) -> bool {
        let names = self.directory.0.names.borrow();
        names
            .get(&self.kind)
            .is_some_and(|inode| Rc::ptr_eq(inode, &self.inode))
    }
}

struct OpenMemory {
    directory: MemoryFiles,
    inode: Rc<Inode>,
    owner: u64,
}

impl Drop for OpenMemory {
    fn drop(&mut self) {
        self.inode.locks.release(self.owner);
    }
}

impl SharedMemory for OpenMemory {
    fn ensure(&self, size: u32, extend: bool) -> Result<bool, FileError> {
        let mut bytes = self.inode.bytes.borrow_mut();
        if bytes.len() < size as usize {
            if !extend {
                return Ok(false);
            }
            bytes.resize(size as usize, 0);
        }
        Ok(true)
    }

    fn lock(&self, first: u32, count: u32, kind: LockKind) -> Result<bool, FileError> {
        let locks = &self.inode.locks;
        Ok(locks.set(self.owner, u64::from(first), u64::from(count), kind))
    }

    fn load(&self, offset: u32, length: u32) -> Vec<u8> {
        let (from, to) = (offset as usize, (offset + length) as usize);
        self.inode.bytes.borrow()[from..to].to_vec()
    }

    fn store(&self, runs: &[(u32, Vec<u32>)]) {
        let mut bytes = self.inode.bytes.borrow_mut();
        for (offset, words) in runs {
            for (number, word) in words.iter().enumerate() {
                let at = *offset as usize + 4 * number;
                bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    fn barrier(&self) {}

    fn remove(&self) {
        self.directory.remove_shared_memory();
    }
}
