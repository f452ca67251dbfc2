//! Which processes have a file of the database open, as far as /proc lets us see.

use super::library::{self, Library};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// The file name of its program: `node`.
    pub program: String,
    pub uid: u32,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Holders {
    pub seen: Vec<Holder>,
    /// Processes that do not let us look.
    pub hidden: usize,
}

/// A file as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// Who has one of these files open; files that are not there are passed over.
pub fn find(files: &[PathBuf]) -> Holders {
    let wanted: Vec<Identity> = files.iter().filter_map(|path| identity(path)).collect();
    let own = std::process::id();
    let mut holders = Holders::default();
    for pid in processes().filter(|pid| *pid != own) {
        match has_open(pid, &wanted) {
            Some(true) => holders.seen.extend(describe(pid)),
            Some(false) => {}
            None => holders.hidden += 1,
        }
    }
    holders
}

/// The SQLites in the files that a process has mapped for running, and in which files they are.
pub fn libraries(pid: u32) -> Vec<(PathBuf, Library)> {
    let Ok(maps) = fs::read(format!("/proc/{pid}/maps")) else {
        return Vec::new();
    };
    let mapped: BTreeSet<&OsStr> = maps
        .split(|byte| *byte == b'\n')
        .filter_map(executable_of)
        .collect();
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let looked = mapped.into_iter().filter_map(|path| {
        let path = Path::new(path);
        // Through its root: the process may be in another container.
        let there = root.join(path.strip_prefix("/").ok()?);
        let found = library::look(&there).ok()??;
        Some((path.to_owned(), found))
    });
    looked.collect()
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `None`: it cannot be seen.
fn has_open(pid: u32, wanted: &[Identity]) -> Option<bool> {
    let descriptors = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        // It has ended meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(false),
        Err(_) => return None,
    };
    let mut open = descriptors
        .flatten()
        .filter_map(|entry| identity(&entry.path()));
    Some(open.any(|file| wanted.contains(&file)))
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    Some(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    })
}

fn describe(pid: u32) -> Option<Holder> {
    let uid = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let program = program.and_then(|path| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some(name.trim_end_matches(" (deleted)").to_owned())
    });
    Some(Holder {
        pid,
        program: program.unwrap_or_else(|| "unknown".to_owned()),
        uid,
    })
}

/// The file of a line of /proc/PID/maps, when it is mapped for running:
/// `7f01…-7f02… r-xp 00000000 fe:00 1234    /usr/lib/libsqlite3.so.0`.
fn executable_of(line: &[u8]) -> Option<&OsStr> {
    let mut fields = line
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty());
    let rights = fields.nth(1)?;
    let path = line.iter().position(|byte| *byte == b'/')?;
    (rights.get(2) == Some(&b'x')).then(|| OsStr::from_bytes(&line[path..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_mapped_for_running_is_looked_at() {
        let line = b"7f01-7f02 r-xp 00000000 fe:00 1234   /opt/my app/a.node";
        assert_eq!(executable_of(line), Some(OsStr::new("/opt/my app/a.node")));
        assert_eq!(
            executable_of(b"7f01-7f02 r--p 00000000 fe:00 1234 /a.node"),
            None
        );
        assert_eq!(
            executable_of(b"7ffd-7ffe r-xp 00000000 00:00 0 [vdso]"),
            None
        );
        assert_eq!(executable_of(b""), None);
    }
}
