//! The database file in the making, with the checksums of its pages.

use crate::ltx::page_checksum;
use crate::ports::{FileError, LiveFile};
use crate::restore::apply::Writer;
use crate::restore::generations::damage::{BackupDamage, Failure};
use crate::restore::pages::{MAX_PAGES, TooLarge};
use crate::units::{PageSize, Pgno};

/// What every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// As far as the page size reaches in the database header. Source: SQLite file format, section 1.3.
const HEAD_BYTES: usize = 18;

pub struct Database<'a> {
    file: &'a dyn LiveFile,
    page_size: PageSize,
    writer: Writer<'a>,
    checksums: Vec<u64>,
}

impl<'a> Database<'a> {
    fn new(file: &'a dyn LiveFile, page_size: PageSize) -> Database<'a> {
        Database {
            file,
            page_size,
            writer: Writer::new(file, page_size),
            checksums: Vec::new(),
        }
    }

    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// Writes a page, also beyond the end.
    pub fn page(&mut self, pgno: Pgno, page: &[u8]) -> Result<(), Failure> {
        if pgno.0 as usize > self.checksums.len() {
            self.resize(pgno.0)?;
        }
        self.writer.slot(pgno)?.copy_from_slice(page);
        if pgno != self.page_size.lock_page() {
            self.checksums[pgno.0 as usize - 1] = page_checksum(pgno, page);
        }
        Ok(())
    }

    /// Gives the database its length. Pages that nobody wrote are zeros, and have no checksum.
    pub fn set_pages(&mut self, pages: u32) -> Result<(), Failure> {
        self.writer.flush()?;
        self.resize(pages)?;
        self.file.truncate(self.page_size.database_bytes(pages))?;
        Ok(())
    }

    /// Makes the file durable. Returns the pages' checksums.
    pub fn finish(mut self) -> Result<Vec<u64>, FileError> {
        self.writer.flush()?;
        self.file.sync(false)?;
        Ok(self.checksums)
    }

    fn resize(&mut self, commit: u32) -> Result<(), TooLarge> {
        let more = (commit as usize).saturating_sub(self.checksums.len());
        if commit > MAX_PAGES || self.checksums.try_reserve(more).is_err() {
            return Err(TooLarge { commit });
        }
        self.checksums.resize(commit as usize, 0);
        Ok(())
    }
}

/// A database that arrives front to back.
pub struct Copying<'a> {
    file: &'a dyn LiveFile,
    database: Option<Database<'a>>,
    /// Less than a page, or the file's first bytes.
    rest: Vec<u8>,
    /// Bytes that were pushed.
    length: u64,
}

impl<'a> Copying<'a> {
    /// The file is emptied.
    pub fn new(file: &'a dyn LiveFile) -> Result<Copying<'a>, FileError> {
        file.truncate(0)?;
        Ok(Copying {
            file,
            database: None,
            rest: Vec::new(),
            length: 0,
        })
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.length += bytes.len() as u64;
        self.rest.extend_from_slice(bytes);
        let database = match &mut self.database {
            Some(database) => database,
            None if self.rest.len() < HEAD_BYTES => return Ok(()),
            None => {
                let page_size = page_size(&self.rest)?;
                self.database.insert(Database::new(self.file, page_size))
            }
        };
        let mut pages = self.rest.chunks_exact(database.page_size.bytes());
        for page in &mut pages {
            let pgno = database.checksums.len() as u32 + 1;
            database.page(Pgno(pgno), page)?;
        }
        let whole = self.rest.len() - pages.remainder().len();
        self.rest.drain(..whole);
        Ok(())
    }

    pub fn finish(self) -> Result<Database<'a>, BackupDamage> {
        let database = self.database.ok_or(BackupDamage::NotADatabase)?;
        if self.rest.is_empty() {
            return Ok(database);
        }
        let page_size = database.page_size;
        let found = self.length;
        Err(BackupDamage::Length { page_size, found })
    }
}

fn page_size(head: &[u8]) -> Result<PageSize, BackupDamage> {
    if !head.starts_with(MAGIC) {
        return Err(BackupDamage::NotADatabase);
    }
    // 65536 does not fit: it is stored as 1.
    let bytes = match u16::from_be_bytes([head[16], head[17]]) {
        1 => PageSize::MAX.get(),
        bytes => u32::from(bytes),
    };
    Ok(PageSize::new(bytes)?)
}
