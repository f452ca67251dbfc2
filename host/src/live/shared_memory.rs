//! The `-shm` file, mapped as other processes map it, read and written in atomic 32-bit words.

use super::locks::{self, LockKind};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Address space that is reserved for one mapping: 4096 regions, a WAL of 16 million frames.
const RESERVED_BYTES: usize = 128 << 20;
/// First of SQLite's eight lock bytes, and the dead man's switch behind them.
const FIRST_LOCK: u64 = 120;
const DEAD_MAN: u64 = 128;
/// SQLite grows the file in steps of a page of this size.
const OS_PAGE: u64 = 4096;

#[derive(Debug)]
pub struct SharedMemory {
    file: File,
    path: PathBuf,
    map: NonNull<AtomicU32>,
    /// Bytes of the mapping that the file is known to back.
    accessible: usize,
}

// SAFETY: the mapping is only touched through atomics, and the file's calls are thread-safe.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Follows SQLite's protocol of the dead man's switch: who comes first empties the file; while
    /// anybody holds the switch nobody truncates it. `WouldBlock`: somebody is just coming.
    pub fn open(file: File, path: PathBuf) -> io::Result<SharedMemory> {
        match locks::conflicting(&file, DEAD_MAN, 1)? {
            None => {
                if !locks::set(&file, DEAD_MAN, 1, LockKind::Exclusive)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                // As SQLite: three bytes, so that a file of its own is never taken for empty.
                file.set_len(3)?;
            }
            Some(LockKind::Exclusive) => return Err(io::ErrorKind::WouldBlock.into()),
            Some(_) => {}
        }
        if !locks::set(&file, DEAD_MAN, 1, LockKind::Shared)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // SAFETY: a fresh mapping of a valid descriptor; nothing beyond `accessible` is touched.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                RESERVED_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                file.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let map = NonNull::new(map.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(SharedMemory {
            file,
            path,
            map,
            accessible: 0,
        })
    }

    /// `false`: the file is shorter than `size` and `extend` is false.
    pub fn ensure(&mut self, size: usize, extend: bool) -> io::Result<bool> {
        if size > RESERVED_BYTES {
            return Err(io::Error::other(
                "the WAL-index has outgrown its reservation",
            ));
        }
        let mut backed = self.file.metadata()?.len();
        if backed < size as u64 {
            if !extend {
                return Ok(false);
            }
            // One byte at the end of each page, so that the space is really there: a full disk is
            // an error here, not a signal at some later access.
            while backed < size as u64 {
                let page_end = (backed / OS_PAGE + 1) * OS_PAGE;
                self.file.write_all_at(&[0], page_end - 1)?;
                backed = page_end;
            }
        }
        self.accessible = self.accessible.max(size);
        Ok(true)
    }

    pub fn lock(&self, first: u32, count: u32, kind: LockKind) -> io::Result<bool> {
        locks::set(
            &self.file,
            FIRST_LOCK + u64::from(first),
            u64::from(count),
            kind,
        )
    }

    fn words(&self, offset: usize, count: usize) -> Option<&[AtomicU32]> {
        if !offset.is_multiple_of(4) || offset + count * 4 > self.accessible {
            return None;
        }
        // SAFETY: inside the mapping, backed by the file, aligned; nobody truncates the file while
        // this holds the dead man's switch.
        Some(unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(offset / 4), count) })
    }

    /// Ascending atomic loads; `None`: not accessible.
    pub fn load(&self, offset: usize, length: usize) -> Option<Vec<u8>> {
        let words = self.words(offset, length / 4)?;
        let mut bytes = Vec::with_capacity(length);
        for word in words {
            bytes.extend_from_slice(&word.load(Ordering::Acquire).to_le_bytes());
        }
        Some(bytes)
    }

    /// Atomic stores in the order given; `None`: not accessible.
    pub fn store(&self, offset: usize, values: &[u32]) -> Option<()> {
        for (word, value) in self.words(offset, values.len())?.iter().zip(values) {
            word.store(*value, Ordering::Release);
        }
        Some(())
    }

    pub fn barrier(&self) {
        fence(Ordering::SeqCst);
    }

    /// Removes the file, if no other connection is attached.
    pub fn remove(&self) {
        if let Ok(true) = locks::set(&self.file, DEAD_MAN, 1, LockKind::Exclusive) {
            // Left behind, it would be emptied by whoever comes first.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length, and not used after this.
        unsafe { libc::munmap(self.map.as_ptr().cast(), RESERVED_BYTES) };
    }
}
