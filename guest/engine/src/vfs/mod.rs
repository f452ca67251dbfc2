//! A SQLite VFS over [`Files`]: SQLite in the guest shares a live database with other processes.
//!
//! SQLite calls in here from C; [`file`] has the methods of an open file, this file those of the
//! VFS. One VFS serves the files of one database, under the names below.

mod file;
mod locks;
pub mod wal_index;

use crate::ports::{Environment, FileError, FileKind, Files, SharedMemory};
use crate::wal::INDEX_HEAD_BYTES;
use libsqlite3_sys as ffi;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::rc::{Rc, Weak};
use wal_index::WalIndex;

/// What the database file is called towards SQLite. There are no paths in the guest.
pub const DATABASE_NAME: &str = "database";

/// File control: take the CHECKPOINT lock and keep it. `SQLITE_BUSY` when another process has it.
pub const FCNTL_KEEP_CHECKPOINT: c_int = 0x5357_0001;
/// File control: copy the head of the WAL-index, `INDEX_HEAD_BYTES`, into the buffer that is handed in.
pub const FCNTL_WAL_INDEX_HEAD: c_int = 0x5357_0002;

/// What a VFS answers that is not about time and randomness.
pub(crate) trait FileSystem {
    /// Makes `out` an open file.
    ///
    /// # Safety
    /// `out` points to [`FILE_BYTES`] bytes.
    unsafe fn open(&self, kind: FileKind, create: bool, out: *mut ffi::sqlite3_file) -> c_int;
    fn delete(&self, kind: FileKind, sync_directory: bool) -> c_int;
    fn exists(&self, kind: FileKind) -> bool;
    fn sleep_micros(&self, micros: u32);
}

/// What SQLite allocates for each open file, of whichever kind: the methods and a pointer.
pub(crate) const FILE_BYTES: c_int = file::SIZE;

/// What a VFS needs.
struct Context {
    system: Box<dyn FileSystem>,
    environment: Rc<dyn Environment>,
}

/// The files of a live database.
struct Live {
    files: Rc<dyn Files>,
    /// The WAL-indexes of the connections that are open.
    indexes: RefCell<Vec<Weak<RefCell<WalIndex>>>>,
}

impl Live {
    fn share(&self, memory: Box<dyn SharedMemory>) -> Rc<RefCell<WalIndex>> {
        let index = Rc::new(RefCell::new(WalIndex::new(memory)));
        let mut indexes = self.indexes.borrow_mut();
        indexes.retain(|index| index.strong_count() > 0);
        indexes.push(Rc::downgrade(&index));
        index
    }
}

impl FileSystem for Rc<Live> {
    unsafe fn open(&self, kind: FileKind, create: bool, out: *mut ffi::sqlite3_file) -> c_int {
        match self.files.open(kind, create) {
            Ok(opened) => {
                // SAFETY: promised by the caller.
                unsafe { file::init(out, opened, Rc::clone(self)) };
                ffi::SQLITE_OK
            }
            Err(error) => open_code(&error),
        }
    }

    fn delete(&self, kind: FileKind, sync_directory: bool) -> c_int {
        match self.files.delete(kind, sync_directory) {
            Ok(()) => ffi::SQLITE_OK,
            Err(FileError::NotFound) => ffi::SQLITE_IOERR_DELETE_NOENT,
            Err(_) => ffi::SQLITE_IOERR_DELETE,
        }
    }

    fn exists(&self, kind: FileKind) -> bool {
        self.files.exists(kind)
    }

    fn sleep_micros(&self, micros: u32) {
        self.files.sleep_micros(micros);
        for index in self.indexes.borrow().iter().filter_map(Weak::upgrade) {
            index.borrow_mut().wake();
        }
    }
}

/// Registers a VFS of live files under `name`, for as long as the process lives.
///
/// # Panics
/// When `name` holds a NUL byte.
pub fn register(name: &str, files: Rc<dyn Files>, environment: Rc<dyn Environment>) -> c_int {
    let live = Live {
        files,
        indexes: RefCell::default(),
    };
    register_system(name, Box::new(Rc::new(live)), environment)
}

/// Registers any VFS under `name`, for as long as the process lives.
///
/// # Panics
/// When `name` holds a NUL byte.
pub(crate) fn register_system(
    name: &str,
    system: Box<dyn FileSystem>,
    environment: Rc<dyn Environment>,
) -> c_int {
    let context = Box::into_raw(Box::new(Context {
        system,
        environment,
    }));
    let name = CString::new(name).expect("VFS names are ours and hold no NUL");
    let vfs = Box::new(ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: FILE_BYTES,
        mxPathname: 64,
        pNext: std::ptr::null_mut(),
        zName: name.into_raw(),
        pAppData: context.cast(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(x_randomness),
        xSleep: Some(x_sleep),
        xCurrentTime: Some(x_current_time),
        xGetLastError: Some(x_last_error),
        xCurrentTimeInt64: Some(x_current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    });
    let vfs = Box::into_raw(vfs);
    #[cfg(target_family = "wasm")]
    os::DEFAULT.set(vfs);
    // SAFETY: the structure and all it points to are leaked and so live for ever.
    unsafe { ffi::sqlite3_vfs_register(vfs, 0) }
}

/// # Safety
/// `vfs` was made by [`register`].
unsafe fn context<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Context {
    // SAFETY: `register` put a leaked `Context` there.
    unsafe { &*(*vfs).pAppData.cast() }
}

/// Which file SQLite means by a name.
///
/// # Safety
/// `name` is a NUL-terminated string.
unsafe fn kind(name: *const c_char) -> Option<FileKind> {
    if name.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    let name = unsafe { CStr::from_ptr(name) }.to_str().ok()?;
    match name.strip_prefix(DATABASE_NAME)? {
        "" => Some(FileKind::Database),
        "-wal" => Some(FileKind::Wal),
        "-journal" => Some(FileKind::Journal),
        _ => None,
    }
}

fn open_code(error: &FileError) -> c_int {
    match error {
        FileError::Busy => ffi::SQLITE_BUSY,
        FileError::NoSpace => ffi::SQLITE_FULL,
        FileError::Denied(_) => ffi::SQLITE_READONLY,
        _ => ffi::SQLITE_CANTOPEN,
    }
}

unsafe extern "C" fn x_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    out: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in a buffer of szOsFile bytes, a name that lives as long as the file,
    // and the VFS that `register` made.
    unsafe {
        (*out).pMethods = std::ptr::null();
        // Temporary files: SQLITE_TEMP_STORE=3 and SQLITE_STMTJRNL_SPILL=-1 keep them in memory.
        let Some(kind) = kind(name.cast()) else {
            return ffi::SQLITE_CANTOPEN;
        };
        let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
        let code = context(vfs).system.open(kind, create, out);
        if code == ffi::SQLITE_OK && !out_flags.is_null() {
            *out_flags = flags;
        }
        code
    }
}

unsafe extern "C" fn x_delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: as in x_open.
    let (context, kind) = unsafe { (context(vfs), kind(name)) };
    kind.map_or(ffi::SQLITE_IOERR_DELETE, |kind| {
        context.system.delete(kind, sync_directory != 0)
    })
}

unsafe extern "C" fn x_access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: as in x_open; `out` is a valid pointer.
    unsafe {
        let there = kind(name).is_some_and(|kind| context(vfs).system.exists(kind));
        *out = c_int::from(there);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    capacity: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite hands in a NUL-terminated name and a buffer of `capacity` bytes.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > capacity as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_randomness(
    vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite hands in a buffer of `count` bytes.
    let (context, buffer) = unsafe {
        (
            context(vfs),
            std::slice::from_raw_parts_mut(out.cast::<u8>(), count as usize),
        )
    };
    for chunk in buffer.chunks_mut(8) {
        chunk.copy_from_slice(&context.environment.random().to_le_bytes()[..chunk.len()]);
    }
    count
}

unsafe extern "C" fn x_sleep(vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    // SAFETY: as in x_open.
    unsafe { context(vfs) }
        .system
        .sleep_micros(micros.max(0) as u32);
    micros
}

/// Julian day of the Unix epoch, in milliseconds.
const UNIX_EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;

unsafe extern "C" fn x_current_time_ms(vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: as in x_open; `out` is a valid pointer.
    unsafe { *out = context(vfs).environment.now_ms() as i64 + UNIX_EPOCH_JULIAN_MS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: as in x_open; `out` is a valid pointer.
    unsafe {
        *out =
            (context(vfs).environment.now_ms() as i64 + UNIX_EPOCH_JULIAN_MS) as f64 / 86_400_000.0;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    ffi::SQLITE_OK
}

/// SQLite is built with `SQLITE_OS_OTHER` for the component: when it initialises itself, which
/// [`register`] makes it do, it asks here for its default VFS instead of for a unix or Windows one.
#[cfg(target_family = "wasm")]
mod os {
    use libsqlite3_sys as ffi;
    use std::cell::Cell;
    use std::ffi::c_int;

    thread_local! {
        pub static DEFAULT: Cell<*mut ffi::sqlite3_vfs> = const { Cell::new(std::ptr::null_mut()) };
    }

    #[unsafe(no_mangle)]
    extern "C" fn sqlite3_os_init() -> c_int {
        let vfs = DEFAULT.get();
        if vfs.is_null() {
            return ffi::SQLITE_ERROR;
        }
        // SAFETY: `register` leaked it.
        unsafe { ffi::sqlite3_vfs_register(vfs, 1) }
    }

    #[unsafe(no_mangle)]
    extern "C" fn sqlite3_os_end() -> c_int {
        ffi::SQLITE_OK
    }
}

/// Sends a file control to the main database of a connection.
///
/// # Safety
/// `argument` is what `operation` expects.
unsafe fn control(
    connection: &rusqlite::Connection,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the handle is valid while the connection lives; the rest is the caller's promise.
    unsafe { ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), operation, argument) }
}

/// Takes the CHECKPOINT lock through `connection` for as long as that lives; `false`: another
/// process holds it now. The WAL-index must be in use (a transaction was read before).
pub fn keep_checkpoint_lock(connection: &rusqlite::Connection) -> bool {
    // SAFETY: the operation takes no argument.
    unsafe { control(connection, FCNTL_KEEP_CHECKPOINT, std::ptr::null_mut()) == ffi::SQLITE_OK }
}

/// The head of the WAL-index as other processes see it.
pub fn wal_index_head(connection: &rusqlite::Connection) -> [u8; INDEX_HEAD_BYTES] {
    let mut header = [0; INDEX_HEAD_BYTES];
    // SAFETY: the operation writes INDEX_HEAD_BYTES.
    unsafe {
        control(connection, FCNTL_WAL_INDEX_HEAD, header.as_mut_ptr().cast());
    }
    header
}
