//! The program as it runs: many databases, a program beside it, its control socket. The replicas
//! are directories.

mod control;
mod details;
mod directories;
mod ends;
mod exec;
mod following;
mod many;
mod observe;
mod once;
mod scene;
mod web;
