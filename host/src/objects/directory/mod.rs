//! Objects as files of a directory: what `file://` replicas are.
//!
//! A file appears under its key whole and synced, or not at all: it is written beside its place
//! under a name of our own, synced, and then linked (create if absent) or renamed (replace), and
//! the directory is synced. Calls block, and so run on the threads for blocking work.

mod examine;
mod failure;
mod temp;
mod upload;
mod walk;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::limits::{GET_BYTES, LIST_PAGE};
use super::{Condition, Error, Listing, Range, keys};
pub use examine::try_out;
use failure::{blocking, blocking_write, told};
use temp::Temp;
pub use upload::Upload;

#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Leftovers of dead processes are looked for once.
    purged: AtomicBool,
}

impl Directory {
    /// Errors: [`Error::Invalid`] for an empty path. The directory need not exist.
    pub fn open(root: PathBuf) -> Result<Directory, Error> {
        if root.as_os_str().is_empty() {
            return Err(Error::Invalid("the replica's directory has no path".into()));
        }
        Ok(Directory(Arc::new(Inner {
            root,
            purged: AtomicBool::new(false),
        })))
    }

    pub async fn get(&self, key: &str, range: Option<Range>) -> Result<Bytes, Error> {
        let path = self.0.path(key);
        blocking(move || read(&path, range)).await
    }

    pub async fn put(
        &self,
        key: &str,
        body: Bytes,
        condition: Condition,
        created_ms: u64,
    ) -> Result<String, Error> {
        let inner = self.0.clone();
        let path = inner.path(key);
        self.purge_leftovers_once();
        blocking_write(&self.0.path(key), move || {
            let temp = Temp::beside(&inner.root, &path)?;
            temp.file()
                .write_all_at(&body, 0)
                .map_err(told("write", temp.path()))?;
            let etag = etag(&Sha256::digest(&body));
            inner.publish(&temp, &path, &condition, created_ms)?;
            Ok(etag)
        })
        .await
    }

    pub async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listing, Error> {
        let inner = self.0.clone();
        let (prefix, start_after) = (prefix.to_owned(), start_after.map(str::to_owned));
        blocking(move || {
            walk::list(&inner.root, &prefix, start_after.as_deref(), LIST_PAGE)
                .map_err(told("list", &inner.root))
        })
        .await
    }

    pub async fn delete(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let inner = self.0.clone();
        let keys = keys.to_vec();
        blocking(move || inner.delete(keys)).await
    }

    pub async fn start_upload(&self, key: &str, created_ms: u64) -> Result<Upload, Error> {
        let inner = self.0.clone();
        let path = inner.path(key);
        self.purge_leftovers_once();
        blocking(move || {
            let temp = Temp::beside(&inner.root, &path)?;
            Ok(Upload::new(inner, temp, path, created_ms))
        })
        .await
    }

    fn purge_leftovers_once(&self) {
        if !self.0.purged.swap(true, Ordering::Relaxed) {
            let inner = self.0.clone();
            tokio::task::spawn_blocking(move || temp::purge_leftovers(&inner.root));
        }
    }
}

impl Inner {
    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Gives a written file its name, if the condition holds.
    fn publish(
        &self,
        temp: &Temp,
        path: &Path,
        condition: &Condition,
        created_ms: u64,
    ) -> Result<(), Error> {
        temp.finish(created_ms)?;
        match condition {
            Condition::IfAbsent => temp.link_to(path)?,
            Condition::None => {
                let _alone = self.lock()?;
                temp.rename_to(path)?;
            }
            Condition::IfMatch(expected) => {
                let _alone = self.lock()?;
                check_match(path, expected)?;
                temp.rename_to(path)?;
            }
        }
        // The file has its name: from here on a failure leaves it open whether it lasts.
        sync_parent(path).map_err(|error| {
            Error::UnknownOutcome(format!("{error}, after the file was put there"))
        })
    }

    fn delete(&self, keys: Vec<String>) -> Result<Vec<(String, Error)>, Error> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let _alone = self.lock()?;
        let mut failed = Vec::new();
        let mut last_deleted: Option<PathBuf> = None;
        for key in keys {
            let path = self.path(&key);
            let moved_on = last_deleted
                .as_ref()
                .is_some_and(|last| last.parent() != path.parent());
            if moved_on && let Some(last) = last_deleted.take() {
                sync_parent(&last)?;
            }
            match fs::remove_file(&path) {
                Ok(()) => last_deleted = Some(path),
                Err(error) if is_absent(&error) => {}
                Err(error) => failed.push((key, told("delete", &path)(error))),
            }
        }
        last_deleted.map_or(Ok(()), |last| sync_parent(&last))?;
        Ok(failed)
    }

    /// Held while a file is replaced or deleted, so that no process does so between another's
    /// comparing an ETag and acting on it. Released when the file is closed.
    fn lock(&self) -> Result<File, Error> {
        let path = self.root.join(format!("{}lock", keys::OWN_FILES));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(told("open", &path))?;
        file.lock().map_err(told("lock", &path))?;
        Ok(file)
    }
}

fn read(path: &Path, range: Option<Range>) -> Result<Bytes, Error> {
    let file = File::open(path).map_err(told("read", path))?;
    let metadata = file.metadata().map_err(told("read", path))?;
    if !metadata.is_file() {
        return Err(Error::NotFound(format!("{} is not a file", path.display())));
    }
    let size = metadata.len();
    let range = range.unwrap_or(Range {
        offset: 0,
        length: size,
    });
    if range.offset > size || (range.offset == size && size > 0) {
        return Err(Error::Invalid(format!(
            "the range of {} begins at byte {}, but the file has {size} bytes",
            path.display(),
            range.offset
        )));
    }
    let length = range.length.min(size - range.offset);
    if length > GET_BYTES {
        return Err(Error::Invalid(format!(
            "{length} bytes of {} are too many for one read: ask for ranges of at most {GET_BYTES}",
            path.display()
        )));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, range.offset)
        .map_err(told("read", path))?;
    Ok(bytes.into())
}

fn check_match(path: &Path, expected: &str) -> Result<(), Error> {
    let found = match File::open(path) {
        Ok(file) => etag_of(&file, path)?,
        Err(error) if is_absent(&error) => {
            return Err(Error::PreconditionFailed(format!(
                "{} does not exist",
                path.display()
            )));
        }
        Err(error) => return Err(told("read", path)(error)),
    };
    if found != expected {
        return Err(Error::PreconditionFailed(format!(
            "{} has the ETag {found}, not {expected}",
            path.display()
        )));
    }
    Ok(())
}

/// The ETag of what a file holds: as at S3, it depends on the content only.
fn etag_of(file: &File, path: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut offset = 0;
    loop {
        match file.read_at(&mut buffer, offset) {
            Ok(0) => return Ok(etag(&hash.finalize())),
            Ok(count) => {
                hash.update(&buffer[..count]);
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(told("read", path)(error)),
        }
    }
}

fn etag(sha256: &[u8]) -> String {
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(told("sync", parent))
}

/// No such file, or a part of its path is a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests;
