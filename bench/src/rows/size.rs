//! The program itself.

use anyhow::Result;
use end_to_end::program::Program;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};

pub const ROW: Row = Row {
    name: "size",
    title: "The program",
    how: "Its file; Seawall's has the component in it.",
    rounds: 1,
    measure,
    picture: None,
};

fn measure(_bench: &Bench, program: Program) -> Result<Measured> {
    let bytes = program.path()?.metadata()?.len();
    let figure = Figure::new("program", "MB", bytes as f64 / 1e6).aim(Aim::AtMost(20.0));
    Ok(vec![figure].into())
}
