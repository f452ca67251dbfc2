//! Everything Seawall decides, and no I/O of its own: see [`ports`] for what it needs from outside.

pub mod ltx;
pub mod ports;
pub mod restore;
pub mod units;

#[cfg(test)]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared by all tests: not each uses everything"
)]
pub(crate) mod testing;
