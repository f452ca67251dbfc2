//! Files that are being written: beside their place, under names no key can have.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::keys::OWN_FILES;
use super::super::limits::LEFTOVER_AGE;
use super::{Error, told};

/// A file of our own, gone when dropped unless it was renamed.
#[derive(Debug)]
pub struct Temp {
    file: File,
    path: PathBuf,
}

impl Temp {
    /// A new file in the directory of `target`, which is made if need be.
    pub fn beside(root: &Path, target: &Path) -> Result<Temp, Error> {
        let parent = target.parent().unwrap_or(root);
        make_directories(parent)?;
        let path = parent.join(format!("{}", Name(rand::random())));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            // As the database that it is a copy of, a replica is its owner's business.
            .mode(0o600)
            .open(&path)
            .map_err(told("create", &path))?;
        Ok(Temp { file, path })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything written is on the disk, and the file looks as old as the object is.
    pub fn finish(&self, created_ms: u64) -> Result<(), Error> {
        let created = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(created_ms));
        let created = created.ok_or_else(|| {
            Error::Invalid(format!(
                "the time {created_ms} ms after 1970 is out of range"
            ))
        })?;
        self.file
            .set_modified(created)
            .and_then(|()| self.file.sync_all())
            .map_err(told("sync", &self.path))
    }

    /// Gives the file its name unless something has that name.
    pub fn link_to(&self, target: &Path) -> Result<(), Error> {
        fs::hard_link(&self.path, target).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::PreconditionFailed(format!("{} exists", target.display()))
            }
            _ if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP)) => {
                Error::Invalid(format!(
                    "{} cannot be linked to {}: {error}. Nothing was stored. The file system of \
                     a replica must have hard links",
                    self.path.display(),
                    target.display()
                ))
            }
            _ => told("link", target)(error),
        })
    }

    /// Gives the file its name, in place of what has that name.
    pub fn rename_to(&self, target: &Path) -> Result<(), Error> {
        fs::rename(&self.path, target).map_err(told("rename to", target))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // After a rename it is not there any more; what cannot be removed now is purged later.
        let _ = fs::remove_file(&self.path);
    }
}

struct Name(u64);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{OWN_FILES}tmp-{:016x}", self.0)
    }
}

/// Makes `path` and what is missing above it, so that all of it outlasts a crash.
fn make_directories(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_directories(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        // Another writer was faster; or a file is in the way, which creating one below tells.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(told("create directory", path)(error)),
    }
    let parent = parent.unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(told("sync", parent))
}

/// Removes our own files that no living process can be writing to any more.
pub fn purge_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            purge_leftovers(&path);
        } else if is_leftover(&entry) {
            match fs::remove_file(&path) {
                Ok(()) => tracing::debug!(path = %path.display(), "removed a leftover file"),
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "a leftover file stays")
                }
            }
        }
    }
}

fn is_leftover(entry: &fs::DirEntry) -> bool {
    let ours = entry
        .file_name()
        .to_str()
        .is_some_and(|name| name.starts_with(&format!("{OWN_FILES}tmp-")));
    ours && entry
        .metadata()
        .is_ok_and(|metadata| is_old(last_change(&metadata)))
}

/// The kernel's own time of the last change: the modification time is set by us to the object's.
fn last_change(metadata: &fs::Metadata) -> SystemTime {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn is_old(time: SystemTime) -> bool {
    SystemTime::now()
        .duration_since(time)
        .is_ok_and(|age| age > LEFTOVER_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_older_than_a_day_is_a_leftover() {
        let now = SystemTime::now();
        assert!(!is_old(now));
        assert!(!is_old(now - Duration::from_secs(23 * 3600)));
        assert!(is_old(now - Duration::from_secs(25 * 3600)));
        assert!(
            !is_old(now + Duration::from_secs(25 * 3600)),
            "a clock that was set back"
        );
    }

    #[test]
    fn a_young_temporary_file_is_not_purged() {
        let root = tempfile::tempdir().unwrap();
        let temp = Temp::beside(root.path(), &root.path().join("a/b")).unwrap();
        temp.finish(1_000).unwrap();

        purge_leftovers(root.path());

        assert!(
            temp.path().exists(),
            "although its modification time is of 1970"
        );
    }
}
