//! The locks that open files hold on bytes of files.

use super::{Disk, Handle, Inode, State};
use engine::ports::{FileError, LockKind};

pub(super) struct Lock {
    inode: Inode,
    pub(super) owner: Handle,
    start: u64,
    end: u64,
    exclusive: bool,
}

impl Disk {
    /// False: somebody else holds a conflicting lock.
    pub fn lock(
        &self,
        handle: Handle,
        start: u64,
        length: u64,
        kind: LockKind,
    ) -> Result<bool, FileError> {
        let mut state = self.state();
        let inode = state.open(handle)?.inode;
        let end = start + length;
        let exclusive = kind == LockKind::Exclusive;
        if kind != LockKind::Unlock && state.conflicts(handle, inode, start, end, exclusive) {
            return Ok(false);
        }
        let mut kept = Vec::new();
        for lock in state.locks.drain(..) {
            if lock.owner != handle || lock.end <= start || end <= lock.start {
                kept.push(lock);
                continue;
            }
            let (from, to) = (lock.start, lock.end);
            if from < start {
                kept.push(Lock {
                    start: from,
                    end: start,
                    ..lock
                });
            }
            if end < to {
                let owner = handle;
                let exclusive = lock.exclusive;
                kept.push(Lock {
                    inode,
                    owner,
                    start: end,
                    end: to,
                    exclusive,
                });
            }
        }
        if kind != LockKind::Unlock {
            let owner = handle;
            kept.push(Lock {
                inode,
                owner,
                start,
                end,
                exclusive,
            });
        }
        state.locks = kept;
        Ok(true)
    }

    pub fn is_locked(&self, handle: Handle, start: u64, length: u64) -> Result<bool, FileError> {
        let state = self.state();
        let inode = state.open(handle)?.inode;
        Ok(state.conflicts(handle, inode, start, start + length, true))
    }
}

impl State {
    fn conflicts(
        &self,
        owner: Handle,
        inode: Inode,
        start: u64,
        end: u64,
        exclusive: bool,
    ) -> bool {
        self.locks.iter().any(|lock| {
            let other = lock.owner != owner && lock.inode == inode;
            other && lock.start < end && start < lock.end && (exclusive || lock.exclusive)
        })
    }
}
