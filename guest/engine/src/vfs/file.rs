//! The methods of an open file, as SQLite calls them.

use super::locks::{self, Level};
use super::wal_index::WalIndex;
use super::{FCNTL_KEEP_CHECKPOINT, FCNTL_WAL_INDEX_HEAD, Live};
use crate::ports::{FileError, LiveFile};
use libsqlite3_sys as ffi;
use std::cell::{RefCell, RefMut};
use std::ffi::{c_int, c_void};
use std::rc::Rc;

/// What SQLite allocates for each file.
#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    open: *mut Open,
}

pub const SIZE: c_int = size_of::<Handle>() as c_int;

struct Open {
    file: Box<dyn LiveFile>,
    live: Rc<Live>,
    level: Level,
    wal_index: Option<Rc<RefCell<WalIndex>>>,
}

impl Open {
    fn wal_index(&self) -> Option<RefMut<'_, WalIndex>> {
        self.wal_index.as_ref().map(|index| index.borrow_mut())
    }
}

/// Makes `out` an open file.
///
/// # Safety
/// `out` points to [`SIZE`] bytes.
pub unsafe fn init(out: *mut ffi::sqlite3_file, file: Box<dyn LiveFile>, live: Rc<Live>) {
    let open = Box::into_raw(Box::new(Open {
        file,
        live,
        level: Level::None,
        wal_index: None,
    }));
    // SAFETY: promised by the caller.
    unsafe {
        (*out.cast::<Handle>()).open = open;
        (*out).pMethods = &METHODS;
    }
}

/// # Safety
/// `file` was made by [`init`] and is not closed. SQLite calls one method at a time.
unsafe fn open<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: promised by the caller.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

/// SQLite's code for a failure, `other` when there is no more exact one.
fn code(error: &FileError, other: c_int) -> c_int {
    match error {
        FileError::NoSpace => ffi::SQLITE_FULL,
        FileError::Busy => ffi::SQLITE_BUSY,
        _ => other,
    }
}

fn done(result: Result<(), FileError>, otherwise: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) => code(&error, otherwise),
    }
}

fn granted(result: Result<bool, FileError>, otherwise: c_int) -> c_int {
    match result {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_BUSY,
        Err(error) => code(&error, otherwise),
    }
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; the box was made by `init`.
    unsafe {
        let handle = file.cast::<Handle>();
        drop(Box::from_raw((*handle).open));
        (*handle).open = std::ptr::null_mut();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite hands in a buffer of `length` bytes.
    let (open, buffer) = unsafe {
        (
            open(file),
            std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length as usize),
        )
    };
    match open.file.read(offset as u64, length as u32) {
        Ok(bytes) => {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            if bytes.len() < buffer.len() {
                buffer[bytes.len()..].fill(0);
                return ffi::SQLITE_IOERR_SHORT_READ;
            }
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn x_write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite hands in `length` bytes.
    let (open, data) = unsafe {
        (
            open(file),
            std::slice::from_raw_parts(data.cast::<u8>(), length as usize),
        )
    };
    // nBackfillAttempted must be out before the database file changes.
    if let Some(mut index) = open.wal_index() {
        index.publish();
    }
    done(
        open.file.write(offset as u64, data),
        ffi::SQLITE_IOERR_WRITE,
    )
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    if let Some(mut index) = open.wal_index() {
        index.publish();
    }
    done(open.file.truncate(size as u64), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    done(
        open.file.sync(flags & ffi::SQLITE_SYNC_DATAONLY != 0),
        ffi::SQLITE_IOERR_FSYNC,
    )
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: an open file and a valid pointer.
    match unsafe { open(file) }.file.size() {
        Ok(size) => {
            // SAFETY: `out` is a valid pointer.
            unsafe { *out = size as i64 };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_FSTAT,
    }
}

unsafe extern "C" fn x_lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    let wanted = Level::from_sqlite(level);
    let result = locks::raise(&*open.file, &mut open.level, wanted);
    if let (Ok(true), Level::Exclusive, Some(mut index)) = (&result, wanted, open.wal_index()) {
        // Alone, SQLite takes no more locks of the WAL-index: it checkpoints and removes the WAL
        // by what it sees now.
        index.refresh();
    }
    granted(result, ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn x_unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    done(
        locks::lower(&*open.file, &mut open.level, Level::from_sqlite(level)),
        ffi::SQLITE_IOERR_UNLOCK,
    )
}

unsafe extern "C" fn x_check_reserved(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    match locks::is_reserved(&*open.file, open.level) {
        Ok(reserved) => {
            // SAFETY: `out` is a valid pointer.
            unsafe { *out = c_int::from(reserved) };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
    }
}

unsafe extern "C" fn x_file_control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    match operation {
        FCNTL_KEEP_CHECKPOINT => match open.wal_index() {
            Some(mut index) => granted(index.keep_checkpoint(), ffi::SQLITE_IOERR_SHMLOCK),
            None => ffi::SQLITE_MISUSE,
        },
        FCNTL_WAL_INDEX_HEAD => {
            if let Some(index) = open.wal_index() {
                let header = index.header_bytes();
                // SAFETY: the caller of this control hands in INDEX_HEAD_BYTES.
                unsafe {
                    std::ptr::copy_nonoverlapping(header.as_ptr(), argument.cast(), header.len());
                }
            }
            ffi::SQLITE_OK
        }
        _ => ffi::SQLITE_NOTFOUND,
    }
}

unsafe extern "C" fn x_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn x_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file and a valid pointer.
    let open = unsafe {
        *out = std::ptr::null_mut();
        open(file)
    };
    if open.wal_index.is_none() {
        match open.live.files.shared_memory() {
            Ok(memory) => open.wal_index = Some(open.live.share(memory)),
            Err(FileError::Busy) => return ffi::SQLITE_BUSY,
            Err(_) => return ffi::SQLITE_CANTOPEN,
        }
    }
    let Some(mut index) = open.wal_index() else {
        return ffi::SQLITE_IOERR_SHMOPEN;
    };
    match index.map(region as usize, size as usize, extend != 0) {
        Ok(Some(pointer)) => {
            // SAFETY: `out` is a valid pointer.
            unsafe { *out = pointer.cast() };
            ffi::SQLITE_OK
        }
        Ok(None) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_SHMMAP,
    }
}

unsafe extern "C" fn x_shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    let Some(mut index) = open.wal_index() else {
        return ffi::SQLITE_IOERR_SHMLOCK;
    };
    let (first, count) = (first as u32, count as u32);
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        return done(index.unlock(first, count), ffi::SQLITE_IOERR_SHMLOCK);
    }
    let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    granted(
        index.lock(first, count, exclusive),
        ffi::SQLITE_IOERR_SHMLOCK,
    )
}

unsafe extern "C" fn x_shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: an open file.
    if let Some(mut index) = unsafe { open(file) }.wal_index() {
        // No pull here: it would make the two header copies differ in the middle of SQLite's
        // comparison. The deciding comparison always comes after a lock, and so after a pull.
        index.publish();
    }
}

unsafe extern "C" fn x_shm_unmap(file: *mut ffi::sqlite3_file, remove: c_int) -> c_int {
    // SAFETY: an open file.
    if let Some(index) = unsafe { open(file) }.wal_index.take() {
        index.borrow_mut().close(remove != 0);
    }
    ffi::SQLITE_OK
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
