//! Readers of what others wrote, fed with made-up input: each module has one, and what must hold
//! whatever it is given. `fuzz/` drives them by coverage; `tests/short.rs` for a moment.
//!
//! Here is what they share: files and a clock with an end, and checksums that a made-up file would
//! never have by itself.

pub mod backup;
pub mod config;
pub mod hrana;
pub mod index;
pub mod ltx;
pub mod plan;
pub mod restore;
pub mod s3;
pub mod wal;

use engine::ltx::Crc64;
use engine::ports::{Environment, FileError, LiveFile, LockKind, LogLevel};
use engine::testing::MemoryFile;
use std::cell::Cell;

/// A file that is longer is more than a made-up replica should cost.
const DISK_BYTES: u64 = 4 << 20;

/// Cuts the input: each piece has its length in front (two bytes); what is left is the last piece.
pub fn pieces(mut data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (piece, left) = rest.split_at(rest.len().min(u16::from_be_bytes(*length).into()));
        pieces.push(piece);
        data = left;
    }
    pieces
}

/// Puts the right checksum at the end of an LTX file.
pub fn sum_ltx(file: &mut [u8]) {
    if let Some(end) = file.len().checked_sub(8) {
        let sum = Crc64::of(&file[..end]).flagged();
        file[end..].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Puts the right salts and checksums into a WAL.
pub fn sum_wal(file: &mut [u8]) {
    if file.len() < 32 {
        return;
    }
    file[..8].copy_from_slice(&[0x37, 0x7f, 6, 0x82, 0, 0x2d, 0xe2, 0x18]);
    let salts: [u8; 8] = std::array::from_fn(|at| file[16 + at]);
    let page_size = u32::from_be_bytes(std::array::from_fn(|at| file[8 + at]));
    let mut sum = add((0, 0), &file[..24]);
    put(&mut file[24..32], sum);
    if !(512..=65_536).contains(&page_size) {
        return;
    }
    for frame in file[32..].chunks_exact_mut(24 + page_size as usize) {
        frame[8..16].copy_from_slice(&salts);
        sum = add(add(sum, &frame[..8]), &frame[24..]);
        put(&mut frame[16..24], sum);
    }
}

fn add((mut a, mut b): (u32, u32), data: &[u8]) -> (u32, u32) {
    for [first, second] in data.as_chunks::<4>().0.as_chunks::<2>().0 {
        a = a.wrapping_add(u32::from_le_bytes(*first)).wrapping_add(b);
        b = b.wrapping_add(u32::from_le_bytes(*second)).wrapping_add(a);
    }
    (a, b)
}

fn put(place: &mut [u8], (a, b): (u32, u32)) {
    place[..4].copy_from_slice(&a.to_be_bytes());
    place[4..].copy_from_slice(&b.to_be_bytes());
}

/// A file on a small disk.
#[derive(Default)]
pub struct SmallFile(pub MemoryFile);

impl SmallFile {
    fn room(end: u64) -> Result<(), FileError> {
        match end <= DISK_BYTES {
            true => Ok(()),
            false => Err(FileError::NoSpace),
        }
    }
}

impl LiveFile for SmallFile {
    fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, FileError> {
        self.0.read(offset, length)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), FileError> {
        SmallFile::room(offset + data.len() as u64)?;
        self.0.write(offset, data)
    }

    fn truncate(&self, size: u64) -> Result<(), FileError> {
        SmallFile::room(size)?;
        self.0.truncate(size)
    }

    fn sync(&self, data_only: bool) -> Result<(), FileError> {
        self.0.sync(data_only)
    }

    fn size(&self) -> Result<u64, FileError> {
        self.0.size()
    }

    fn lock(&self, start: u64, length: u64, kind: LockKind) -> Result<bool, FileError> {
        self.0.lock(start, length, kind)
    }

    fn is_locked(&self, start: u64, length: u64) -> Result<bool, FileError> {
        self.0.is_locked(start, length)
    }

    fn is_current(&self) -> bool {
        true
    }
}

/// Time passes whenever somebody looks at the clock.
#[derive(Default)]
pub struct Clock(pub Cell<u64>);

impl Environment for Clock {
    fn now_ms(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }

    fn random(&self) -> u64 {
        self.now_ms()
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn progress(&self, _: u64, _: u64) {}
}
