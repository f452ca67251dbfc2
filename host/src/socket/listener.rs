//! The socket's file: made with its permissions, taken over from the dead, never from the living.

use crate::live::with_suffix;
use anyhow::{Context, bail};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The file is removed when this is dropped, unless somebody else has replaced it.
pub struct Served {
    path: PathBuf,
    inode: u64,
}

/// Listens at `path`.
pub fn bind(path: &Path, permissions: u32) -> anyhow::Result<(UnixListener, Served)> {
    refuse_taken(path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the directory {}", parent.display()))?;
    }
    // Under its name it appears with its permissions, and in the place of what is left of a dead
    // process.
    let temporary = with_suffix(path, &format!(".{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary)?;
    let placed = fs::set_permissions(&temporary, Permissions::from_mode(permissions))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| fs::symlink_metadata(path));
    match placed {
        Ok(metadata) => Ok((
            listener,
            Served {
                path: path.to_owned(),
                inode: metadata.ino(),
            },
        )),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error.into())
        }
    }
}

fn refuse_taken(path: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if !metadata.file_type().is_socket() {
        bail!("there is a file of that name, and it is not a socket");
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another process serves it"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context("whether another process serves it is not known"),
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|now| now.ino() == self.inode);
        if ours {
            // The next start takes over what cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_of_the_living_is_refused_and_one_of_the_dead_is_taken_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("below/s.sock");
        let (listener, served) = bind(&path, 0o600).unwrap();
        let mode = fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let refused = bind(&path, 0o600).err().unwrap();
        assert!(refused.to_string().contains("another process"), "{refused}");

        std::mem::forget(served);
        drop(listener);
        assert!(path.exists());
        let (_listener, served) = bind(&path, 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o666);
        drop(served);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn another_file_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, "precious").unwrap();
        let refused = bind(&path, 0o600).err().unwrap();
        assert!(refused.to_string().contains("not a socket"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
