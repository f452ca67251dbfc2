//! SQLite's lock levels on the database file, at the byte ranges of its unix VFS.
//!
//! Each connection owns its locks through a descriptor of its own (open-file-description locks),
//! so there is no table of inodes as in SQLite's own VFS.

use crate::ports::{FileError, LiveFile, LockKind};

const PENDING: u64 = 0x4000_0000;
const RESERVED: u64 = PENDING + 1;
const SHARED: u64 = PENDING + 2;
const SHARED_BYTES: u64 = 510;

/// In SQLite's order: each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

impl Level {
    pub fn from_sqlite(level: i32) -> Level {
        match level {
            0 => Level::None,
            1 => Level::Shared,
            2 => Level::Reserved,
            3 => Level::Pending,
            _ => Level::Exclusive,
        }
    }
}

/// Raises the lock to `wanted`; `false`: another connection is in the way.
pub fn raise(file: &dyn LiveFile, level: &mut Level, wanted: Level) -> Result<bool, FileError> {
    if *level >= wanted {
        return Ok(true);
    }
    match wanted {
        Level::None => {}
        Level::Shared => {
            // PENDING keeps new readers out while a writer waits for exclusive access.
            if !file.lock(PENDING, 1, LockKind::Shared)? {
                return Ok(false);
            }
            let granted = file.lock(SHARED, SHARED_BYTES, LockKind::Shared)?;
            file.lock(PENDING, 1, LockKind::Unlock)?;
            if !granted {
                return Ok(false);
            }
        }
        Level::Reserved => {
            if !file.lock(RESERVED, 1, LockKind::Exclusive)? {
                return Ok(false);
            }
        }
        Level::Pending | Level::Exclusive => {
            if *level < Level::Pending {
                if !file.lock(PENDING, 1, LockKind::Exclusive)? {
                    return Ok(false);
                }
                *level = Level::Pending;
            }
            if wanted == Level::Exclusive
                && !file.lock(SHARED, SHARED_BYTES, LockKind::Exclusive)?
            {
                return Ok(false);
            }
        }
    }
    *level = wanted;
    Ok(true)
}

/// Lowers the lock to `wanted`, which is `Shared` or `None`.
pub fn lower(file: &dyn LiveFile, level: &mut Level, wanted: Level) -> Result<(), FileError> {
    if *level <= wanted {
        return Ok(());
    }
    if wanted == Level::Shared {
        // A shared lock in place of an exclusive one cannot be refused.
        file.lock(SHARED, SHARED_BYTES, LockKind::Shared)?;
        file.lock(PENDING, 2, LockKind::Unlock)?;
    } else {
        file.lock(PENDING, 2 + SHARED_BYTES, LockKind::Unlock)?;
    }
    *level = wanted;
    Ok(())
}

/// Does somebody (this connection included) hold RESERVED or more?
pub fn is_reserved(file: &dyn LiveFile, level: Level) -> Result<bool, FileError> {
    Ok(level > Level::Shared || file.is_locked(RESERVED, 1)?)
}
