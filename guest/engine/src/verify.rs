//! SQLite's own check of a database file that nobody else uses.

use crate::ports::{FileKind, Files};
use crate::vfs;
use rusqlite::{Connection, OpenFlags};

/// How thoroughly SQLite looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integrity {
    None,
    /// `PRAGMA quick_check`: the structure of all B-trees.
    Quick,
    /// `PRAGMA integrity_check`: and that indexes and tables agree.
    Full,
}

/// Errors: what SQLite complains of.
pub fn check(files: &dyn Files, vfs_name: &str, how: Integrity) -> Result<(), String> {
    let pragma = match how {
        Integrity::None => return Ok(()),
        Integrity::Quick => "quick_check",
        Integrity::Full => "integrity_check",
    };
    // An empty database has no pages to check, and cannot be opened as immutable.
    if files
        .open(FileKind::Database, false)
        .and_then(|file| file.size())
        == Ok(0)
    {
        return Ok(());
    }
    // Immutable: no locks, no WAL, no file beside it.
    let name = format!("file:{}?immutable=1", vfs::DATABASE_NAME);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let complaints = Connection::open_with_flags_and_vfs(name, flags, vfs_name)
        .and_then(|connection| {
            connection
                .prepare(&format!("PRAGMA {pragma}(10)"))?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(|error| format!("{pragma}: {error}"))?;
    if complaints == ["ok"] {
        return Ok(());
    }
    Err(format!("{pragma}: {}", complaints.join("; ")))
}
