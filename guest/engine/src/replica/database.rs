//! One live database that is held open: its locks, its WAL, its pages.

use super::error::Error;
use super::place::Place;
use super::view::View;
use crate::ltx::page_checksum;
use crate::ports::{FileKind, Files, LiveFile};
use crate::units::{PageSize, Pgno};
use crate::vfs;
use crate::wal::{self, Image, IndexHeader, Scan, WalHeader, WalPosition};
use libsqlite3_sys as ffi;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// The VFS that [`crate::vfs::register`] made for this database.
pub const VFS_NAME: &str = "seawall";
/// Bytes of the database header that are looked at before SQLite may open the file.
const HEADER_BYTES: u32 = 100;
/// The database file is read in pieces of this size.
const READ_BYTES: usize = 256 * 1024;
/// Times that the WAL-index is read again when a writer is in the middle of writing it.
const INDEX_READS: usize = 20;
/// SQLite may wait this long for a lock. It blocks the whole instance, so it is next to nothing;
/// what is busy now is tried again at the next call.
const LOCK_WAIT: Duration = Duration::from_millis(5);

/// An app that writes without pauses has the write lock most of the time. Its gaps are short, and a
/// busy handler's waits are too long for them.
const GAP_TRIES: u32 = 30;
const GAP_WAIT_MICROS: u32 = 300;

pub struct Database {
    // In this order: the connections let go of their locks before the files are closed.
    /// Holds CHECKPOINT and, on the database file, SHARED.
    checkpointer: Connection,
    /// Bounds checkpoints by its read transaction; takes the write lock when the WAL must restart.
    bound: Connection,
    file: Rc<dyn LiveFile>,
    wal: Option<Rc<dyn LiveFile>>,
    files: Rc<dyn Files>,
    pub page_size: PageSize,
    /// Where in the WAL each page's newest image is, up to the frames that were scanned.
    images: HashMap<Pgno, u64>,
    /// The end of those frames; `None`: none were.
    scanned: Option<WalPosition>,
}

/// A file that is a database.
struct Found {
    file: Box<dyn LiveFile>,
    page_size: PageSize,
    in_wal_mode: bool,
}

/// `None`: the file is missing or empty.
fn inspect(files: &dyn Files) -> Result<Option<Found>, Error> {
    if !files.exists(FileKind::Database) {
        return Ok(None);
    }
    let file = files
        .open(FileKind::Database, false)
        .map_err(Error::file(FileKind::Database))?;
    let header = file
        .read(0, HEADER_BYTES)
        .map_err(Error::file(FileKind::Database))?;
    if header.is_empty() {
        return Ok(None);
    }
    if header.len() < HEADER_BYTES as usize || !header.starts_with(b"SQLite format 3\0") {
        return Err(Error::NotADatabase);
    }
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65536,
        size => u32::from(size),
    };
    let page_size = PageSize::new(page_size).map_err(|_| Error::NotADatabase)?;
    let in_wal_mode = header[18] == 2 && header[19] == 2;
    Ok(Some(Found {
        file,
        page_size,
        in_wal_mode,
    }))
}

fn open_wal(files: &dyn Files) -> Result<Option<Rc<dyn LiveFile>>, Error> {
    if !files.exists(FileKind::Wal) {
        return Ok(None);
    }
    let file = files
        .open(FileKind::Wal, false)
        .map_err(Error::file(FileKind::Wal))?;
    Ok(Some(Rc::from(file)))
}

fn connect() -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(vfs::DATABASE_NAME, flags, VFS_NAME)?;
    connection.busy_timeout(LOCK_WAIT)?;
    // What is in the WAL stays there when we leave: it may not be shipped yet.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Reads the file's header through SQLite, which takes SHARED and opens the WAL-index.
fn touch(connection: &Connection) -> Result<(), Error> {
    connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))?;
    Ok(())
}

impl Database {
    /// Opens the database, in WAL mode from then on, and takes the checkpoint lock.
    ///
    /// `Ok(None)`: there is nothing yet. `Err(Busy)`: somebody is in the way just now.
    pub fn open(files: &Rc<dyn Files>) -> Result<Option<Database>, Error> {
        let Some(Found {
            file,
            page_size,
            in_wal_mode,
        }) = inspect(&**files)?
        else {
            return Ok(None);
        };
        if let Some(wal) = open_wal(&**files)? {
            let header = WalHeader::read(&*wal).map_err(Error::file(FileKind::Wal))?;
            if let Some(header) = header
                && header.page_size != page_size.get()
            {
                return Err(Error::WalOfAnotherDatabase {
                    wal: header.page_size,
                    database: page_size.get(),
                });
            }
        }
        let checkpointer = connect()?;
        if !in_wal_mode {
            let mode: String =
                checkpointer
                    .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
            if mode != "wal" {
                return Err(Error::Busy(format!(
                    "the database cannot be switched to WAL mode now (it stays in {mode} mode)"
                )));
            }
        }
        touch(&checkpointer)?;
        if !vfs::keep_checkpoint_lock(&checkpointer) {
            return Err(Error::Busy(
                "another process holds the checkpoint lock: a checkpoint that will end soon, or a \
                 second seawall on this file"
                    .to_owned(),
            ));
        }
        let bound = connect()?;
        Ok(Some(Database {
            checkpointer,
            bound,
            file: Rc::from(file),
            wal: open_wal(&**files)?,
            files: Rc::clone(files),
            page_size,
            images: HashMap::new(),
            scanned: None,
        }))
    }

    /// Was the file removed or replaced under us?
    pub fn is_current(&self) -> bool {
        self.file.is_current()
    }

    /// What the WAL-index says is committed; `None`: somebody is writing it, or died over it.
    pub fn index(&self) -> Option<IndexHeader> {
        (0..INDEX_READS).find_map(|_| IndexHeader::parse(&vfs::wal_index_head(&self.checkpointer)))
    }

    /// Lets SQLite look at the WAL-index, and rebuild it when nobody is alive who will. Nobody
    /// else can, since the lock for it is ours.
    pub fn recover_index(&self) -> Result<(), Error> {
        touch(&self.checkpointer)
    }

    fn wal(&mut self) -> Result<&dyn LiveFile, Error> {
        if self.wal.is_none() {
            self.wal = open_wal(&*self.files)?;
        }
        self.wal.as_deref().ok_or_else(|| Error::File {
            kind: FileKind::Wal,
            error: crate::ports::FileError::NotFound,
        })
    }

    pub fn wal_bytes(&mut self) -> Result<u64, Error> {
        match self.wal() {
            Ok(wal) => wal.size().map_err(Error::file(FileKind::Wal)),
            Err(_) => Ok(0),
        }
    }

    /// `None`: no frame was written to this WAL yet.
    pub fn wal_header(&mut self) -> Result<Option<WalHeader>, Error> {
        let wal = self.wal()?;
        WalHeader::read(wal).map_err(Error::file(FileKind::Wal))
    }

    /// Reads the transactions from `from` to byte `until` and remembers where their pages are.
    pub fn scan(
        &mut self,
        header: &WalHeader,
        from: WalPosition,
        until: u64,
        max_bytes: u64,
    ) -> Result<Option<Scan>, Error> {
        let page_size = self.page_size;
        let found = wal::scan(self.wal()?, header, from, until, page_size, max_bytes)?;
        if let Some(found) = &found {
            self.scanned = Some(found.end);
            self.images
                .extend(found.images.iter().map(|image| (image.pgno, image.offset)));
        }
        Ok(found)
    }

    /// The database file's length in pages.
    pub fn file_pages(&self) -> Result<u32, Error> {
        let bytes = self.file.size().map_err(Error::file(FileKind::Database))?;
        Ok((bytes / u64::from(self.page_size.get())) as u32)
    }

    /// The WAL starts anew: everything that was in it is in the database file.
    pub fn forget_images(&mut self) {
        self.images.clear();
        self.scanned = None;
    }

    /// An image from the WAL.
    pub fn image(&mut self, image: Image) -> Result<Vec<u8>, Error> {
        let length = self.page_size.get();
        let page = self
            .wal()?
            .read(image.offset, length)
            .map_err(Error::file(FileKind::Wal))?;
        if page.len() < length as usize {
            return Err(Error::Busy(
                "the WAL was cut off while it was read".to_owned(),
            ));
        }
        Ok(page)
    }

    /// A page's newest content among the frames that were scanned, else in the database file; zeros
    /// behind its end.
    pub fn page(&mut self, pgno: Pgno) -> Result<Vec<u8>, Error> {
        if let Some(offset) = self.images.get(&pgno).copied() {
            return self.image(Image { pgno, offset });
        }
        let mut page = self
            .file
            .read(self.page_size.offset_of(pgno), self.page_size.get())
            .map_err(Error::file(FileKind::Database))?;
        page.resize(self.page_size.bytes(), 0);
        Ok(page)
    }

    /// The pages as they are at `place`, for as long as nobody checkpoints. `None`: they cannot be
    /// told apart from newer ones just now.
    pub fn view(&self, place: Place) -> Option<View> {
        let index = self.index()?;
        let images = match place {
            Place::Unknown => return None,
            // Everything that is shipped is in the database file.
            Place::Start => HashMap::new(),
            Place::At(position) if index.salts != position.salts => HashMap::new(),
            Place::At(position) if index.backfilled >= index.last_frame => {
                // Sealed frames are in the file before they are shipped.
                (index.end(self.page_size) == position).then(HashMap::new)?
            }
            Place::At(position) => (self.scanned == Some(position)).then(|| self.images.clone())?,
        };
        Some(View {
            file: Rc::clone(&self.file),
            wal: self.wal.clone(),
            page_size: self.page_size,
            images,
        })
    }

    /// The checksums of pages `1..=pages`, 0 for the lock page.
    pub fn checksums(&mut self, pages: u32) -> Result<Vec<u64>, Error> {
        let size = self.page_size.bytes();
        let per_read = (READ_BYTES / size).max(1) as u32;
        let mut checksums = Vec::with_capacity(pages as usize);
        let mut first = 1;
        while first <= pages {
            let count = per_read.min(pages - first + 1);
            let mut bytes = self
                .file
                .read(self.page_size.offset_of(Pgno(first)), count * size as u32)
                .map_err(Error::file(FileKind::Database))?;
            bytes.resize(count as usize * size, 0);
            for (number, page) in bytes.chunks_exact(size).enumerate() {
                let pgno = Pgno(first + number as u32);
                checksums.push(if pgno == self.page_size.lock_page() {
                    0
                } else if let Some(offset) = self.images.get(&pgno).copied() {
                    page_checksum(pgno, &self.image(Image { pgno, offset })?)
                } else {
                    page_checksum(pgno, page)
                });
            }
            first += count;
        }
        Ok(checksums)
    }

    /// Begins a read transaction: no checkpoint goes past what is committed now.
    pub fn begin_bound(&self) -> Result<(), Error> {
        self.bound.execute_batch("BEGIN")?;
        if let Err(error) = touch(&self.bound) {
            self.end_bound();
            return Err(error);
        }
        Ok(())
    }

    /// Takes the write lock, in a gap between two transactions of the app: nothing more is
    /// committed until `end_bound`.
    pub fn begin_exclusive_bound(&self) -> Result<(), Error> {
        let mut tries = 0..GAP_TRIES;
        loop {
            match self
                .bound
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(Error::from)
            {
                Err(Error::Busy(_)) if tries.next().is_some() => {
                    self.files.sleep_micros(GAP_WAIT_MICROS);
                }
                result => return result,
            }
        }
    }

    pub fn is_bound(&self) -> bool {
        !self.bound.is_autocommit()
    }

    pub fn end_bound(&self) {
        if !self.bound.is_autocommit() {
            // Nothing was written; if even this fails, the next BEGIN says so.
            let _ = self.bound.execute_batch("ROLLBACK");
        }
    }

    /// Copies committed frames into the database file, as far as readers allow; waits for nobody.
    /// Returns the frames in the WAL and how many of them are in the database file now.
    pub fn checkpoint(&self) -> Result<(u32, u32), Error> {
        let (mut frames, mut copied) = (0, 0);
        // SAFETY: a valid handle, a NUL-terminated name, two valid pointers.
        let code = unsafe {
            ffi::sqlite3_wal_checkpoint_v2(
                self.checkpointer.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_CHECKPOINT_PASSIVE,
                &mut frames,
                &mut copied,
            )
        };
        if code != ffi::SQLITE_OK {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into());
        }
        Ok((frames.max(0) as u32, copied.max(0) as u32))
    }
}
