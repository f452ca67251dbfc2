//! What this process may do with a file or directory, and whose it is, in words.

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Asks by the effective user, as opening the file would.
pub fn may(path: &Path, access: Access) -> Result<(), Errno> {
    accessat(CWD, path, access, AtFlags::EACCESS)
}

/// Whose a file is and what it allows: `owner 1000:1000, mode 0644`.
pub fn owner_and_mode(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(file) => format!(
            "owner {}:{}, mode {:04o}",
            file.uid(),
            file.gid(),
            file.mode() & 0o7777
        ),
        Err(error) => error.to_string(),
    }
}

/// Who asks: `uid 1000, gid 1000`.
pub fn me() -> String {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    format!("uid {}, gid {}", user.as_raw(), group.as_raw())
}

/// Why something may not be written, and what to do about it.
pub fn not_writable(path: &Path, why: Errno) -> (String, String) {
    let name = path.display();
    match why {
        Errno::ROFS => (
            format!("{name} is on a file system that is mounted read-only"),
            "mount it for writing, or put the file on a volume that is (in Kubernetes: \
             `readOnly: false` on the volume, which a read-only root file system does not touch)"
                .to_owned(),
        ),
        Errno::PERM => (
            format!("{name} has the attribute \"immutable\""),
            format!("take it away: chattr -i {name}"),
        ),
        Errno::ACCESS => (
            format!(
                "{name} may not be written by {} ({})",
                me(),
                owner_and_mode(path)
            ),
            "run Seawall as the user that the app runs as (in Kubernetes `runAsUser` and \
             `fsGroup`), or give that user the file: chown, chmod"
                .to_owned(),
        ),
        other => (
            format!("{name} cannot be written: {other}"),
            "see to it that it can be".to_owned(),
        ),
    }
}

/// The first directory above `path` that may not be searched.
pub fn closed_above(path: &Path) -> Option<&Path> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above
        .into_iter()
        .find(|directory| may(directory, Access::EXEC_OK) == Err(Errno::ACCESS))
}
