//! The commands that look at databases and replicas, or ask a running seawall.

pub mod control;
pub mod databases;
pub mod ltx;
pub mod manual;
pub mod reset;
pub mod status;
