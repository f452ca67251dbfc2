//! A restore over very many small objects: nobody merged them.

use std::time::Duration;

use anyhow::Result;
use end_to_end::program::Program;
use end_to_end::shell::Load;

use super::Row;
use super::restore::{Shipped, restore};
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, Stage, settings};

pub const ROW: Row = Row {
    name: "objects",
    title: "A restore over many small objects",
    how: "A database of 1 MB, and so many objects of level 0 that were never merged: the same replica for both, \
          written by Seawall.",
    rounds: 2,
    measure,
    picture: None,
};

/// How many, the aim in seconds, and with 30 ms more for each request.
const CASES: [(u64, f64, Option<f64>); 2] = [(1000, 0.5, Some(2.5)), (10_000, 4.0, None)];

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for (objects, aim, aim_far) in CASES {
        let objects = bench.scaled(objects);
        let shipped = ship(bench, objects)?;
        for (delay_ms, aim) in [(0, Some(aim)), (30, aim_far)] {
            let Some(aim) = aim else { continue };
            let of = restore(bench, program, &shipped, delay_ms)?;
            let name = |what: &str| match delay_ms {
                0 => format!("{objects} objects: {what}"),
                delay => format!("{objects} objects, +{delay} ms: {what}"),
            };
            figures.push(Figure::new(name("time"), "s", of.seconds).aim(Aim::AtMost(aim)));
            figures.push(
                Figure::new(name("most memory"), "MB", of.used.peak_rss_mb).aim(Aim::AtMost(64.0)),
            );
        }
    }
    Ok(figures.into())
}

/// A replica with so many objects, or a few more, in level 0.
fn ship(bench: &Bench, objects: u64) -> Result<Shipped> {
    let mut settings = settings(Program::Seawall, Duration::from_millis(1));
    settings.global = vec![
        "levels:".into(),
        "  - interval: 24h".into(),
        "l0-retention: 24h".into(),
    ];
    let stage = Stage::start(bench, Program::Seawall, 1, 0, &settings)?;
    let load = Load::start(&bench.scene, &stage.machine.db(), 6, 100)?;
    stage
        .direct
        .wait_for_txid(objects, Duration::from_secs(600))?;
    load.stop()?;
    stage.sidecar.terminate(LIMIT)?.ok()?;
    Ok(Shipped {
        machine: stage.machine,
        direct: stage.direct,
    })
}
