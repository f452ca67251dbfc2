//! Which SQLite is built into a program, a shared library or a Node addon: by the source id and the
//! version that SQLite carries as texts.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Files are read piece by piece; a text that lies across a border is seen in the next piece.
const PIECE_BYTES: usize = 4 << 20;
const OVERLAP_BYTES: usize = 256;

/// No program is larger, but a mapped data file may be.
const MOST_BYTES: u64 = 1 << 30;

/// `2023-11-24 11:41:44 ` and the beginning of a hash.
const DATE_BYTES: usize = 19;
const HASH_DIGITS: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// Before 3.51.3 a checkpoint and a writer that begins the WAL anew may race, and a commit is
    /// lost; mended also in 3.44.6 and 3.50.7 (<https://www.sqlite.org/wal.html>). WAL came with
    /// 3.7.0.
    pub fn may_lose_commits(self) -> bool {
        let branch = (self.major, self.minor);
        let mended = match branch {
            (3, 44) => self.patch >= 6,
            (3, 50) => self.patch >= 7,
            (3, 51) => self.patch >= 3,
            other => other > (3, 51),
        };
        !mended && branch >= (3, 7)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The SQLite in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// `None`: only the date of its source is known.
    pub version: Option<Version>,
    /// `2023-11-24`.
    pub date: String,
}

/// `None`: the file has no SQLite in it.
pub fn look(path: &Path) -> io::Result<Option<Library>> {
    let mut file = File::open(path)?.take(MOST_BYTES);
    let mut seen = Seen::default();
    let mut piece = Vec::with_capacity(PIECE_BYTES + OVERLAP_BYTES);
    let mut offset = 0;
    loop {
        let read = (&mut file)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)?;
        if read == 0 {
            seen.scan(offset, &piece, piece.len());
            return Ok(seen.library());
        }
        // What begins in the overlap is left to the next piece, which has more of it.
        let end = piece.len().saturating_sub(OVERLAP_BYTES).max(1);
        seen.scan(offset, &piece, end);
        // One byte stays in front: no text stands before a version.
        piece.drain(..end - 1);
        offset += end - 1;
    }
}

/// What was found, and where.
#[derive(Debug, Default)]
struct Seen {
    source_ids: Vec<(usize, String)>,
    versions: Vec<(usize, Version)>,
}

impl Seen {
    /// Looks at what begins at 1 to `end` of a piece that stands at `offset` of the file.
    fn scan(&mut self, offset: usize, piece: &[u8], end: usize) {
        for at in 1..end {
            let rest = &piece[at..];
            match rest[0] {
                b'2' if is_source_id(rest) => {
                    let date = String::from_utf8_lossy(&rest[..10]).into_owned();
                    self.source_ids.push((offset + at, date));
                }
                b'3' if !is_text(piece[at - 1]) => {
                    if let Some(version) = version(rest) {
                        self.versions.push((offset + at, version));
                    }
                }
                _ => {}
            }
        }
    }

    /// Other libraries carry such versions, too: SQLite's is the one that is nearest to its source
    /// id.
    fn library(&self) -> Option<Library> {
        let (place, date) = self.source_ids.first()?;
        let nearest = self
            .versions
            .iter()
            .min_by_key(|(at, _)| at.abs_diff(*place));
        Some(Library {
            version: nearest.map(|(_, version)| *version),
            date: date.clone(),
        })
    }
}

/// A version that is a text of its own has none before it, but not always a zero.
fn is_text(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

fn is_source_id(text: &[u8]) -> bool {
    let Some(text) = text.get(..DATE_BYTES + 1 + HASH_DIGITS) else {
        return false;
    };
    let fits = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        10 | DATE_BYTES => *byte == b' ',
        13 | 16 => *byte == b':',
        0..DATE_BYTES => byte.is_ascii_digit(),
        _ => byte.is_ascii_hexdigit(),
    };
    text.iter().enumerate().all(fits)
}

/// `3.44.2` and a zero. OpenSSL's versions have smaller second numbers than any SQLite with a WAL.
fn version(text: &[u8]) -> Option<Version> {
    let end = text.iter().take(10).position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&text[..end]).ok()?;
    let mut numbers = text.split('.').map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    let version = Version {
        major: next()?,
        minor: next()?,
        patch: next()?,
    };
    (numbers.next().is_none() && version.minor >= 7).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together while the test runs, so that the test itself does not carry it.
    fn texts(version: &str) -> String {
        let source_id = format!("2023-11-24 11:41:44 {}", "ab".repeat(32));
        format!("of-3.44.3\0{source_id}\0…\u{1}{version}\0")
    }

    fn found(bytes: &[u8]) -> Option<Library> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        look(file.path()).unwrap()
    }

    #[test]
    fn sqlite_is_found_wherever_it_lies_in_a_file() {
        let texts = texts("3.44.2");
        for before in [
            0,
            1,
            PIECE_BYTES - 100,
            PIECE_BYTES - 1,
            PIECE_BYTES,
            2 * PIECE_BYTES + 7,
        ] {
            let mut bytes = vec![b'x'; before];
            bytes.extend(b"\x003.0.13\0");
            bytes.extend(texts.as_bytes());
            bytes.extend(vec![b'y'; 1000]);
            bytes.extend(b"\x003.12.1\0");
            let library = found(&bytes).unwrap_or_else(|| panic!("after {before} bytes"));
            assert_eq!(library.version.unwrap().to_string(), "3.44.2", "{before}");
            assert_eq!(library.date, "2023-11-24");
        }
    }

    #[test]
    fn a_file_without_sqlite_has_none() {
        assert_eq!(found(b""), None);
        assert_eq!(found(b"\x003.44.2\0 2023-11-24 11:41:44 no hash"), None);
    }

    #[test]
    fn the_versions_that_may_lose_commits_are_known() {
        let of = |major, minor, patch| Version {
            major,
            minor,
            patch,
        };
        for bad in [of(3, 7, 0), of(3, 44, 2), of(3, 50, 6), of(3, 51, 2)] {
            assert!(bad.may_lose_commits(), "{bad}");
        }
        for good in [
            of(3, 6, 23),
            of(3, 44, 6),
            of(3, 50, 7),
            of(3, 51, 3),
            of(3, 54, 1),
            of(4, 0, 0),
        ] {
            assert!(!good.may_lose_commits(), "{good}");
        }
    }
}
