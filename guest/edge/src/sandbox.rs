//! Keeps the standard library from asking for more than the world grants.
//!
//! Rust's standard library for this target can print a panic to stderr, read the environment for
//! `RUST_BACKTRACE` and exit the process; that alone would import WASI's whole command-line
//! family. The linker takes these definitions before those of libc, and the imports are gone.

use crate::seawall::edge::settings::{self, Level};

/// Where the standard library prints panic messages: they become log lines.
#[unsafe(no_mangle)]
extern "C" fn write(_descriptor: i32, data: *const u8, length: usize) -> isize {
    // SAFETY: the caller passes a readable buffer, as for write(2).
    let text = unsafe { std::slice::from_raw_parts(data, length) };
    let text = String::from_utf8_lossy(text);
    let line = text.trim_end();
    if !line.is_empty() {
        settings::log(Level::Error, line);
    }
    length as isize
}

/// There is no environment.
#[unsafe(no_mangle)]
extern "C" fn getenv(_name: *const u8) -> *const u8 {
    std::ptr::null()
}

/// There is no process to exit: this instance traps.
#[unsafe(no_mangle)]
extern "C" fn _Exit(_code: i32) -> ! {
    core::arch::wasm32::unreachable()
}

unsafe extern "C" {
    fn getentropy(buffer: *mut u8, length: usize) -> i32;
}

/// From the host's secure source (`wasi:random`).
///
/// # Panics
/// When the host has none, which WASI does not allow.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: a buffer of that length.
    let code = unsafe { getentropy(bytes.as_mut_ptr(), bytes.len()) };
    assert_eq!(code, 0, "the host has no randomness");
    u64::from_le_bytes(bytes)
}
