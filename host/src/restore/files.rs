//! The files that a restore makes and leaves: nothing appears under its name before it is complete.

use crate::live::{position_path, sync_parent, with_suffix};
use anyhow::{Context, bail};
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const LEFTOVERS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A `-wal` beside the restored file would be played into it at the first opening.
pub fn refuse_leftovers(output: &Path) -> anyhow::Result<()> {
    if fs::metadata(output).is_ok_and(|metadata| metadata.len() > 0) {
        bail!(
            "cannot restore, output path already exists and is not empty: {}. Use -force to overwrite",
            output.display()
        );
    }
    for suffix in LEFTOVERS {
        let path = with_suffix(output, suffix);
        if path.exists() {
            bail!(
                "cannot restore, {} is left over from another database and would be mixed into the \
                 restored one. Remove it, or use -force",
                path.display()
            );
        }
    }
    Ok(())
}

pub fn remove_leftovers(output: &Path) -> anyhow::Result<()> {
    for suffix in LEFTOVERS {
        remove(&with_suffix(output, suffix))?;
    }
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The file that is built; removed unless it is put in place.
pub struct Temporary {
    pub path: PathBuf,
    done: bool,
}

/// Where the file for `output` is built.
pub fn temporary_path(output: &Path) -> PathBuf {
    with_suffix(output, ".tmp")
}

impl Temporary {
    /// `mode`: Unix permissions; None: what the umask leaves.
    pub fn create(output: &Path, mode: Option<u32>) -> anyhow::Result<Temporary> {
        if let Some(parent) = output.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make the directory {}", parent.display()))?;
        }
        let path = temporary_path(output);
        let cannot_write = || format!("cannot write {}", path.display());
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .with_context(cannot_write)?;
        if let Some(mode) = mode {
            file.set_permissions(Permissions::from_mode(mode))
                .with_context(cannot_write)?;
        }
        Ok(Temporary { path, done: false })
    }

    pub fn put_in_place(mut self, output: &Path) -> anyhow::Result<()> {
        rename(&self.path, output)?;
        self.done = true;
        sync_parent(output).context("the directory cannot be synced")
    }

    /// The same for a file that is to be followed. A position without its file is a restore that
    /// did not end and is begun anew; a file never stands beside the position of another one.
    pub fn put_in_place_with_position(self, output: &Path) -> anyhow::Result<()> {
        remove(&position_path(output))?;
        remove(output)?;
        sync_parent(output).context("the directory cannot be synced")?;
        rename(&position_path(&self.path), &position_path(output))?;
        sync_parent(output).context("the directory cannot be synced")?;
        self.put_in_place(output)
    }
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.done {
            // What is left of a failed restore is of no use; failing to remove it harms nothing.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(position_path(&self.path));
        }
    }
}
