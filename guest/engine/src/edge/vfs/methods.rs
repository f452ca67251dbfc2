//! The methods of the open file, as SQLite calls them from C.

use super::{EdgeError, Handle, Open};
use libsqlite3_sys as ffi;
use std::ffi::{c_int, c_void};

fn done(open: &Open, result: Result<(), EdgeError>, otherwise: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) => open.code(error, otherwise),
    }
}

/// # Safety
/// `file` was made by [`System::open`] and is not closed. SQLite calls one method at a time.
unsafe fn open<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: promised by the caller.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; the box was made by `System::open`.
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
        let buffer = std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length as usize);
        (open(file), buffer)
    };
    match open.read(offset as u64, buffer.len()) {
        Ok(bytes) => {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            buffer[bytes.len()..].fill(0);
            match bytes.len() < buffer.len() {
                true => ffi::SQLITE_IOERR_SHORT_READ,
                false => ffi::SQLITE_OK,
            }
        }
        Err(error) => done(open, Err(error), ffi::SQLITE_IOERR_READ),
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
        let data = std::slice::from_raw_parts(data.cast::<u8>(), length as usize);
        (open(file), data)
    };
    let written = open.write(offset as u64, data);
    done(open, written, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    let cut = open.truncate(size as u64);
    done(open, cut, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    let synced = open.sync();
    done(open, synced, ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: an open file and a valid pointer.
    let (open, out) = unsafe { (open(file), &mut *out) };
    *out = open.bytes() as i64;
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    let locked = match (open.level, level) {
        (ffi::SQLITE_LOCK_NONE, _) => open.begin(),
        (ffi::SQLITE_LOCK_SHARED, _) if open.may_only_read() => Err(EdgeError::ReadOnly),
        _ => Ok(()),
    };
    if locked.is_ok() {
        open.level = open.level.max(level);
    }
    done(open, locked, ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn x_unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { open(file) };
    let unlocked = open.unlock(level);
    done(open, unlocked, ffi::SQLITE_IOERR_UNLOCK)
}

unsafe extern "C" fn x_check_reserved(_: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: `out` is a valid pointer. A lock here is nobody else's business.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(
    _: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    // No larger than any page, so that nothing else is journalled together with it.
    512
}

unsafe extern "C" fn x_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

pub static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
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
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};
