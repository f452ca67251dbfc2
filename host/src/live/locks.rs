//! Locks that belong to an open file description and conflict with other processes' POSIX locks.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    Unlock,
    Shared,
    Exclusive,
}

/// Does not wait; `false`: somebody else holds a conflicting lock.
pub fn set(file: &File, start: u64, length: u64, kind: LockKind) -> io::Result<bool> {
    let range = flock(start, length, kind);
    loop {
        // SAFETY: a valid descriptor and a valid structure.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &range) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => return Ok(false),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

/// Which lock of somebody else's would conflict with an exclusive lock on the range?
pub fn conflicting(file: &File, start: u64, length: u64) -> io::Result<Option<LockKind>> {
    let mut range = flock(start, length, LockKind::Exclusive);
    // SAFETY: a valid descriptor and a valid structure.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut range) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(match i32::from(range.l_type) {
        libc::F_RDLCK => Some(LockKind::Shared),
        libc::F_WRLCK => Some(LockKind::Exclusive),
        _ => None,
    })
}

fn flock(start: u64, length: u64, kind: LockKind) -> libc::flock {
    let kind = match kind {
        LockKind::Unlock => libc::F_UNLCK,
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    };
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: start as i64,
        l_len: length as i64,
        l_pid: 0,
    }
}
