//! `seawall doctor` before set-ups that are broken in one place each, and before healthy ones.

mod bucket;
mod config;
mod database;
mod directory;
mod scene;
mod store;
mod tls;
