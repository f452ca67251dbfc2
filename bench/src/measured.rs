//! What a turn gives: numbers, what they are to reach, and lines of a picture.

use end_to_end::program::Program;
use serde::Serialize;

/// Who is measured, in the order of the table's columns.
pub const BOTH: [Program; 2] = [Program::Seawall, Program::Litestream];

/// One number of one turn.
#[derive(Clone, Debug)]
pub struct Figure {
    pub what: String,
    pub unit: &'static str,
    pub value: f64,
    pub aim: Option<Aim>,
}

/// What Seawall is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    AtMost(f64),
    AtLeast(f64),
    /// Of what Litestream has in the same run.
    Share(f64),
}

impl Figure {
    pub fn new(what: impl Into<String>, unit: &'static str, value: f64) -> Figure {
        Figure {
            what: what.into(),
            unit,
            value,
            aim: None,
        }
    }

    pub fn aim(mut self, aim: Aim) -> Figure {
        self.aim = Some(aim);
        self
    }
}

/// A line of a picture.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// What one turn of one program gave.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub figures: Vec<Figure>,
    pub series: Vec<Series>,
}

impl From<Vec<Figure>> for Measured {
    fn from(figures: Vec<Figure>) -> Measured {
        Measured {
            figures,
            series: Vec::new(),
        }
    }
}

/// What the axes say. Both are logarithmic where values differ by orders of magnitude.
#[derive(Clone, Copy)]
pub struct Picture {
    pub x: &'static str,
    pub y: &'static str,
    pub logarithmic: bool,
}
