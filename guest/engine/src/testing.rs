//! The outside world in memory, for tests.

mod files;
mod store;
mod world;

pub(crate) use files::MemoryFiles;
pub(crate) use store::{Call, Fault, MemoryStore, Operation};
pub(crate) use world::{MemoryFile, TestEnvironment};
