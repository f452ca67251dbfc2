//! The LTX file format, version 3, as Litestream 0.5 writes it: a codec that knows no buckets.
//!
//! ```text
//! header (100) | frames | end of frames (6) | index | index size (8) | post-apply (8) | file CRC (8)
//! ```

#![forbid(unsafe_code)]

pub mod checksum;
pub mod decoder;
pub mod encoder;
pub mod frame;
pub mod header;
pub mod index;
pub mod name;
pub mod order;

pub use checksum::{Crc64, Rolling, page_checksum};
pub use decoder::{DecodeError, Decoder, Event};
pub use encoder::{EncodeError, Encoder};
pub use frame::{FrameError, decode_frame};
pub use header::{Extra, Header, HeaderError, Tracking};
pub use index::{Index, IndexEntry, IndexError, Parsed, tail_range};
pub use name::{Layout, ObjectName};

/// What is known of a file once its last byte was written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Bytes.
    pub size: u64,
    pub file_checksum: u64,
}
