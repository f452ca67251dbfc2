//! How one page is packed: page number, flags, and the page compressed with LZ4.
//!
//! ```text
//! pgno (4) | flags (2) = 1 | size (4) | LZ4 block of that size        Litestream 0.5.16 and later
//! pgno (4) | flags (2) = 0 | LZ4 frame, which knows where it ends     Litestream 0.5.0 to 0.5.15
//! ```

use std::io::Read;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use crate::units::{PageSize, Pgno};

/// Page number and flags. Six zero bytes stand after the last frame.
pub const FRAME_HEADER_BYTES: usize = 6;

const SIZE_BYTES: usize = 4;

/// Page number, flags and size.
const BLOCK_HEADER_BYTES: usize = FRAME_HEADER_BYTES + SIZE_BYTES;

/// An LZ4 block with its size before it.
const FLAGS_BLOCK: u16 = 1;

/// An LZ4 frame.
const FLAGS_LZ4_FRAME: u16 = 0;

const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Magic, FLG and BD, which every LZ4 frame has.
const LZ4_FIXED_BYTES: usize = 6;

/// What an LZ4 frame has around its blocks, at most: 19 bytes before, 8 after, and 4 a block. A
/// page is one block; the rest is room for a writer who splits it.
const LZ4_FRAME_OVERHEAD: usize = 64;

/// The longest frame a page can need. LZ4 makes incompressible data longer by one byte in 255,
/// and 16. Whatever claims to be longer is damaged, and is not waited for.
pub const fn max_frame_bytes(page_size: PageSize) -> usize {
    let page = page_size.bytes();
    BLOCK_HEADER_BYTES + page + page / 255 + 16 + LZ4_FRAME_OVERHEAD
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame of page {pgno}: unknown flags {flags:#06x}")]
    Flags { pgno: Pgno, flags: u16 },
    #[error("frame of page {pgno}: {length} bytes, more than the {limit} a page can need")]
    TooLong {
        pgno: Pgno,
        length: u64,
        limit: usize,
    },
    #[error(
        "frame of page {pgno}: no LZ4 frame of version 1 with a content checksum and without a dictionary (it begins with {found:02x?})"
    )]
    Lz4Frame { pgno: Pgno, found: [u8; 6] },
    #[error("frame of page {pgno}: LZ4: {reason}")]
    Inflate { pgno: Pgno, reason: String },
    #[error(
        "frame of page {pgno}: inflates to {found} bytes or more, not to the page's {expected}"
    )]
    InflatedLength {
        pgno: Pgno,
        expected: usize,
        found: usize,
    },
    #[error("the end of the frames where a page was expected")]
    End,
    #[error("frame cut short: {found} bytes")]
    Truncated { found: usize },
    #[error("frame of page {pgno}: {length} bytes long, but {found} were given")]
    Length {
        pgno: Pgno,
        length: usize,
        found: usize,
    },
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// The six zero bytes after the last frame.
    End,
    /// A whole frame of `length` bytes, its own header included.
    Frame { pgno: Pgno, length: usize },
    /// The bytes do not reach to the frame's end.
    Incomplete,
}

/// Finds the end of the frame that `bytes` begin with, without inflating it.
pub fn measure(bytes: &[u8], page_size: PageSize) -> Result<Measured, FrameError> {
    let Some((pgno, flags)) = head(bytes) else {
        return Ok(Measured::Incomplete);
    };
    if pgno.0 == 0 && flags == 0 {
        return Ok(Measured::End);
    }
    let length = match flags {
        FLAGS_BLOCK => bytes[FRAME_HEADER_BYTES..]
            .first_chunk()
            .map(|size| BLOCK_HEADER_BYTES as u64 + u64::from(u32::from_be_bytes(*size))),
        FLAGS_LZ4_FRAME => lz4_frame_bytes(pgno, &bytes[FRAME_HEADER_BYTES..])?
            .map(|length| FRAME_HEADER_BYTES as u64 + length),
        _ => return Err(FrameError::Flags { pgno, flags }),
    };
    let limit = max_frame_bytes(page_size);
    let known = length.unwrap_or(bytes.len() as u64);
    if known > limit as u64 {
        return Err(FrameError::TooLong {
            pgno,
            length: known,
            limit,
        });
    }
    Ok(match length {
        Some(length) if length <= bytes.len() as u64 => Measured::Frame {
            pgno,
            length: length as usize,
        },
        _ => Measured::Incomplete,
    })
}

fn head(bytes: &[u8]) -> Option<(Pgno, u16)> {
    let pgno = bytes.first_chunk()?;
    let flags = bytes.get(4..)?.first_chunk()?;
    Some((Pgno(u32::from_be_bytes(*pgno)), u16::from_be_bytes(*flags)))
}

/// The length of an LZ4 frame, found by stepping over its blocks. `None`: not known yet.
///
/// Source: LZ4 Frame Format Description 1.6. It may end beyond the bytes given.
fn lz4_frame_bytes(pgno: Pgno, bytes: &[u8]) -> Result<Option<u64>, FrameError> {
    let Some(&fixed) = bytes.first_chunk::<LZ4_FIXED_BYTES>() else {
        return Ok(None);
    };
    let flg = fixed[4];
    let (version, dictionary, content_checksum) = (flg >> 6, flg & 1 != 0, flg & 4 != 0);
    if fixed[..4] != LZ4_MAGIC || version != 1 || dictionary || !content_checksum {
        return Err(FrameError::Lz4Frame { pgno, found: fixed });
    }
    let (content_size, block_checksums) = (flg & 8 != 0, flg & 16 != 0);
    let mut at = LZ4_FIXED_BYTES as u64 + if content_size { 8 } else { 0 } + 1;
    loop {
        let Some(size) = bytes.get(at as usize..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            return Ok(Some(at + 8));
        }
        let stored = u64::from(size & 0x7fff_ffff);
        at += 4 + stored + if block_checksums { 4 } else { 0 };
        if at > bytes.len() as u64 {
            return Ok(None);
        }
    }
}

/// The bytes before the payload: what the file checksum covers beside the inflated page.
pub fn checksummed_head(frame: &[u8]) -> &[u8] {
    let length = match head(frame) {
        Some((_, FLAGS_BLOCK)) => BLOCK_HEADER_BYTES,
        _ => FRAME_HEADER_BYTES,
    };
    frame.get(..length).unwrap_or(frame)
}

/// Inflates a whole frame, as [`measure`] found it, into `page`, whose length is the page size.
pub fn inflate(frame: &[u8], page: &mut [u8]) -> Result<Pgno, FrameError> {
    let Some((pgno, flags)) = head(frame) else {
        return Err(FrameError::Truncated { found: frame.len() });
    };
    match flags {
        FLAGS_BLOCK => inflate_block(pgno, &frame[BLOCK_HEADER_BYTES.min(frame.len())..], page),
        FLAGS_LZ4_FRAME => inflate_lz4_frame(pgno, &frame[FRAME_HEADER_BYTES..], page),
        _ => Err(FrameError::Flags { pgno, flags }),
    }
    .map(|()| pgno)
}

fn inflate_block(pgno: Pgno, block: &[u8], page: &mut [u8]) -> Result<(), FrameError> {
    match lz4_flex::block::decompress_into(block, page) {
        Ok(found) if found == page.len() => Ok(()),
        Ok(found) => Err(FrameError::InflatedLength {
            pgno,
            expected: page.len(),
            found,
        }),
        Err(reason) => Err(FrameError::Inflate {
            pgno,
            reason: reason.to_string(),
        }),
    }
}

fn inflate_lz4_frame(pgno: Pgno, frame: &[u8], page: &mut [u8]) -> Result<(), FrameError> {
    let mut inflater = lz4_flex::frame::FrameDecoder::new(frame);
    let mut found = 0;
    // One byte beyond the page: reading it is also what makes the checksum be compared.
    let mut beyond = [0];
    loop {
        let room = if found < page.len() {
            &mut page[found..]
        } else {
            &mut beyond[..]
        };
        match inflater.read(room) {
            Ok(0) if found == page.len() => return Ok(()),
            Ok(read) if read > 0 && found < page.len() => found += read,
            Ok(read) => {
                return Err(FrameError::InflatedLength {
                    pgno,
                    expected: page.len(),
                    found: found + read,
                });
            }
            Err(reason) => {
                return Err(FrameError::Inflate {
                    pgno,
                    reason: reason.to_string(),
                });
            }
        }
    }
}

/// One page out of exactly its frame, as the index gives it.
pub fn decode_frame(bytes: &[u8], page_size: PageSize) -> Result<(Pgno, Vec<u8>), FrameError> {
    let mut page = vec![0; page_size.bytes()];
    let pgno = decode_frame_into(bytes, page_size, &mut page)?;
    Ok((pgno, page))
}

/// As [`decode_frame`], into a page that is there already.
pub fn decode_frame_into(
    bytes: &[u8],
    page_size: PageSize,
    page: &mut [u8],
) -> Result<Pgno, FrameError> {
    match measure(bytes, page_size)? {
        Measured::Frame { length, .. } if length == bytes.len() => inflate(bytes, page),
        Measured::Frame { pgno, length } => Err(FrameError::Length {
            pgno,
            length,
            found: bytes.len(),
        }),
        Measured::End => Err(FrameError::End),
        Measured::Incomplete => Err(FrameError::Truncated { found: bytes.len() }),
    }
}

/// Packs pages. Keeps its tables from one page to the next.
pub struct Packer {
    table: CompressTable,
    block: Vec<u8>,
}

impl Packer {
    pub fn new(page_size: PageSize) -> Packer {
        Packer {
            table: CompressTable::small(),
            block: vec![0; get_maximum_output_size(page_size.bytes())],
        }
    }

    /// Appends the page's frame to `out`.
    pub fn pack(&mut self, pgno: Pgno, page: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let size =
            compress_into_with_table(page, &mut self.block, &mut self.table).map_err(|reason| {
                FrameError::Inflate {
                    pgno,
                    reason: reason.to_string(),
                }
            })?;
        out.extend_from_slice(&pgno.0.to_be_bytes());
        out.extend_from_slice(&FLAGS_BLOCK.to_be_bytes());
        out.extend_from_slice(&(size as u32).to_be_bytes());
        out.extend_from_slice(&self.block[..size]);
        Ok(())
    }
}
