//! What the `seawall` program is made of.

pub mod objects;
