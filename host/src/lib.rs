//! The `seawall` program as a library: everything but the `main` function.

pub mod live;
pub mod objects;
