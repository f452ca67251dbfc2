//! Whether metrics and the status page can be served where the config wants them.

use super::report::Section;
use crate::config::Listen;
use crate::observe;
use std::io::ErrorKind;

const ADDRESS: &str = "addr";

/// Listens there for a moment, if it is wanted.
pub async fn check(section: &mut Section, addr: Option<&Listen>) {
    let Some(addr) = addr else {
        return section.ok(ADDRESS, "not wanted (`addr` is not set)");
    };
    match observe::bind(addr).await {
        Ok(_) => section.ok(ADDRESS, format!("{addr} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => section.warn(
            ADDRESS,
            format!("somebody listens at {addr} already: a seawall that runs, or another program"),
            "if it is not Seawall, set another `addr`",
        ),
        Err(error) => section.fault(
            ADDRESS,
            format!("nobody can listen at {addr}: {error}"),
            "set an `addr` of this machine, with a port from 1024 on",
        ),
    }
}
