//! SQL over HTTP as libSQL's clients speak it: Hrana 2 and 3 with JSON, over a database that lives
//! in the store.
//!
//! [`server`] says what each path does, [`access`] who may, [`streams`] keeps what clients come
//! back to, [`pipeline`], [`batch`], [`session`] and [`statement`] run SQL. Nothing here does I/O
//! of its own.
//! Calls may block where the database waits for the store; no borrow of shared state is held then.

#![forbid(unsafe_code)]

mod access;
mod batch;
mod baton;
mod budget;
mod clock;
mod codes;
mod error;
mod http;
mod keyword;
mod pipeline;
mod server;
mod session;
mod settings;
mod statement;
mod status;
mod stream;
mod streams;
mod texts;
mod wire;

#[cfg(test)]
mod tests;

pub use budget::Pause;
pub use http::{Head, Request, Response};
pub use server::Server;
pub use settings::{Limits, Settings, SettingsError, bytes, duration};
