//! The encoder's output for fixed inputs, byte for byte as it is kept in `tests/golden`.
//!
//! A change here is a change of what lies in buckets. When it is meant,
//! `UPDATE_GOLDEN=1 cargo nextest run -p engine golden` writes the files anew and fails once, so
//! that the difference is looked at.

use super::*;
use std::fs;
use std::path::{Path, PathBuf};

const UPDATE_VARIABLE: &str = "UPDATE_GOLDEN";

/// Pages of every kind that LZ4 meets, the same on each run.
#[derive(Clone, Copy)]
enum Fill {
    Zeros,
    /// One line of text again and again.
    Text,
    /// Nothing that LZ4 could shorten: the block is longer than the page.
    Noise(u64),
    /// The first half is noise, the rest is zeros: a leaf with room left.
    HalfFull(u64),
}

impl Fill {
    fn page(self, bytes: usize) -> Vec<u8> {
        match self {
            Fill::Zeros => vec![0; bytes],
            Fill::Text => b"a line of a note; "
                .iter()
                .copied()
                .cycle()
                .take(bytes)
                .collect(),
            Fill::Noise(seed) => noise(seed, bytes),
            Fill::HalfFull(seed) => {
                let mut page = noise(seed, bytes / 2);
                page.resize(bytes, 0);
                page
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): needs no crate whose next version may differ.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let words = std::iter::repeat_with(|| word().to_le_bytes());
    words.flatten().take(bytes).collect()
}

/// A file's name in `tests/golden`, and what is encoded into it.
fn inputs() -> Vec<(&'static str, Header, Pages)> {
    use Fill::*;
    let pages = |page_size: u32, fills: &[(u32, Fill)]| -> Pages {
        let page = |(pgno, fill): &(u32, Fill)| (*pgno, fill.page(page_size as usize));
        fills.iter().map(page).collect()
    };
    let every_kind = [(1, Text), (2, Noise(1)), (3, Zeros), (4, HalfFull(2))];
    let some_of_many = [(2, Noise(3)), (130, Text), (16_999, HalfFull(4))];
    let around_the_lock_page = [(16_384, Text), (16_386, Zeros)];
    let ours = Header {
        node: 0x0123_4567_89ab_cdef,
        extra: Extra {
            database_checksum: Some(0x8123_4567_89ab_cdef),
            wal_checksum: (0xdead_beef, 0x0bad_cafe),
            epoch: 3,
        },
        ..header(4096, 17_000, 0x1_0000_0001)
    };
    let merged = Header {
        min: Txid(2),
        max: Txid(0xffff),
        wal_offset: 0,
        wal_size: 0,
        salts: (0, 0),
        node: 0,
        ..header(4096, 17_000, 2)
    };
    vec![
        (
            "snapshot-512.ltx",
            header(512, 4, 1),
            pages(512, &every_kind),
        ),
        (
            "snapshot-4096.ltx",
            header(4096, 4, 1),
            pages(4096, &every_kind),
        ),
        ("shipped-4096.ltx", ours, pages(4096, &some_of_many)),
        ("merged-4096.ltx", merged, pages(4096, &some_of_many)),
        (
            "around-the-lock-page-65536.ltx",
            header(65536, 16_386, 9),
            pages(65536, &around_the_lock_page),
        ),
        // A transaction that only made the database shorter.
        ("no-pages-1024.ltx", header(1024, 2, 5), Vec::new()),
    ]
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Compares with the file that is kept, or writes it anew when that is asked for.
fn is_kept(name: &str, bytes: &[u8]) -> bool {
    let path = path_of(name);
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        fs::write(&path, bytes).unwrap();
        return false;
    }
    let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if kept == bytes {
        return true;
    }
    let first = (0..kept.len().min(bytes.len())).find(|&at| kept[at] != bytes[at]);
    println!(
        "{name}: kept {} bytes, encoded {}, first difference at {first:?}",
        kept.len(),
        bytes.len()
    );
    false
}

#[test]
fn the_same_input_is_encoded_to_the_same_bytes_for_ever() {
    let different: Vec<&str> = inputs()
        .into_iter()
        .filter(|(name, header, pages)| !is_kept(name, &encode(*header, pages)))
        .map(|(name, ..)| name)
        .collect();
    assert!(
        different.is_empty(),
        "changed or written anew: {different:?}"
    );
}

#[test]
fn what_was_kept_is_still_read() {
    for (name, header, pages) in inputs() {
        let bytes = fs::read(path_of(name)).unwrap();
        let file = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((file.header, file.pages), (header, pages), "{name}");
        assert_eq!(file.summary.size, bytes.len() as u64, "{name}");
    }
}

#[test]
fn nothing_is_kept_that_no_input_makes() {
    let mut made: Vec<String> = inputs().into_iter().map(|(name, ..)| name.into()).collect();
    made.extend(VECTOR_NAMES.map(written_again));
    made.sort();
    let kept = fs::read_dir(path_of("")).unwrap();
    let mut kept: Vec<String> = kept
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, made);
}

/// In the order of [`VECTORS`].
const VECTOR_NAMES: [&str; 5] = ["L0-1-1", "L0-3-3", "L1-1-6", "L2", "L9-1-1"];

fn written_again(vector: &str) -> String {
    format!("litestream-{vector}-again.ltx")
}

#[test]
fn litestreams_files_are_written_again_to_the_same_bytes_for_ever() {
    let mut different = Vec::new();
    for (name, bytes) in VECTOR_NAMES.into_iter().zip(VECTORS) {
        let file = decode(bytes).unwrap();
        let name = written_again(name);
        if !is_kept(&name, &encode(file.header, &file.pages)) {
            different.push(name);
        }
    }
    assert!(
        different.is_empty(),
        "changed or written anew: {different:?}"
    );
}

/// Its LZ4 packs a page otherwise than ours, and so a frame's length differs. All that follows
/// from the frames is the same: with Litestream's own frames, the file is Litestream's file.
#[test]
fn index_and_checksums_over_litestreams_frames_are_litestreams() {
    for (name, bytes) in VECTOR_NAMES.into_iter().zip(VECTORS) {
        let (file, read) = (decode(bytes).unwrap(), index_of(bytes).unwrap());
        let mut again = file.header.encode().unwrap().to_vec();
        let mut checksum = Crc64::of(&again);
        let mut index = IndexWriter::default();
        for (entry, (pgno, page)) in read.entries.iter().zip(&file.pages) {
            let frame = &bytes[entry.offset as usize..entry.end() as usize];
            checksum.update(checksummed_head(frame));
            checksum.update(page);
            let (pgno, offset, length) = (Pgno(*pgno), again.len() as u64, frame.len() as u32);
            let entry = IndexEntry {
                pgno,
                offset,
                length,
            };
            index.push(entry).unwrap();
            again.extend_from_slice(frame);
        }
        let start = again.len();
        again.extend_from_slice(&[0; 6]);
        again.extend(index.finish());
        again.extend_from_slice(&[0; 8]);
        checksum.update(&again[start..]);
        again.extend_from_slice(&checksum.flagged().to_be_bytes());
        assert!(again == bytes, "{name}: {again:02x?}");
    }
}

#[test]
fn litestreams_files_written_again_have_the_same_pages_in_index_and_checksums() {
    for (name, bytes) in VECTOR_NAMES.into_iter().zip(VECTORS) {
        let file = decode(bytes).unwrap();
        let written = encode(file.header, &file.pages);
        let again = decode(&written).unwrap();
        let checksums = |pages: &Pages| -> Vec<u64> {
            let each = pages.iter();
            each.map(|(pgno, page)| page_checksum(Pgno(*pgno), page))
                .collect()
        };
        let (before, after) = (checksums(&file.pages), checksums(&again.pages));
        assert_eq!(
            Rolling::of(&before).value(),
            Rolling::of(&after).value(),
            "{name}"
        );
        assert_eq!(before, after, "{name}");
        let listed = |bytes: &[u8]| -> Vec<Pgno> {
            let index = index_of(bytes).unwrap();
            index.entries.iter().map(|entry| entry.pgno).collect()
        };
        assert_eq!(listed(bytes), listed(&written), "{name}");
    }
}
