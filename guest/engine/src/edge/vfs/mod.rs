//! SQLite on top of a database that lives in the store.
//!
//! SQLite runs in rollback mode with its journal in memory. A transaction reads one [`PageMap`] from
//! its SHARED lock on; what it writes is kept beside it. SQLite syncs the file in two cases: at the
//! end of a commit, when it has moved the change counter on, and at the end of a rollback, when it
//! has put the counter back. The first sends the transaction; if that is refused, SQLite rolls back.

mod methods;

use super::{Changes, Edge, EdgeError, PageMap, cache::Page};
use crate::ports::{Environment, FileKind, Objects};
use crate::units::Pgno;
use crate::vfs::{self, FileSystem};
use libsqlite3_sys as ffi;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::future::Future;
use std::rc::Rc;

/// How SQLite's C code waits for the store.
pub trait Wait {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T;
}

/// The edge as SQLite calls it: every call waits.
pub(super) trait Pages {
    fn known(&self) -> Option<Rc<PageMap>>;
    fn known_alone(&self) -> Option<Rc<PageMap>>;
    fn newest(&self) -> Result<Rc<PageMap>, EdgeError>;
    fn page(&self, map: &PageMap, pgno: Pgno) -> Result<Page, EdgeError>;
    fn commit(&self, base: &Rc<PageMap>, changes: Changes) -> Result<Rc<PageMap>, EdgeError>;
    fn is_read_only(&self) -> bool;
    /// Bytes of the pages that one transaction may change.
    fn transaction_bytes(&self) -> u64;
}

pub(super) struct Waiting<O, W> {
    pub edge: Rc<Edge<O>>,
    pub wait: W,
}

impl<O: Objects, W: Wait> Pages for Waiting<O, W> {
    fn known(&self) -> Option<Rc<PageMap>> {
        self.edge.known_map()
    }

    fn known_alone(&self) -> Option<Rc<PageMap>> {
        self.edge.known_alone()
    }

    fn newest(&self) -> Result<Rc<PageMap>, EdgeError> {
        self.wait.wait(self.edge.newest())
    }

    fn page(&self, map: &PageMap, pgno: Pgno) -> Result<Page, EdgeError> {
        self.wait.wait(self.edge.page(map, pgno))
    }

    fn commit(&self, base: &Rc<PageMap>, changes: Changes) -> Result<Rc<PageMap>, EdgeError> {
        self.wait.wait(self.edge.commit(base, changes))
    }

    fn is_read_only(&self) -> bool {
        self.edge.settings().read_only
    }

    fn transaction_bytes(&self) -> u64 {
        self.edge.settings().transaction_bytes
    }
}

/// What a transaction begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// What is as fresh as the settings say.
    #[default]
    Fresh,
    /// What is known: nothing that is read is told to anybody yet.
    Known,
    /// The same, for one transaction: it was found out for this very request.
    News,
    /// What is known, as long as nobody else seems to write.
    Hope,
    /// It did so.
    Hoped,
    /// And its commit was answered otherwise than by a conflict.
    Settled,
}

/// What a connection and its open file tell each other.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub trust: Cell<Trust>,
    /// This connection writes nothing.
    pub only_read: Cell<bool>,
    /// Why the last call failed; SQLite only has a number for it.
    pub failure: RefCell<Option<EdgeError>>,
}

/// One VFS. The connection that is being opened leaves its link here.
pub(super) struct System {
    pub pages: Rc<dyn Pages>,
    pub opening: Rc<RefCell<Option<Rc<Link>>>>,
}

pub(super) fn register(name: &str, system: System, environment: Rc<dyn Environment>) -> c_int {
    vfs::register_system(name, Box::new(system), environment)
}

impl FileSystem for System {
    unsafe fn open(&self, kind: FileKind, _create: bool, out: *mut ffi::sqlite3_file) -> c_int {
        let (FileKind::Database, Some(link)) = (kind, self.opening.take()) else {
            return ffi::SQLITE_CANTOPEN;
        };
        let open = Open {
            pages: Rc::clone(&self.pages),
            link,
            level: ffi::SQLITE_LOCK_NONE,
            reading: None,
            changes: None,
            undone: false,
            broken: false,
            format: None,
        };
        // SAFETY: promised by the caller; `Handle` is FILE_BYTES long.
        unsafe {
            (*out.cast::<Handle>()).open = Box::into_raw(Box::new(open));
            (*out).pMethods = &methods::METHODS;
        }
        ffi::SQLITE_OK
    }

    fn delete(&self, _kind: FileKind, _sync_directory: bool) -> c_int {
        ffi::SQLITE_IOERR_DELETE_NOENT
    }

    fn exists(&self, kind: FileKind) -> bool {
        kind == FileKind::Database
    }

    fn sleep_micros(&self, _micros: u32) {}
}

#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    open: *mut Open,
}

const _: () = assert!(size_of::<Handle>() == vfs::FILE_BYTES as usize);

struct Open {
    pages: Rc<dyn Pages>,
    link: Rc<Link>,
    level: c_int,
    /// From the SHARED lock on.
    reading: Option<Rc<PageMap>>,
    /// What was written since.
    changes: Option<Changes>,
    /// SQLite has put back what it wrote.
    undone: bool,
    /// A transaction ended in a way that is not known here: nothing is read any more.
    broken: bool,
    /// Bytes 18 and 19 of the database: whether others use it in WAL mode. SQLite here is told
    /// that they say rollback mode.
    format: Option<[u8; 2]>,
}

/// Offsets in the first page.
const FORMAT: usize = 18;
const CHANGE_COUNTER: usize = 24;
/// Of the database, pages.
const SIZE: usize = 28;
const VALID_FOR: usize = 92;
const ROLLBACK_MODE: [u8; 2] = [1, 1];

impl Open {
    fn code(&self, error: EdgeError, other: c_int) -> c_int {
        let code = match &error {
            // Unlike SQLITE_BUSY, this makes a COMMIT roll back.
            EdgeError::Conflict(_) => ffi::SQLITE_BUSY_SNAPSHOT,
            EdgeError::ReadOnly => ffi::SQLITE_READONLY,
            EdgeError::TooLarge { .. } => ffi::SQLITE_FULL,
            EdgeError::NoDatabase => ffi::SQLITE_CANTOPEN,
            _ => other,
        };
        self.link.failure.replace(Some(error));
        code
    }

    fn may_only_read(&self) -> bool {
        self.link.only_read.get() || self.pages.is_read_only()
    }

    fn begin(&mut self) -> Result<(), EdgeError> {
        if self.broken {
            return Err(EdgeError::Bypassed);
        }
        let known = match self.link.trust.get() {
            Trust::Known => self.pages.known(),
            Trust::News => {
                self.link.trust.set(Trust::Fresh);
                self.pages.known()
            }
            Trust::Hope => {
                let known = self.pages.known_alone();
                if known.is_some() {
                    self.link.trust.set(Trust::Hoped);
                }
                known
            }
            Trust::Fresh | Trust::Hoped | Trust::Settled => None,
        };
        let map = match known {
            Some(known) => known,
            None => self.pages.newest()?,
        };
        self.format = match map.pages() {
            0 => None,
            _ => {
                let first = self.pages.page(&map, Pgno(1))?;
                Some([first[FORMAT], first[FORMAT + 1]])
            }
        };
        self.reading = Some(map);
        Ok(())
    }

    fn map(&self) -> Result<&Rc<PageMap>, EdgeError> {
        self.reading.as_ref().ok_or(EdgeError::Bypassed)
    }

    /// Before there is a lock, SQLite takes what it reads for a guess.
    fn bytes(&self) -> u64 {
        let Some(map) = &self.reading else {
            return 0;
        };
        let pages = self
            .changes
            .as_ref()
            .map_or(map.pages(), |changes| changes.pages);
        map.page_size().database_bytes(pages)
    }

    /// Any bytes within one page. Fewer than asked for: the end of the file.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, EdgeError> {
        if offset >= self.bytes() {
            return Ok(Vec::new());
        }
        let map = self.map()?;
        let size = map.page_size().bytes();
        let pgno = Pgno((offset / size as u64) as u32 + 1);
        let from = (offset % size as u64) as usize;
        let to = (from + length).min(size);
        if let Some(page) = self
            .changes
            .as_ref()
            .and_then(|changes| changes.set.get(&pgno))
        {
            return Ok(page[from..to].to_vec());
        }
        let page = self.pages.page(map, pgno)?;
        if pgno != Pgno(1) {
            return Ok(page[from..to].to_vec());
        }
        // SQLite keeps pages in a cache of its own as long as the change counter stays the same,
        // which an app in WAL mode does not move.
        let mut page = page.to_vec();
        let counter = (map.txid().0 as u32).to_be_bytes();
        page[FORMAT..FORMAT + 2].copy_from_slice(&ROLLBACK_MODE);
        page[CHANGE_COUNTER..CHANGE_COUNTER + 4].copy_from_slice(&counter);
        page[VALID_FOR..VALID_FOR + 4].copy_from_slice(&counter);
        Ok(page[from..to].to_vec())
    }

    /// One whole page, as SQLite writes them in rollback mode.
    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), EdgeError> {
        let map = Rc::clone(self.map()?);
        let size = map.page_size();
        let changes = self.changes.get_or_insert_with(|| Changes {
            pages: map.pages(),
            set: BTreeMap::new(),
        });
        if data.len() != size.bytes() || !offset.is_multiple_of(u64::from(size.get())) {
            return Err(EdgeError::PageSize(size));
        }
        let limit = self.pages.transaction_bytes();
        if (changes.set.len() as u64 + 1) * u64::from(size.get()) > limit {
            return Err(EdgeError::TooLarge { limit });
        }
        let pgno = Pgno((offset / u64::from(size.get())) as u32 + 1);
        self.undone = false;
        changes.pages = changes.pages.max(pgno.0);
        changes.set.insert(pgno, data.to_vec());
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), EdgeError> {
        let map = Rc::clone(self.map()?);
        let pages = (bytes / u64::from(map.page_size().get())) as u32;
        if self.changes.is_none() && pages == map.pages() {
            // After a commit that made the database shorter.
            return Ok(());
        }
        self.undone = false;
        let changes = self.changes.get_or_insert_with(Changes::default);
        changes.pages = pages;
        changes.set.retain(|pgno, _| pgno.0 <= changes.pages);
        Ok(())
    }

    /// Sends the transaction, if this is the sync of a commit.
    fn sync(&mut self) -> Result<(), EdgeError> {
        let base = Rc::clone(self.map()?);
        let Some(changes) = &self.changes else {
            return Ok(());
        };
        let counter = (base.txid().0 as u32).to_be_bytes();
        let first = changes.set.get(&Pgno(1));
        if first.is_none_or(|first| first[CHANGE_COUNTER..CHANGE_COUNTER + 4] == counter) {
            self.undone = true;
            return Ok(());
        }
        let mut changes = changes.clone();
        if let Some(first) = changes.set.get_mut(&Pgno(1)) {
            if let Some(format) = self.format {
                first[FORMAT..FORMAT + 2].copy_from_slice(&format);
            }
            // The file is cut only after the commit.
            let pages = first[SIZE..SIZE + 4]
                .try_into()
                .map_or(0, u32::from_be_bytes);
            changes.pages = changes.pages.min(pages.max(1));
        }
        let sent = self.pages.commit(&base, changes);
        let conflict = matches!(sent, Err(EdgeError::Conflict(_)));
        if self.link.trust.get() == Trust::Hoped && !conflict {
            self.link.trust.set(Trust::Settled);
        }
        self.reading = Some(sent?);
        self.changes = None;
        Ok(())
    }

    fn unlock(&mut self, level: c_int) -> Result<(), EdgeError> {
        self.level = level;
        if level > ffi::SQLITE_LOCK_SHARED {
            return Ok(());
        }
        let left = self.changes.take().is_some();
        if level == ffi::SQLITE_LOCK_NONE {
            self.reading = None;
        }
        if left && !std::mem::take(&mut self.undone) {
            self.broken = true;
            return Err(EdgeError::Bypassed);
        }
        Ok(())
    }
}
