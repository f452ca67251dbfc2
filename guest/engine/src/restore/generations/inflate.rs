//! Inflates an LZ4 frame that arrives in pieces: hands out each block as soon as it is there whole.
//!
//! ```text
//! magic 4 | FLG | BD | content size 8? | dictionary 4? | header checksum | blocks
//! block:    size 4 | data | checksum 4?          size 0: the end, then content checksum 4?
//! ```
//!
//! Source: LZ4 Frame Format Description 1.6. `lz4_flex` inflates and verifies all checksums, but
//! cannot go on when its reader runs dry: so it only ever gets what it reads to the end.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

const MAGIC: u32 = 0x184d_2204;
const LEGACY_MAGIC: u32 = 0x184c_2102;
/// What others put beside frames: to be skipped.
const SKIPPABLE_MAGIC: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;
/// `age-`, as `age-encryption.org/v1` begins.
const AGE_MAGIC: u32 = u32::from_le_bytes(*b"age-");

const FLG_BLOCK_CHECKSUMS: u8 = 1 << 4;
const FLG_CONTENT_SIZE: u8 = 1 << 3;
const FLG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLG_DICTIONARY: u8 = 1;

/// Set in the size of a block that is stored as it is.
const STORED: u32 = 1 << 31;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    #[error("it ends at byte {offset}, in the middle of an LZ4 frame")]
    Truncated { offset: u64 },
    #[error("at byte {offset}: no LZ4 frame (it begins with {found:08x})")]
    NotLz4 { offset: u64, found: u32 },
    #[error("encrypted with age: such backups cannot be restored")]
    Age,
    #[error("at byte {offset}: an LZ4 frame of the legacy format, which is not supported")]
    Legacy { offset: u64 },
    #[error("at byte {offset}: an LZ4 frame that needs a dictionary, which is not supported")]
    Dictionary { offset: u64 },
    #[error("at byte {offset}: an LZ4 block of {found} bytes, more than the frame's {limit}")]
    BlockTooLong { offset: u64, found: u32, limit: u32 },
    #[error("at byte {offset}: LZ4: {reason}")]
    Lz4 { offset: u64, reason: String },
}

/// Bytes that are there and not yet read.
#[derive(Default)]
struct Feed {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes that were read and let go of before.
    gone: u64,
}

impl Feed {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.gone += self.at as u64;
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn offset(&self) -> u64 {
        self.gone + self.at as u64
    }

    fn le32(&self, at: usize) -> Option<u32> {
        let bytes = self.rest().get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }
}

impl Read for Feed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.rest().len());
        out[..length].copy_from_slice(&self.rest()[..length]);
        self.at += length;
        Ok(length)
    }
}

/// What the frame's header says of its blocks.
#[derive(Debug, Clone, Copy)]
struct Frame {
    flags: u8,
    /// The longest block, bytes.
    limit: u32,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing, or a whole frame, is behind us.
    Between,
    Within(Frame),
    Skipping {
        left: u64,
    },
}

/// What can be done with what is there.
enum Step {
    /// Not enough is there.
    Wait,
    /// Look again: what was there is passed.
    Again,
    /// The next block is there, or the frame's end.
    Block { frame: Frame, end: bool },
}

pub struct Inflater {
    decoder: FrameDecoder<Feed>,
    stage: Stage,
    /// Inflated bytes that were handed out last.
    given: usize,
    /// Whether a frame was seen to its end.
    any: bool,
    unsummed: bool,
}

impl Default for Inflater {
    fn default() -> Self {
        Inflater::new()
    }
}

impl Inflater {
    pub fn new() -> Inflater {
        Inflater {
            decoder: FrameDecoder::new(Feed::default()),
            stage: Stage::Between,
            given: 0,
            any: false,
            unsummed: false,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.get_mut().push(bytes);
    }

    /// The next inflated bytes; `None`: more must be pushed first.
    pub fn inflate(&mut self) -> Result<Option<&[u8]>, InflateError> {
        self.decoder.consume(std::mem::take(&mut self.given));
        loop {
            let offset = self.decoder.get_ref().offset();
            let (frame, end) = match self.step()? {
                Step::Wait => return Ok(None),
                Step::Again => continue,
                Step::Block { frame, end } => (frame, end),
            };
            self.stage = Stage::Within(frame);
            let inflated = self.decoder.fill_buf().map(<[u8]>::len);
            self.given = inflated.map_err(|reason| InflateError::Lz4 {
                offset,
                reason: reason.to_string(),
            })?;
            if end {
                self.any = true;
                self.unsummed |= frame.flags & FLG_CONTENT_CHECKSUM == 0;
                self.stage = Stage::Between;
                // Its buffers have the lengths that this frame wanted.
                let feed = std::mem::take(self.decoder.get_mut());
                self.decoder = FrameDecoder::new(feed);
            } else if self.given > 0 {
                break;
            }
        }
        // What was filled before is still there: nothing is read.
        let inflated = self.decoder.fill_buf();
        inflated.map(Some).map_err(|reason| InflateError::Lz4 {
            offset: 0,
            reason: reason.to_string(),
        })
    }

    /// To be called when the last byte was pushed and nothing more is inflated. Returns whether all
    /// of it was verified with a checksum.
    pub fn finish(&self) -> Result<bool, InflateError> {
        let feed = self.decoder.get_ref();
        let between = matches!(self.stage, Stage::Between) && feed.rest().is_empty();
        if between && self.any {
            return Ok(!self.unsummed);
        }
        let offset = feed.offset() + feed.rest().len() as u64;
        Err(InflateError::Truncated { offset })
    }

    fn step(&mut self) -> Result<Step, InflateError> {
        match self.stage {
            Stage::Between => self.begin(),
            Stage::Within(frame) => self.block(frame, 0),
            Stage::Skipping { left } => {
                let feed = self.decoder.get_mut();
                let skipped = left.min(feed.rest().len() as u64);
                feed.at += skipped as usize;
                let left = left - skipped;
                self.stage = match left {
                    0 => Stage::Between,
                    _ => Stage::Skipping { left },
                };
                Ok(if left == 0 { Step::Again } else { Step::Wait })
            }
        }
    }

    /// A frame is begun when its header and its first block are there.
    fn begin(&mut self) -> Result<Step, InflateError> {
        let feed = self.decoder.get_mut();
        let offset = feed.offset();
        let Some(magic) = feed.le32(0) else {
            return Ok(Step::Wait);
        };
        match magic {
            MAGIC => {}
            LEGACY_MAGIC => return Err(InflateError::Legacy { offset }),
            AGE_MAGIC => return Err(InflateError::Age),
            found if SKIPPABLE_MAGIC.contains(&found) => {
                let Some(length) = feed.le32(4) else {
                    return Ok(Step::Wait);
                };
                let left = 8 + u64::from(length);
                self.stage = Stage::Skipping { left };
                return Ok(Step::Again);
            }
            found => return Err(InflateError::NotLz4 { offset, found }),
        }
        let (Some(&flags), Some(&descriptor)) = (feed.rest().get(4), feed.rest().get(5)) else {
            return Ok(Step::Wait);
        };
        if flags & FLG_DICTIONARY != 0 {
            return Err(InflateError::Dictionary { offset });
        }
        // 4 is 64 KiB, and each next one four times as much. Others the decoder refuses.
        let size = u32::from(descriptor >> 4 & 7).clamp(4, 7);
        let limit = 1 << (8 + 2 * size);
        let content_size = if flags & FLG_CONTENT_SIZE != 0 { 8 } else { 0 };
        self.block(Frame { flags, limit }, 6 + content_size + 1)
    }

    /// Whether the block is there whole that begins after `header` bytes.
    fn block(&self, frame: Frame, header: usize) -> Result<Step, InflateError> {
        let feed = self.decoder.get_ref();
        let Some(size) = feed.le32(header) else {
            return Ok(Step::Wait);
        };
        let (end, found) = (size == 0, size & !STORED);
        if found > frame.limit {
            return Err(InflateError::BlockTooLong {
                offset: feed.offset() + header as u64,
                found,
                limit: frame.limit,
            });
        }
        let summed = if end {
            FLG_CONTENT_CHECKSUM
        } else {
            FLG_BLOCK_CHECKSUMS
        };
        let checksum = if frame.flags & summed != 0 { 4 } else { 0 };
        let length = header + 4 + found as usize + checksum;
        Ok(if feed.rest().len() < length {
            Step::Wait
        } else {
            Step::Block { frame, end }
        })
    }
}
