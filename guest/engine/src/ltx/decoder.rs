//! Reads an LTX file from bytes as they come, and checks everything that can be checked.

use std::mem;

use crate::ltx::Summary;
use crate::ltx::checksum::{CHECKSUM_FLAG, Crc64, Rolling, page_checksum};
use crate::ltx::frame::{FRAME_HEADER_BYTES, FrameError, Measured, checksummed_head};
use crate::ltx::frame::{inflate, measure};
use crate::ltx::header::{HEADER_BYTES, Header, HeaderError, Tracking};
use crate::ltx::index::{IndexEntry, IndexError, IndexWriter};
use crate::ltx::order::{Order, OrderError};
use crate::units::Pgno;

/// The two checksums at the end.
const CHECKSUMS_BYTES: usize = 16;

/// Why a file is not what its writer wrote. `offset` is in bytes from the file's beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("at byte {offset}: {source}")]
    Frame { offset: u64, source: FrameError },
    #[error("at byte {offset}: {source}")]
    Order { offset: u64, source: OrderError },
    #[error(transparent)]
    IndexLimit(#[from] IndexError),
    #[error(
        "the page index does not say where the frames are: at byte {offset} it has {found:#04x}, not {expected:#04x}"
    )]
    Index {
        offset: u64,
        expected: u8,
        found: u8,
    },
    #[error("post-apply checksum {found:016x} does not fit a file of these flags")]
    PostApply { found: u64 },
    #[error(
        "the snapshot's pages amount to {found:016x}, its post-apply checksum is {expected:016x}"
    )]
    DatabaseChecksum { expected: u64, found: u64 },
    #[error("the file amounts to checksum {found:016x}, but carries {expected:016x}")]
    FileChecksum { expected: u64, found: u64 },
    #[error("the file ends early, after {size} bytes")]
    Truncated { size: u64 },
    #[error("{extra} bytes follow the file's end at byte {offset}")]
    Trailing { offset: u64, extra: usize },
}

/// What was found in the file, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Header(&'a Header),
    Page {
        pgno: Pgno,
        data: &'a [u8],
    },
    /// The file is whole and unharmed.
    End(Summary),
}

/// One file being read. Give it bytes with [`push`](Decoder::push), then take events until there
/// are none.
///
/// It keeps what was pushed and not yet taken, one page, and the index it expects (about 8 bytes
/// a page, at most [`MAX_INDEX_BYTES`](crate::ltx::index::MAX_INDEX_BYTES)).
#[derive(Debug)]
pub struct Decoder {
    state: State,
    buffer: Vec<u8>,
    /// Bytes at the beginning of `buffer` that were taken.
    taken: usize,
    /// Where in the file the first byte that was not taken stands.
    offset: u64,
    checksum: Crc64,
    page: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Header,
    Frames(Body),
    /// `expected` is the index as it must be; `matched` bytes of it were seen.
    Index {
        body: Body,
        expected: Vec<u8>,
        matched: usize,
    },
    Checksums(Body),
    Ended(Summary),
    Failed(DecodeError),
}

#[derive(Debug)]
struct Body {
    header: Header,
    tracking: Tracking,
    order: Order,
    index: IndexWriter,
    /// Only of a snapshot that says what it must come to.
    database: Option<Rolling>,
}

/// An [`Event`] before it borrows.
enum Step {
    Header,
    Page(Pgno),
    End(Summary),
    /// Something was taken that is not worth an event.
    On,
    NeedMore,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder {
            state: State::Header,
            buffer: Vec::new(),
            taken: 0,
            offset: 0,
            checksum: Crc64::new(),
            page: Vec::new(),
        }
    }

    /// The file's next bytes, however many.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// `None`: push more bytes, or [`finish`](Decoder::finish). After an error only that error.
    pub fn event(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        let step = loop {
            match self.step() {
                Ok(Step::On) => {}
                Ok(step) => break step,
                Err(error) => {
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            }
        };
        Ok(match (step, &self.state) {
            (Step::Header, State::Frames(body)) => Some(Event::Header(&body.header)),
            (Step::Page(pgno), _) => Some(Event::Page {
                pgno,
                data: &self.page,
            }),
            (Step::End(summary), _) => Some(Event::End(summary)),
            _ => None,
        })
    }

    /// To be called when the file has no more bytes and there are no more events.
    pub fn finish(mut self) -> Result<Summary, DecodeError> {
        match self.event() {
            Err(error) => Err(error),
            Ok(_) => match self.state {
                State::Ended(summary) => Ok(summary),
                _ => Err(DecodeError::Truncated {
                    size: self.offset + (self.buffer.len() - self.taken) as u64,
                }),
            },
        }
    }

    /// What is kept of the bytes that were pushed.
    pub fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    fn step(&mut self) -> Result<Step, DecodeError> {
        match mem::replace(&mut self.state, State::Header) {
            State::Header => self.header(),
            State::Frames(body) => self.frame(body),
            State::Index {
                body,
                expected,
                matched,
            } => self.index(body, expected, matched),
            State::Checksums(body) => self.checksums(body),
            State::Ended(summary) => {
                self.state = State::Ended(summary);
                match self.rest().len() {
                    0 => Ok(Step::NeedMore),
                    extra => Err(DecodeError::Trailing {
                        offset: self.offset,
                        extra,
                    }),
                }
            }
            State::Failed(error) => Err(error),
        }
    }

    fn header(&mut self) -> Result<Step, DecodeError> {
        let Some(bytes) = self.rest().first_chunk::<HEADER_BYTES>().copied() else {
            return Ok(Step::NeedMore);
        };
        let (header, tracking) = Header::parse(&bytes)?;
        self.checksum.update(&bytes);
        self.take(HEADER_BYTES);
        self.page = vec![0; header.page_size.bytes()];
        let summed = tracking == Tracking::Database && header.is_snapshot();
        self.state = State::Frames(Body {
            header,
            tracking,
            order: Order::of(&header),
            index: IndexWriter::default(),
            database: summed.then(Rolling::new),
        });
        Ok(Step::Header)
    }

    fn frame(&mut self, mut body: Body) -> Result<Step, DecodeError> {
        let offset = self.offset;
        let in_frame = |source| DecodeError::Frame { offset, source };
        let rest = &self.buffer[self.taken..];
        let (pgno, length) = match measure(rest, body.header.page_size).map_err(in_frame)? {
            Measured::Frame { pgno, length } => (pgno, length),
            Measured::Incomplete => {
                self.state = State::Frames(body);
                return Ok(Step::NeedMore);
            }
            Measured::End => return Ok(self.end_of_frames(body)),
        };
        body.order
            .accept(pgno)
            .map_err(|source| DecodeError::Order { offset, source })?;
        let frame = &rest[..length];
        inflate(frame, &mut self.page).map_err(in_frame)?;
        self.checksum.update(checksummed_head(frame));
        self.checksum.update(&self.page);
        body.index.push(IndexEntry {
            pgno,
            offset,
            length: length as u32,
        })?;
        if let Some(database) = &mut body.database {
            database.add(page_checksum(pgno, &self.page));
        }
        self.take(length);
        self.state = State::Frames(body);
        Ok(Step::Page(pgno))
    }

    /// A snapshot that lacks pages at its end is let through: Litestream merges such files too,
    /// and a later one may hold them.
    fn end_of_frames(&mut self, mut body: Body) -> Step {
        self.checksum.update(&[0; FRAME_HEADER_BYTES]);
        self.take(FRAME_HEADER_BYTES);
        let expected = mem::take(&mut body.index).finish();
        self.state = State::Index {
            body,
            expected,
            matched: 0,
        };
        Step::On
    }

    fn index(
        &mut self,
        body: Body,
        expected: Vec<u8>,
        mut matched: usize,
    ) -> Result<Step, DecodeError> {
        let length = self.rest().len().min(expected.len() - matched);
        let (found, wanted) = (&self.rest()[..length], &expected[matched..matched + length]);
        if let Some(at) = (0..length).find(|&at| found[at] != wanted[at]) {
            return Err(DecodeError::Index {
                offset: self.offset + at as u64,
                expected: wanted[at],
                found: found[at],
            });
        }
        self.checksum.update(wanted);
        self.take(length);
        matched += length;
        if matched == expected.len() {
            self.state = State::Checksums(body);
            return Ok(Step::On);
        }
        self.state = State::Index {
            body,
            expected,
            matched,
        };
        Ok(Step::NeedMore)
    }

    fn checksums(&mut self, body: Body) -> Result<Step, DecodeError> {
        let Some(bytes) = self.rest().first_chunk::<CHECKSUMS_BYTES>().copied() else {
            self.state = State::Checksums(body);
            return Ok(Step::NeedMore);
        };
        let (fields, _) = bytes.as_chunks::<8>();
        let (post_apply, expected) = (u64::from_be_bytes(fields[0]), u64::from_be_bytes(fields[1]));
        check_post_apply(body.tracking, post_apply)?;
        self.checksum.update(&fields[0]);
        let found = self.checksum.flagged();
        if found != expected {
            return Err(DecodeError::FileChecksum { expected, found });
        }
        match body.database.map(Rolling::value) {
            Some(found) if found != post_apply => {
                return Err(DecodeError::DatabaseChecksum {
                    expected: post_apply,
                    found,
                });
            }
            _ => {}
        }
        self.take(CHECKSUMS_BYTES);
        let summary = Summary {
            size: self.offset,
            file_checksum: found,
        };
        self.state = State::Ended(summary);
        Ok(Step::End(summary))
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        self.offset += bytes as u64;
    }
}

/// Whether a post-apply checksum may stand in a file of such flags.
pub fn check_post_apply(tracking: Tracking, found: u64) -> Result<(), DecodeError> {
    let fits = match tracking {
        Tracking::None => found == 0,
        Tracking::Database => found & CHECKSUM_FLAG != 0,
    };
    fits.then_some(()).ok_or(DecodeError::PostApply { found })
}
