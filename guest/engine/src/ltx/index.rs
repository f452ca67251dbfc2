//! Where each page's frame stands in a file, as the file's tail says.
//!
//! ```text
//! (pgno, offset, length)... 0, all LEB128 | bytes of that (8) | post-apply (8) | file CRC (8)
//! ```

use crate::ltx::checksum::Crc64;
use crate::ltx::frame::{FRAME_HEADER_BYTES, max_frame_bytes};
use crate::ltx::header::HEADER_BYTES;
use crate::ports::ByteRange;
use crate::units::{PageSize, Pgno};

/// After the index: its size, and the two checksums.
pub const TRAILER_BYTES: u64 = 24;

/// Read first from a file's end. Litestream's estimate too: the index of some 4000 pages fits.
pub const FIRST_TAIL_BYTES: u64 = 32 * 1024;

/// The longest index that is read or written: about 25 million pages, 100 GB at 4 KiB a page.
/// The engine's memory ends at 4 GiB, and whoever reads it may have several at once.
pub const MAX_INDEX_BYTES: u64 = 256 * 1024 * 1024;

/// The file checksum, which ends the trailer.
const CHECKSUM_BYTES: usize = 8;

/// A file without pages.
const MIN_FILE_BYTES: u64 = (HEADER_BYTES + FRAME_HEADER_BYTES) as u64 + 1 + TRAILER_BYTES;

/// A frame's place in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    pub pgno: Pgno,
    /// Bytes from the file's beginning.
    pub offset: u64,
    /// Bytes, the frame's own header included.
    pub length: u32,
}

impl IndexEntry {
    pub const fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    #[error("a file of {size} bytes is too short to be an LTX file")]
    FileTooShort { size: u64 },
    #[error("{found} bytes of the file's tail were given, {expected} were asked for")]
    TailTooShort { expected: u64, found: u64 },
    #[error("an index of {found} bytes does not fit a file of {size}")]
    Size { found: u64, size: u64 },
    #[error("an index of {found} bytes is longer than the {MAX_INDEX_BYTES} that are supported")]
    TooLong { found: u64 },
    #[error("byte {at} of the index: no number")]
    Varint { at: usize },
    #[error("the index goes on for {extra} bytes after its end mark")]
    AfterEnd { extra: usize },
    #[error("the index has page {found} after page {previous}")]
    Order { previous: u32, found: u64 },
    #[error("the frame of page {pgno} should begin at byte {expected}, the index says {found}")]
    Offset {
        pgno: Pgno,
        expected: u64,
        found: u64,
    },
    #[error("the frame of page {pgno} cannot be {found} bytes long")]
    Length { pgno: Pgno, found: u64 },
    #[error("the frames should end at byte {expected}, the index says {found}")]
    End { expected: u64, found: u64 },
    #[error("the bytes before the index are no end of frames")]
    EndMark,
}

/// A file's page index, checked to be whole: frame after frame without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// In ascending order of page and offset.
    pub entries: Vec<IndexEntry>,
    /// Where the end mark of the frames begins.
    pub frames_end: u64,
    pub post_apply: u64,
    /// As stored: what everything before it must amount to.
    pub file_checksum: u64,
    /// From `frames_end` to the file checksum.
    pub tail_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    Complete(Index),
    /// The index begins before the bytes given. This range, to the file's end, holds it all.
    NeedMore(ByteRange),
}

/// The end of a file of `size` bytes that is worth reading first.
pub fn tail_range(size: u64) -> ByteRange {
    let length = size.min(FIRST_TAIL_BYTES);
    ByteRange {
        offset: size - length,
        length,
    }
}

impl Index {
    /// `tail` are the last bytes of a file of `size` bytes.
    pub fn parse(tail: &[u8], size: u64) -> Result<Parsed, IndexError> {
        if size < MIN_FILE_BYTES {
            return Err(IndexError::FileTooShort { size });
        }
        let found = tail.len() as u64;
        let Some(([index_size, post_apply, file_checksum], before)) = trailer(tail) else {
            return Err(IndexError::TailTooShort {
                expected: TRAILER_BYTES,
                found,
            });
        };
        if index_size == 0 || index_size > size - MIN_FILE_BYTES + 1 {
            return Err(IndexError::Size {
                found: index_size,
                size,
            });
        }
        if index_size > MAX_INDEX_BYTES {
            return Err(IndexError::TooLong { found: index_size });
        }
        let needed = FRAME_HEADER_BYTES as u64 + index_size + TRAILER_BYTES;
        if found < needed {
            return Ok(Parsed::NeedMore(ByteRange {
                offset: size - needed,
                length: needed,
            }));
        }
        let (rest, index) = before.split_at(before.len() - index_size as usize);
        if rest.last_chunk() != Some(&[0; FRAME_HEADER_BYTES]) {
            return Err(IndexError::EndMark);
        }
        let frames_end = size - needed;
        Ok(Parsed::Complete(Index {
            entries: entries(index, frames_end)?,
            frames_end,
            post_apply,
            file_checksum,
            tail_bytes: needed - CHECKSUM_BYTES as u64,
        }))
    }

    /// Of the `tail_bytes`; `tail` is what this was parsed of.
    pub fn tail_checksum(&self, tail: &[u8]) -> Crc64 {
        let end = tail.len() - CHECKSUM_BYTES;
        Crc64::of(&tail[end - self.tail_bytes as usize..end])
    }
}

fn trailer(tail: &[u8]) -> Option<([u64; 3], &[u8])> {
    let (before, trailer) = tail.split_last_chunk::<{ TRAILER_BYTES as usize }>()?;
    let (fields, _) = trailer.as_chunks::<8>();
    let field = |n: usize| u64::from_be_bytes(fields[n]);
    Some(([field(0), field(1), field(2)], before))
}

fn entries(index: &[u8], frames_end: u64) -> Result<Vec<IndexEntry>, IndexError> {
    let mut numbers = Numbers {
        bytes: index,
        at: 0,
    };
    // Few entries take less than eight bytes.
    let mut entries: Vec<IndexEntry> = Vec::with_capacity(index.len() / 8);
    let (mut previous, mut expected) = (0, HEADER_BYTES as u64);
    loop {
        // Nearly always it is the next page, and its frame is never elsewhere.
        let found = numbers.likely(u64::from(previous) + 1)?;
        if found == 0 {
            break;
        }
        let pgno = u32::try_from(found)
            .ok()
            .filter(|&pgno| pgno > previous)
            .map(Pgno)
            .ok_or(IndexError::Order { previous, found })?;
        let (offset, length) = (numbers.likely(expected)?, numbers.next()?);
        if offset != expected {
            return Err(IndexError::Offset {
                pgno,
                expected,
                found: offset,
            });
        }
        let possible = FRAME_HEADER_BYTES as u64 + 1..=max_frame_bytes(PageSize::MAX) as u64;
        if !possible.contains(&length) {
            return Err(IndexError::Length {
                pgno,
                found: length,
            });
        }
        let length = length as u32;
        entries.push(IndexEntry {
            pgno,
            offset,
            length,
        });
        (previous, expected) = (pgno.0, offset + u64::from(length));
    }
    let extra = index.len() - numbers.at;
    if extra != 0 {
        return Err(IndexError::AfterEnd { extra });
    }
    if expected != frames_end {
        return Err(IndexError::End {
            expected: frames_end,
            found: expected,
        });
    }
    Ok(entries)
}

/// LEB128 numbers one after the other.
struct Numbers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Numbers<'_> {
    /// The next number, which is probably `expected`: to compare takes half the time of decoding,
    /// and a database is opened when its index is read.
    fn likely(&mut self, expected: u64) -> Result<u64, IndexError> {
        let (encoded, length) = short_varint(expected);
        let there = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        let mask = u64::MAX >> (64 - 8 * length);
        match there {
            Some(there) if (u64::from_le_bytes(*there) ^ encoded) & mask == 0 => {
                self.at += length;
                Ok(expected)
            }
            _ => self.next(),
        }
    }

    fn next(&mut self) -> Result<u64, IndexError> {
        let start = self.at;
        let broken = IndexError::Varint { at: start };
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let &byte = self.bytes.get(self.at).ok_or(broken.clone())?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(broken);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(broken)
    }
}

/// An index in the making, kept as the bytes it will be: about 8 a page.
#[derive(Debug, Clone, Default)]
pub struct IndexWriter {
    bytes: Vec<u8>,
}

impl IndexWriter {
    pub fn push(&mut self, entry: IndexEntry) -> Result<(), IndexError> {
        for number in [
            u64::from(entry.pgno.0),
            entry.offset,
            u64::from(entry.length),
        ] {
            put_varint(&mut self.bytes, number);
        }
        let found = self.bytes.len() as u64 + 1;
        if found > MAX_INDEX_BYTES {
            return Err(IndexError::TooLong { found });
        }
        Ok(())
    }

    /// The whole index with its size after it.
    pub fn finish(mut self) -> Vec<u8> {
        put_varint(&mut self.bytes, 0);
        let size = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&size.to_be_bytes());
        self.bytes
    }
}

/// A number below 2^56 as LEB128, its first byte lowest, and how many bytes that are. Of a larger
/// number it would be nonsense; no file is that long.
fn short_varint(value: u64) -> (u64, usize) {
    let length = (64 - (value | 1).leading_zeros() as usize)
        .div_ceil(7)
        .min(8);
    // Seven bits into each byte: halves, quarters, eighths.
    let halves = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let bytes = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    let more = 0x8080_8080_8080_8080 & ((1 << (8 * (length - 1))) - 1);
    (bytes | more, length)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_short_varint_is_the_varint(bits in 0..56_u32, value: u64) {
            let value = value & ((1 << bits) - 1);
            let mut expected = Vec::new();
            put_varint(&mut expected, value);
            let (encoded, length) = short_varint(value);
            let bytes = encoded.to_le_bytes();
            prop_assert_eq!(&bytes[..length], &expected[..]);
        }
    }
}
