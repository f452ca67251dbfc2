//! Reads a live WAL: its header, its frames, and SQLite's index of it.
//!
//! How far the WAL is valid is read from the WAL-index (`-shm`), not guessed from the frames: a
//! writer that died between its last frame and the index leaves valid frames that never became a
//! commit, and the next writer overwrites them.

use crate::mutants::{self, Mutant};
use crate::ports::{FileError, LiveFile};
use crate::units::{PageSize, Pgno};

pub const HEADER_BYTES: u64 = 32;
pub const FRAME_HEADER_BYTES: u64 = 24;
/// Bytes of each of the two copies of the WAL-index header.
const INDEX_HEADER_BYTES: usize = 48;
/// Bytes of both copies and of `nBackfill`, which follows them.
pub const INDEX_HEAD_BYTES: usize = 2 * INDEX_HEADER_BYTES + 4;
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;
/// Frames are read in pieces of this size: large enough that the calls cost nothing.
const READ_BYTES: u64 = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    #[error("-wal: {0}")]
    File(#[from] FileError),
    #[error(
        "-wal: page size {found} where the database has {expected}; the WAL belongs to another database"
    )]
    PageSize { found: u32, expected: u32 },
    #[error("-wal: frame at byte {offset} is not what the WAL-index says ({what})")]
    Frame { offset: u64, what: &'static str },
}

/// Salt 1 and 2 of a WAL header: which WAL it is.
pub type Salts = (u32, u32);
/// SQLite's cumulative checksum.
pub type WalChecksum = (u32, u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalHeader {
    pub page_size: u32,
    pub salts: Salts,
    /// Checksums are computed over big-endian words.
    big_endian: bool,
    checksum: WalChecksum,
}

/// What the head of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub pgno: Pgno,
    /// The last frame of a transaction: database size in pages after it.
    pub commit: Option<u32>,
    /// Of all frames up to this one.
    pub checksum: WalChecksum,
}

/// Why a frame does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameFault {
    /// It is not of this WAL: most often, an earlier one left it behind in the file.
    Salts,
    Checksum,
}

impl FrameFault {
    pub const fn what(self) -> &'static str {
        match self {
            FrameFault::Salts => "salts",
            FrameFault::Checksum => "checksum",
        }
    }
}

/// A point between two frames: what was read up to here, and how to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalPosition {
    pub salts: Salts,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// The checksum of all frames up to here.
    pub checksum: WalChecksum,
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn ne32(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// SQLite's checksum over a multiple of 8 bytes, going on from `seed`.
fn checksum(seed: WalChecksum, data: &[u8], big_endian: bool) -> WalChecksum {
    let (mut a, mut b) = seed;
    for pair in data.chunks_exact(8) {
        let word = |at: usize| {
            let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if big_endian {
                u32::from_be_bytes(bytes)
            } else {
                u32::from_le_bytes(bytes)
            }
        };
        a = a.wrapping_add(word(0)).wrapping_add(b);
        b = b.wrapping_add(word(4)).wrapping_add(a);
    }
    (a, b)
}

impl WalHeader {
    /// `None`: no valid header (an empty WAL, or one whose first write was cut off).
    pub fn parse(bytes: &[u8]) -> Option<WalHeader> {
        if bytes.len() < HEADER_BYTES as usize {
            return None;
        }
        let magic = be32(bytes, 0);
        if magic & !1 != MAGIC || be32(bytes, 4) != FORMAT {
            return None;
        }
        let big_endian = magic & 1 == 1;
        let sum = checksum((0, 0), &bytes[..24], big_endian);
        (sum == (be32(bytes, 24), be32(bytes, 28))).then(|| WalHeader {
            page_size: be32(bytes, 8),
            salts: (be32(bytes, 16), be32(bytes, 20)),
            big_endian,
            checksum: sum,
        })
    }

    pub fn read(file: &dyn LiveFile) -> Result<Option<WalHeader>, FileError> {
        Ok(WalHeader::parse(&file.read(0, HEADER_BYTES as u32)?))
    }

    /// Reads the head of a frame, and verifies that the whole frame belongs to this WAL and follows
    /// what amounts to the checksum `before`. `bytes` are a frame's, as [`frame_bytes`] counts them.
    pub fn frame(&self, before: WalChecksum, bytes: &[u8]) -> Result<Frame, FrameFault> {
        let (head, page) = bytes.split_at(FRAME_HEADER_BYTES as usize);
        if (be32(head, 8), be32(head, 12)) != self.salts {
            return Err(FrameFault::Salts);
        }
        let sum = checksum(before, &head[..8], self.big_endian);
        let sum = checksum(sum, page, self.big_endian);
        let (pgno, pages) = (be32(head, 0), be32(head, 4));
        if sum != (be32(head, 16), be32(head, 20)) || pgno == 0 {
            return Err(FrameFault::Checksum);
        }
        Ok(Frame {
            pgno: Pgno(pgno),
            commit: (pages != 0).then_some(pages),
            checksum: sum,
        })
    }

    /// Before the first frame.
    pub fn start(&self) -> WalPosition {
        WalPosition {
            salts: self.salts,
            offset: HEADER_BYTES,
            checksum: self.checksum,
        }
    }
}

/// SQLite's index of the WAL: which frames are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexHeader {
    /// Frames up to this one (from 1 on) are committed; 0: the WAL holds nothing.
    pub last_frame: u32,
    /// Database size in pages after that frame.
    pub pages: u32,
    pub salts: Salts,
    /// Of all frames up to the last one.
    pub checksum: WalChecksum,
    /// Frames that a checkpoint has copied into the database file.
    pub backfilled: u32,
}

impl IndexHeader {
    /// `None`: the copies differ, or no writer finished one. Either somebody is just writing it,
    /// or died while he did.
    pub fn parse(head: &[u8; INDEX_HEAD_BYTES]) -> Option<IndexHeader> {
        let (first, rest) = head.split_at(INDEX_HEADER_BYTES);
        let (second, backfilled) = rest.split_at(INDEX_HEADER_BYTES);
        let initialised = first[12] != 0;
        // The index is in native byte order; only the salts are copied as they stand in the WAL.
        let sum = checksum((0, 0), &first[..40], cfg!(target_endian = "big"));
        let torn = first != second && !mutants::is(Mutant::TornIndex);
        if torn || !initialised || sum != (ne32(first, 40), ne32(first, 44)) {
            return None;
        }
        Some(IndexHeader {
            last_frame: ne32(first, 16),
            pages: ne32(first, 20),
            checksum: (ne32(first, 24), ne32(first, 28)),
            salts: (be32(first, 32), be32(first, 36)),
            backfilled: ne32(backfilled, 0),
        })
    }
}

impl IndexHeader {
    /// Behind the last committed frame.
    pub fn end(&self, page_size: PageSize) -> WalPosition {
        WalPosition {
            salts: self.salts,
            offset: offset_after(self.last_frame, page_size),
            checksum: self.checksum,
        }
    }
}

/// Bytes of a frame.
pub fn frame_bytes(page_size: PageSize) -> u64 {
    FRAME_HEADER_BYTES + u64::from(page_size.get())
}

/// The offset of the first byte after frame `number` (from 1 on; 0: of the first frame).
pub fn offset_after(number: u32, page_size: PageSize) -> u64 {
    HEADER_BYTES + u64::from(number) * frame_bytes(page_size)
}

/// A page's newest image, where a scan found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    pub pgno: Pgno,
    /// Of the page's first byte in the WAL.
    pub offset: u64,
}

/// Whole transactions that were read from a WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// In the order of the frames; a page may occur more than once.
    pub images: Vec<Image>,
    /// Behind the last commit frame.
    pub end: WalPosition,
    /// Database size in pages after that frame.
    pub pages: u32,
    /// Committed frames follow that were not read because of `max_bytes`.
    pub more: bool,
}

/// Reads the transactions after `from` up to byte `until`, and verifies salts and checksums.
/// Stops behind a commit once `max_bytes` were read.
///
/// `Ok(None)`: no whole transaction lies in between.
pub fn scan(
    file: &dyn LiveFile,
    header: &WalHeader,
    from: WalPosition,
    until: u64,
    page_size: PageSize,
    max_bytes: u64,
) -> Result<Option<Scan>, WalError> {
    if header.page_size != page_size.get() {
        return Err(WalError::PageSize {
            found: header.page_size,
            expected: page_size.get(),
        });
    }
    let frame = frame_bytes(page_size);
    let mut found = Scan {
        images: Vec::new(),
        end: from,
        pages: 0,
        more: false,
    };
    let mut committed = 0;
    let mut position = from;
    let mut buffer = Vec::new();
    let mut at = 0;
    while position.offset + frame <= until {
        if buffer.len() - at < frame as usize {
            let wanted = (until - position.offset).min(READ_BYTES.max(frame) / frame * frame);
            buffer = file.read(position.offset, wanted as u32)?;
            at = 0;
            if buffer.len() < frame as usize {
                return Err(bad(position.offset, "the file is too short"));
            }
        }
        let bytes = &buffer[at..at + frame as usize];
        at += frame as usize;
        let read = header
            .frame(position.checksum, bytes)
            .map_err(|fault| bad(position.offset, fault.what()))?;
        found.images.push(Image {
            pgno: read.pgno,
            offset: position.offset + FRAME_HEADER_BYTES,
        });
        position.offset += frame;
        position.checksum = read.checksum;
        if let Some(pages) = read.commit {
            committed = found.images.len();
            found.end = position;
            found.pages = pages;
            if position.offset - from.offset >= max_bytes && position.offset < until {
                found.more = true;
                break;
            }
        } else if mutants::is(Mutant::CutAnywhere) && position.offset - from.offset >= max_bytes {
            committed = found.images.len();
            found.end = position;
            found.pages = found.pages.max(read.pgno.0);
            found.more = true;
            break;
        }
    }
    found.images.truncate(committed);
    Ok((committed > 0).then_some(found))
}

fn bad(offset: u64, what: &'static str) -> WalError {
    WalError::Frame { offset, what }
}
