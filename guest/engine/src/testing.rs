//! The outside world in memory, for tests.

mod files;
mod store;
mod world;

pub use files::MemoryFiles;
pub use store::{Call, Fault, MemoryStore, Operation};
pub use world::{MemoryFile, TestEnvironment};
