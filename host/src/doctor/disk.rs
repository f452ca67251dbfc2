//! Where a file lies: what kind of file system, what that means for locks and shared memory, and
//! how much room is left.

use super::report::Section;
use crate::table::size;
use rustix::fs::{statfs, statvfs};
use std::path::Path;

/// Below this the next commit may already fail.
const NO_ROOM_BYTES: u64 = 10 << 20;

/// Below this a WAL that gathers while the store is away soon fills the disk.
const LITTLE_ROOM_BYTES: u64 = 100 << 20;

/// Kinds of file systems by the numbers of statfs(2), as far as they need a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Locks and memory are those of this machine's kernel.
    Local(&'static str),
    /// A server keeps the files, and perhaps the locks.
    Network(&'static str),
    /// Files of another kernel or machine, passed through to this one.
    Passed(&'static str),
    /// A program serves the files: what it does about locks and memory is its own affair.
    Fuse,
    /// The layer of a container that goes with it.
    Overlay,
    Memory,
    /// Nothing is known against it.
    Other,
}

fn kind(number: u64) -> Kind {
    // linux/magic.h, and the sources of the file systems that do not stand there.
    match number & 0xffff_ffff {
        0xef53 => Kind::Local("ext4"),
        0x5846_5342 => Kind::Local("xfs"),
        0x9123_683e => Kind::Local("btrfs"),
        0x2fc1_2fc1 => Kind::Local("zfs"),
        0xf2f5_2010 => Kind::Local("f2fs"),
        0xca45_1a4e => Kind::Local("bcachefs"),
        0x6969 => Kind::Network("nfs"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => Kind::Network("cifs (SMB)"),
        0x00c3_6400 => Kind::Network("ceph"),
        0x5346_414f | 0x6b41_4653 => Kind::Network("afs"),
        0x0bd0_0bd0 => Kind::Network("lustre"),
        0x0102_1997 => Kind::Passed("9p"),
        0x786f_4256 => Kind::Passed("vboxsf"),
        0x6573_5546 => Kind::Fuse,
        0x794c_7630 => Kind::Overlay,
        0x0102_1994 | 0x8584_58f6 => Kind::Memory,
        _ => Kind::Other,
    }
}

/// The file system that holds the directory of a database.
pub fn check_kind(section: &mut Section, directory: &Path) {
    const CHECK: &str = "file system";
    let place = directory.display();
    let found = match statfs(directory) {
        Ok(found) => kind(found.f_type as u64),
        Err(error) => {
            let because = format!("{place} cannot be asked for its file system: {error}");
            return section.skip(&[CHECK], &because);
        }
    };
    let local_disk = "put the database on a disk of this machine (in Kubernetes: a \
                      ReadWriteOnce volume or an emptyDir; Seawall restores it when it is gone)";
    match found {
        Kind::Local(name) => section.ok(CHECK, format!("{name}, local")),
        Kind::Other => section.ok(CHECK, "local, as far as can be told"),
        Kind::Memory => section.ok(
            CHECK,
            "in memory: locks work, and the files are gone with the machine, but for the replica",
        ),
        Kind::Network(name) => section.fault(
            CHECK,
            format!(
                "{place} is on {name}, a network file system: SQLite's WAL needs memory that app \
                 and Seawall share, and locks that both see, which it does not give reliably"
            ),
            local_disk,
        ),
        Kind::Passed(name) => section.fault(
            CHECK,
            format!(
                "{place} is on {name}, a directory of another system that is passed through: \
                 memory shared between app and Seawall, which SQLite's WAL needs, does not work \
                 there or is not the same for both"
            ),
            local_disk,
        ),
        Kind::Fuse => section.warn(
            CHECK,
            format!(
                "{place} is on a FUSE file system: whether locks and shared memory work there is \
                 up to the program that serves it"
            ),
            local_disk,
        ),
        Kind::Overlay => section.warn(
            CHECK,
            format!(
                "{place} is in the container's own layer (overlay): locks work within this \
                 container, but an app in another container has other files, and these are gone \
                 with the container, but for the replica"
            ),
            "mount a volume there that app and Seawall share",
        ),
    }
}

/// Whether there is room for the WAL to grow; without a WAL, for new objects.
pub fn check_room(section: &mut Section, directory: &Path, wal_bytes: Option<u64>) {
    const CHECK: &str = "free space";
    let found = match statvfs(directory) {
        Ok(found) => found,
        Err(error) => {
            let because = format!("{} cannot be asked: {error}", directory.display());
            return section.skip(&[CHECK], &because);
        }
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let mut text = format!("{} free", size(free));
    let mut grows = "new objects would soon fill the disk";
    if let Some(wal_bytes) = wal_bytes {
        text.push_str(&format!(", the WAL has {}", size(wal_bytes)));
        grows = "while the store is away the WAL grows, and would soon fill the disk";
    }
    let make_room = "make room on this disk, or move the database to a larger one";
    if found.f_files > 0 && found.f_favail == 0 {
        let text = format!("{text}, but no inode is left: no file can be made");
        section.fault(CHECK, text, "delete files that nobody needs");
    } else if free < NO_ROOM_BYTES {
        section.fault(CHECK, format!("{text}: the disk is full"), make_room);
    } else if free < LITTLE_ROOM_BYTES.max(wal_bytes.unwrap_or(0)) {
        let text = format!("{text}: {grows}");
        section.warn(CHECK, text, make_room);
    } else {
        section.ok(CHECK, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(check: impl FnOnce(&mut Section)) -> super::super::report::Check {
        let mut section = Section::new("x");
        check(&mut section);
        section.checks.remove(0)
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(kind(0x6969), Kind::Network("nfs"));
        // As a signed 32-bit number it comes sign-extended.
        assert_eq!(kind(0xffff_ffff_ff53_4d42), Kind::Network("cifs (SMB)"));
        assert_eq!(kind(0x0102_1997), Kind::Passed("9p"));
        assert_eq!(kind(0xef53), Kind::Local("ext4"));
    }

    #[test]
    fn a_wal_larger_than_what_is_free_is_told() {
        let here = Path::new(".");
        let little = checked(|section| check_room(section, here, Some(u64::MAX)));
        assert!(little.text.contains("soon fill the disk"), "{little:?}");
    }
}
