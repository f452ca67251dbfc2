//! Everything Seawall decides, and no I/O of its own: see [`ports`] for what it needs from outside.

pub mod edge;
pub mod ltx;
pub mod mutants;
pub mod pageset;
pub mod ports;
pub mod prove;
pub mod rebuild;
pub mod replica;
pub mod restore;
pub mod units;
pub mod verify;
pub mod vfs;
pub mod wal;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
