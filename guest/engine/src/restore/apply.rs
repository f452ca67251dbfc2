//! How pages get from the objects' bytes into the database file: checked, in place, in long writes.

use crate::ltx::frame::{FrameError, Measured, checksummed_head, inflate, measure};
use crate::ltx::{Crc64, DecodeError, Decoder, Event, Header, page_checksum};
use crate::ports::{FileError, LiveFile};
use crate::restore::error::{Damage, RestoreError};
use crate::restore::pages::{Chunk, Pages, TooLarge};
use crate::units::{PageSize, Pgno};

/// Neighbouring pages are gathered up to this length before they are written: each write is a
/// call out of the sandbox.
const WRITE_BYTES: usize = 1024 * 1024;

/// Why bytes of an object did not become pages of the database.
pub enum ApplyError {
    Damage(Damage),
    File(FileError),
}

impl From<Damage> for ApplyError {
    fn from(damage: Damage) -> Self {
        ApplyError::Damage(damage)
    }
}

impl From<DecodeError> for ApplyError {
    fn from(damage: DecodeError) -> Self {
        ApplyError::Damage(damage.into())
    }
}

impl From<FileError> for ApplyError {
    fn from(error: FileError) -> Self {
        ApplyError::File(error)
    }
}

/// The checksum of a stretch of a file, over what the file checksum covers of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Piece {
    pub checksum: Crc64,
    /// Bytes covered: headers, and pages inflated.
    pub covered_bytes: u64,
}

/// A database in the making.
pub struct Assembly<'a> {
    pub page_size: PageSize,
    pub pages: Pages,
    checksums: Vec<u64>,
    writer: Writer<'a>,
    /// Where frames are inflated whose page is not wanted.
    scratch: Vec<u8>,
}

impl<'a> Assembly<'a> {
    /// `newest` is the header of the newest object. The file is emptied.
    pub fn new(newest: &Header, file: &'a dyn LiveFile) -> Result<Assembly<'a>, RestoreError> {
        let page_size = newest.page_size;
        let pages = Pages::new(page_size, newest.commit)?;
        let mut checksums = Vec::new();
        let commit = newest.commit;
        checksums
            .try_reserve_exact(commit as usize)
            .map_err(|_| TooLarge { commit })?;
        checksums.resize(commit as usize, 0);
        file.truncate(0)?;
        Ok(Assembly {
            page_size,
            pages,
            checksums,
            writer: Writer::new(file, page_size),
            scratch: vec![0; page_size.bytes()],
        })
    }

    /// Whether an object's pages belong to a database of this page size.
    pub fn check_page_size(&self, header: &Header) -> Result<(), Damage> {
        let (expected, found) = (self.page_size, header.page_size);
        if expected == found {
            return Ok(());
        }
        Err(Damage::PageSize { expected, found })
    }

    /// Writes the pages of a whole object that no newer object has.
    pub fn whole(&mut self, object: u32, bytes: &[u8]) -> Result<(), ApplyError> {
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        while let Some(event) = decoder.event()? {
            match event {
                Event::Page { pgno, data } if self.pages.claim(pgno, object) => {
                    self.writer.slot(pgno)?.copy_from_slice(data);
                    self.checksums[pgno.0 as usize - 1] = page_checksum(pgno, data);
                }
                _ => {}
            }
        }
        decoder.finish()?;
        Ok(())
    }

    /// Writes the wanted pages of a chunk. With `summed` also the other frames are inflated, for
    /// the file checksum.
    pub fn chunk(
        &mut self,
        chunk: &Chunk,
        bytes: &[u8],
        summed: bool,
    ) -> Result<Piece, ApplyError> {
        let (mut at, mut found, mut previous) = (0, 0, None);
        let mut piece = Piece::default();
        while at < bytes.len() {
            let offset = chunk.offset + at as u64;
            let in_frame = |source| Damage::Frame { offset, source };
            let rest = &bytes[at..];
            let (pgno, length) = match measure(rest, self.page_size).map_err(in_frame)? {
                Measured::Frame { pgno, length } => (pgno, length),
                Measured::End => return Err(in_frame(FrameError::End).into()),
                Measured::Incomplete => {
                    let found = rest.len();
                    return Err(in_frame(FrameError::Truncated { found }).into());
                }
            };
            if let Some(previous) = previous.filter(|&previous| pgno <= previous) {
                return Err(Damage::Descending {
                    offset,
                    previous,
                    found: pgno,
                }
                .into());
            }
            previous = Some(pgno);
            let frame = &rest[..length];
            let wanted = self.pages.is_owner(pgno, chunk.object);
            if wanted || summed {
                let page = if wanted {
                    self.writer.slot(pgno)?
                } else {
                    &mut self.scratch[..]
                };
                inflate(frame, page).map_err(in_frame)?;
                if summed {
                    piece.add(checksummed_head(frame));
                    piece.add(page);
                }
                if wanted {
                    found += 1;
                    self.checksums[pgno.0 as usize - 1] = page_checksum(pgno, page);
                }
            }
            at += length;
        }
        if found != chunk.wanted {
            let (offset, expected) = (chunk.offset, chunk.wanted);
            return Err(Damage::Pages {
                offset,
                expected,
                found,
            }
            .into());
        }
        self.writer.flush()?;
        Ok(piece)
    }

    /// Gives the file its length and makes it durable. Returns the pages' checksums.
    pub fn finish(mut self) -> Result<Vec<u64>, FileError> {
        self.writer.flush()?;
        let pages = self.checksums.len() as u32;
        self.writer
            .file
            .truncate(self.page_size.database_bytes(pages))?;
        self.writer.file.sync(false)?;
        Ok(self.checksums)
    }
}

impl Piece {
    fn add(&mut self, bytes: &[u8]) {
        self.checksum.update(bytes);
        self.covered_bytes += bytes.len() as u64;
    }
}

/// Gathers neighbouring pages into one write.
pub struct Writer<'a> {
    file: &'a dyn LiveFile,
    page_size: PageSize,
    gathered: Vec<u8>,
    /// The place of the first gathered page.
    first: Pgno,
}

impl<'a> Writer<'a> {
    pub fn new(file: &'a dyn LiveFile, page_size: PageSize) -> Writer<'a> {
        Writer {
            file,
            page_size,
            gathered: Vec::with_capacity(WRITE_BYTES),
            first: Pgno(0),
        }
    }

    /// Room for a page, which must be filled.
    pub fn slot(&mut self, pgno: Pgno) -> Result<&mut [u8], FileError> {
        let page = self.page_size.bytes();
        let next = self.first.0 as usize + self.gathered.len() / page;
        if next != pgno.0 as usize || self.gathered.len() + page > WRITE_BYTES {
            self.flush()?;
            self.first = pgno;
        }
        let at = self.gathered.len();
        self.gathered.resize(at + page, 0);
        Ok(&mut self.gathered[at..])
    }

    pub fn flush(&mut self) -> Result<(), FileError> {
        if !self.gathered.is_empty() {
            let offset = self.page_size.offset_of(self.first);
            self.file.write(offset, &self.gathered)?;
            self.gathered.clear();
        }
        Ok(())
    }
}
