//! The files of one live database, as other processes use them: what the component's import
//! `seawall:live/files` is answered with.
//!
//! Never open the same database with another SQLite in this process: closing any descriptor of a
//! file drops all of the process's POSIX locks on it. The locks here belong to their descriptor
//! (open-file-description locks) and are immune to that, other libraries' are not.

mod file;
mod locks;
mod shared_memory;

pub use file::LiveFile;
pub use locks::{LockKind, conflicting};
pub use shared_memory::SharedMemory;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file that is loaded as a whole: page checksums of a database of 1 TiB in 4 KiB pages.
const MAX_WHOLE_BYTES: u64 = 2 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Database,
    Wal,
    Journal,
    /// Seawall's own: checksums of the pages that were shipped.
    Checksums,
    /// Where a followed file stands.
    Position,
}

/// Where the files of one database are.
#[derive(Debug, Clone)]
pub struct Files {
    database: PathBuf,
    /// What Seawall keeps beside a database may belong to another name than the database:
    /// `restore` builds a temporary file and leaves its checksums for the final one.
    target: PathBuf,
    /// A database without a name.
    nameless: Option<Arc<File>>,
}

impl Files {
    /// A path that is a link leads to the file that it names: SQLite puts `-wal` and `-shm` beside
    /// that one.
    pub fn new(database: &Path) -> Files {
        let real = fs::canonicalize(database);
        let database = real.unwrap_or_else(|_| database.to_owned());
        Files {
            target: database.clone(),
            database,
            nameless: None,
        }
    }

    /// The files of a database that is being built at `temporary` and will be renamed to `target`.
    pub fn building(temporary: &Path, target: &Path) -> Files {
        Files {
            database: temporary.to_owned(),
            target: target.to_owned(),
            nameless: None,
        }
    }

    /// A database in a file that has no name, and nothing beside it.
    pub fn nameless(file: Arc<File>) -> Files {
        Files {
            database: PathBuf::new(),
            target: PathBuf::new(),
            nameless: Some(file),
        }
    }

    pub fn path(&self, kind: Kind) -> PathBuf {
        match kind {
            Kind::Database => self.database.clone(),
            Kind::Wal => with_suffix(&self.database, "-wal"),
            Kind::Journal => with_suffix(&self.database, "-journal"),
            Kind::Checksums => checksums_path(&self.target),
            // Put in place together with the file that it is true of.
            Kind::Position => position_path(&self.database),
        }
    }

    /// Opens for reading and writing. A created `-wal` or `-journal` gets the database's mode and
    /// owner, so that the app can use it whatever user we run as.
    pub fn open(&self, kind: Kind, create: bool) -> io::Result<LiveFile> {
        let path = self.path(kind);
        if let Some(file) = &self.nameless {
            return match kind {
                Kind::Database => LiveFile::new(file.try_clone()?, path),
                _ => Err(io::ErrorKind::NotFound.into()),
            };
        }
        let file = match open_existing(&path) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                self.create(&path)?
            }
            result => result?,
        };
        LiveFile::new(file, path)
    }

    /// Nothing lies beside a database that has no name.
    fn check_named(&self) -> io::Result<()> {
        match self.nameless {
            Some(_) => Err(io::ErrorKind::NotFound.into()),
            None => Ok(()),
        }
    }

    pub fn shared_memory(&self) -> io::Result<SharedMemory> {
        self.check_named()?;
        let path = with_suffix(&self.database, "-shm");
        let file = match open_existing(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(&path)?,
            result => result?,
        };
        SharedMemory::open(file, path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let model = fs::metadata(&self.database).ok();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_NOFOLLOW)
            .mode(model.as_ref().map_or(0o600, |m| m.mode() & 0o777))
            .open(path)?;
        if let Some(model) = model {
            file.set_permissions(fs::Permissions::from_mode(model.mode() & 0o777))?;
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (model.uid(), model.gid()) {
                // Only root may give files away; for others the directory's rules decide.
                let _ = std::os::unix::fs::fchown(&file, Some(model.uid()), Some(model.gid()));
            }
        }
        Ok(file)
    }

    pub fn delete(&self, kind: Kind, sync_directory: bool) -> io::Result<()> {
        self.check_named()?;
        let path = self.path(kind);
        fs::remove_file(&path)?;
        if sync_directory {
            sync_parent(&path)?;
        }
        Ok(())
    }

    pub fn exists(&self, kind: Kind) -> bool {
        if self.nameless.is_some() {
            return kind == Kind::Database;
        }
        self.path(kind).exists()
    }

    pub fn load_whole(&self, kind: Kind) -> io::Result<Vec<u8>> {
        self.check_named()?;
        let path = self.path(kind);
        let size = fs::metadata(&path)?.len();
        if size > MAX_WHOLE_BYTES {
            return Err(io::Error::other(format!(
                "{}: {size} bytes are too many",
                path.display()
            )));
        }
        fs::read(path)
    }

    /// Temporary file, sync, rename, sync of the directory.
    pub fn replace_whole(&self, kind: Kind, data: &[u8]) -> io::Result<()> {
        self.check_named()?;
        let path = self.path(kind);
        let temporary = with_suffix(&path, ".tmp");
        let _ = fs::remove_file(&temporary);
        let mut file = self.create(&temporary)?;
        file.write_all(data)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync_parent(&path)
    }
}

/// Where the position of a followed file is.
pub fn position_path(database: &Path) -> PathBuf {
    with_suffix(database, "-txid")
}

/// `.<name>-seawall` beside the database.
pub fn checksums_path(database: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(database.file_name().unwrap_or_default());
    name.push("-seawall");
    database.with_file_name(name)
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a rename or removal in the directory of `path` durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

fn open_existing(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_a_linked_database_lies_beside_the_file_itself() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap().join("real.db");
        let link = directory.path().join("link.db");
        fs::write(&real, b"").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let files = Files::new(&link);
        assert_eq!(files.path(Kind::Wal), with_suffix(&real, "-wal"));
        assert_eq!(files.path(Kind::Checksums), checksums_path(&real));
    }
}
