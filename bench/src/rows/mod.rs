//! What is measured: each row on its own, of one program at a time.

mod hour;
mod idle;
mod lag;
mod load;
mod lost;
mod many_objects;
mod outage;
mod restore;
mod size;
mod snapshot;
mod start;
mod throughput;

use anyhow::Result;
use end_to_end::program::Program;

use crate::bench::Bench;
use crate::measured::{Measured, Picture};

pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    /// How it is measured, for the reader of the table.
    pub how: &'static str,
    /// Rounds that are enough: what hardly varies is not measured often.
    pub rounds: usize,
    pub measure: fn(&Bench, Program) -> Result<Measured>,
    pub picture: Option<Picture>,
}

pub const ROWS: [Row; 12] = [
    lag::ROW,
    lost::ROW,
    throughput::ROW,
    load::ROW,
    idle::ROW,
    start::ROW,
    outage::ROW,
    hour::ROW,
    snapshot::ROW,
    restore::ROW,
    many_objects::ROW,
    size::ROW,
];
