//! One open file of the database.

use super::locks::{self, LockKind};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

#[derive(Debug)]
pub struct LiveFile {
    file: File,
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl LiveFile {
    pub fn new(file: File, path: PathBuf) -> io::Result<LiveFile> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other(format!(
                "{}: not a regular file",
                path.display()
            )));
        }
        Ok(LiveFile {
            file,
            path,
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Fewer bytes than asked for mean the end of the file.
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self
                .file
                .read_at(&mut buffer[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    }

    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    pub fn truncate(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    pub fn sync(&self, data_only: bool) -> io::Result<()> {
        if data_only {
            self.file.sync_data()
        } else {
            self.file.sync_all()
        }
    }

    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub fn lock(&self, start: u64, length: u64, kind: LockKind) -> io::Result<bool> {
        locks::set(&self.file, start, length, kind)
    }

    pub fn is_locked(&self, start: u64, length: u64) -> io::Result<bool> {
        Ok(locks::conflicting(&self.file, start, length)?.is_some())
    }

    /// Does the path still lead to this file?
    pub fn is_current(&self) -> bool {
        fs::metadata(&self.path)
            .is_ok_and(|now| now.dev() == self.device && now.ino() == self.inode)
    }
}
