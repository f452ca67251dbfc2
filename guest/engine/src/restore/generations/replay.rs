//! Which frames of a WAL count: those that SQLite would find valid, up to the last commit.
//!
//! Pure. The WAL arrives in pieces; each frame is handed out once it is there whole, and whether
//! its transaction ever ends shows later.

use std::fmt;

use crate::restore::generations::damage::BackupDamage;
use crate::units::{PageSize, Pgno};
use crate::wal::{self, FrameFault, HEADER_BYTES, Salts, WalChecksum, WalHeader};

/// A valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub pgno: Pgno,
    pub page: &'a [u8],
    /// A transaction ends here.
    pub commits: bool,
}

/// The last commit of a WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Of the first byte after it in the WAL.
    pub end: u64,
    /// The database's length after it, pages.
    pub pages: u32,
}

/// What stands after the last commit of a WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// In the WAL, bytes.
    pub offset: u64,
    pub what: Leftover,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// Valid frames of a transaction that never ended.
    Uncommitted,
    /// A part of a frame, or of the WAL's header.
    Part,
    /// Frames with other salts: those that an older WAL in the same file left behind, or as below.
    Stale,
    /// A frame whose checksum is wrong. SQLite leaves such frames when a transaction that did not
    /// fit its cache is rolled back: it writes over pages and leaves out salts and checksums, all of
    /// which it would have mended at the transaction's end.
    Invalid,
    /// The same, and at or after it a transaction ends, so that it counted for who wrote it.
    Lost,
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Leftover::Uncommitted => "a transaction begins that does not end",
            Leftover::Part => "the WAL is cut short",
            Leftover::Stale => "frames that are not of this WAL follow",
            Leftover::Invalid => "a frame's checksum is wrong",
            Leftover::Lost => "a frame's checksum is wrong where a transaction is to end",
        };
        write!(f, "byte {} of the WAL: {what}", self.offset)
    }
}

/// A WAL that is read front to back.
pub struct Replay {
    page_size: PageSize,
    /// Frames from this byte on are not handed out.
    limit: u64,
    header: Option<WalHeader>,
    /// Of all frames that were handed out.
    checksum: WalChecksum,
    /// Of the next frame in the WAL.
    offset: u64,
    commit: Option<Commit>,
    fault: Option<FrameFault>,
    /// A transaction ends at the fault or after it.
    lost: bool,
    /// Bytes that were pushed.
    length: u64,
    bytes: Vec<u8>,
    /// Where in `bytes` the next frame begins.
    at: usize,
}

impl Replay {
    /// `limit`: the end of the last commit, if it is known.
    pub fn new(page_size: PageSize, limit: Option<u64>) -> Replay {
        Replay {
            page_size,
            limit: limit.unwrap_or(u64::MAX),
            header: None,
            checksum: (0, 0),
            offset: 0,
            commit: None,
            fault: None,
            lost: false,
            length: 0,
            bytes: Vec::new(),
            at: 0,
        }
    }

    /// Bytes that were pushed.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn commit(&self) -> Option<Commit> {
        self.commit
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.is_over() {
            self.bytes.drain(..self.at);
            self.at = 0;
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next frame; `None`: more must be pushed, or no frame counts any more.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, BackupDamage> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        let length = wal::frame_bytes(self.page_size) as usize;
        if self.fault.is_some() {
            self.look_beyond(header.salts, length);
            return Ok(None);
        }
        let Some(bytes) = self.whole(length) else {
            return Ok(None);
        };
        let frame = match header.frame(self.checksum, bytes) {
            Ok(frame) => frame,
            Err(fault) => {
                self.fault = Some(fault);
                self.look_beyond(header.salts, length);
                return Ok(None);
            }
        };
        self.at += length;
        self.offset += length as u64;
        self.checksum = frame.checksum;
        if let Some(pages) = frame.commit {
            let end = self.offset;
            self.commit = Some(Commit { end, pages });
        }
        let page = self.at - self.page_size.bytes()..self.at;
        Ok(Some(Frame {
            pgno: frame.pgno,
            page: &self.bytes[page],
            commits: frame.commit.is_some(),
        }))
    }

    /// What is left when everything was pushed and no frame is handed out any more.
    pub fn tail(&self) -> Option<Tail> {
        let committed = self.commit.map_or(HEADER_BYTES, |commit| commit.end);
        let (offset, what) = match self.fault {
            Some(FrameFault::Salts) => (self.offset, Leftover::Stale),
            Some(FrameFault::Checksum) if self.lost => (self.offset, Leftover::Lost),
            Some(FrameFault::Checksum) => (self.offset, Leftover::Invalid),
            None if self.offset >= self.limit => return None,
            None if self.at < self.bytes.len() => (self.offset, Leftover::Part),
            None if committed < self.offset => (committed, Leftover::Uncommitted),
            None => return None,
        };
        Some(Tail { offset, what })
    }

    /// Whether the bytes to come do not matter.
    fn is_over(&self) -> bool {
        self.offset >= self.limit || self.lost || self.fault == Some(FrameFault::Salts)
    }

    /// The bytes of the next frame, if they count and are all there.
    fn whole(&self, length: usize) -> Option<&[u8]> {
        let bytes = self.bytes.get(self.at..self.at + length);
        bytes.filter(|_| !self.is_over())
    }

    /// Looks for the end of a transaction where the checksums hold no more.
    fn look_beyond(&mut self, salts: Salts, length: usize) {
        while let Some(bytes) = self.whole(length) {
            let word = |at: usize| {
                let bytes = bytes[at..].first_chunk();
                bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
            };
            self.lost = word(4) != 0 && (word(8), word(12)) == salts;
            self.at += length;
        }
    }

    fn header(&mut self) -> Result<Option<WalHeader>, BackupDamage> {
        if self.header.is_none() && self.bytes.len() as u64 >= HEADER_BYTES {
            let header = WalHeader::parse(&self.bytes).ok_or(BackupDamage::WalHeader)?;
            let (expected, found) = (self.page_size, header.page_size);
            if found != expected.get() {
                return Err(BackupDamage::WalPageSize { expected, found });
            }
            let start = header.start();
            self.checksum = start.checksum;
            self.offset = start.offset;
            self.at = start.offset as usize;
            self.header = Some(header);
        }
        Ok(self.header)
    }
}
