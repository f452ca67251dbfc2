//! Writes an LTX file page by page; the caller takes the bytes whenever it likes.

use std::fmt;

use crate::ltx::Summary;
use crate::ltx::checksum::Crc64;
use crate::ltx::frame::{FRAME_HEADER_BYTES, FrameError, Packer, checksummed_head};
use crate::ltx::header::{HEADER_BYTES, Header, HeaderError};
use crate::ltx::index::{IndexEntry, IndexError, IndexWriter};
use crate::ltx::order::{Order, OrderError};
use crate::units::Pgno;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("page {pgno} is {found} bytes long, not {expected}")]
    PageLength {
        pgno: Pgno,
        expected: usize,
        found: usize,
    },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// One file in the making.
pub struct Encoder {
    header: Header,
    /// Until it was written.
    unwritten: Option<[u8; HEADER_BYTES]>,
    order: Order,
    packer: Packer,
    index: IndexWriter,
    checksum: Crc64,
    /// Bytes of the file so far.
    offset: u64,
}

impl Encoder {
    pub fn new(header: Header) -> Result<Encoder, EncodeError> {
        Ok(Encoder {
            unwritten: Some(header.encode()?),
            order: Order::of(&header),
            packer: Packer::new(header.page_size),
            index: IndexWriter::default(),
            checksum: Crc64::new(),
            offset: 0,
            header,
        })
    }

    /// Appends the next page, in ascending order. A page that is refused leaves nothing in `out`.
    pub fn page(&mut self, pgno: Pgno, page: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let expected = self.header.page_size.bytes();
        if page.len() != expected {
            return Err(EncodeError::PageLength {
                pgno,
                expected,
                found: page.len(),
            });
        }
        self.order.accept(pgno)?;
        self.begin(out);
        let start = out.len();
        self.packer.pack(pgno, page, out)?;
        let frame = &out[start..];
        self.checksum.update(checksummed_head(frame));
        self.checksum.update(page);
        self.index.push(IndexEntry {
            pgno,
            offset: self.offset,
            length: frame.len() as u32,
        })?;
        self.offset += frame.len() as u64;
        Ok(())
    }

    /// Appends the index and the checksums. A snapshot must be complete by now.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Summary, EncodeError> {
        self.order.check_complete()?;
        self.begin(out);
        let start = out.len();
        out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        out.append(&mut self.index.finish());
        out.extend_from_slice(&[0; 8]); // the post-apply checksum, not allowed under NoChecksum
        self.checksum.update(&out[start..]);
        let file_checksum = self.checksum.flagged();
        out.extend_from_slice(&file_checksum.to_be_bytes());
        Ok(Summary {
            size: self.offset + (out.len() - start) as u64,
            file_checksum,
        })
    }

    /// Bytes of the file so far.
    pub fn written_bytes(&self) -> u64 {
        self.offset
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if let Some(header) = self.unwritten.take() {
            self.checksum.update(&header);
            out.extend_from_slice(&header);
            self.offset = HEADER_BYTES as u64;
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("header", &self.header)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
