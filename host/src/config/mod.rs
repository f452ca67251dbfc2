//! config
pub mod tree;
