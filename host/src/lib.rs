//! The `seawall` program as a library: everything but the `main` function.

pub use config;

pub mod cli;
pub mod commands;
pub mod component;
pub mod doctor;
pub mod exit;
mod health;
pub mod live;
pub mod logging;
pub mod objects;
pub mod observe;
pub mod output;
pub mod plan;
pub mod replicate;
pub mod restore;
pub mod serve;
pub mod socket;
mod table;
pub mod verify;
