//! What an app that writes flat out notices.

use anyhow::Result;
use end_to_end::program::Program;
use std::time::Duration;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, SETTLED, Stage, settings};
use crate::writer::{Writer, Written};

pub const ROW: Row = Row {
    name: "throughput",
    title: "An app that writes as fast as it can",
    how: "Rows of 100 bytes, one commit each, without a pause; relative to the same app beside no program, \
          right before. The longest commit and the longest WAL that the app saw.",
    rounds: 3,
    measure,
    picture: None,
};

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for (synchronous, aim) in [("NORMAL", 0.85), ("FULL", 0.9)] {
        let alone = alone(bench, synchronous)?;
        let stage = Stage::start(
            bench,
            program,
            1,
            0,
            &settings(program, Duration::from_secs(1)),
        )?;
        std::thread::sleep(SETTLED);
        let written = write(bench, &stage.machine.db(), synchronous)?;
        stage.sidecar.terminate(LIMIT)?;
        let share = written.commits_per_s / alone.commits_per_s;
        let figure =
            |what: &str, unit, value| Figure::new(format!("{synchronous}: {what}"), unit, value);
        figures
            .push(figure("commits/s, share of the lone app's", "×", share).aim(Aim::AtLeast(aim)));
        figures.push(figure("longest commit", "ms", written.longest_ms).aim(Aim::AtMost(60.0)));
        figures.push(figure(
            "longest commit of the lone app",
            "ms",
            alone.longest_ms,
        ));
        figures.push(figure("longest WAL", "MB", written.wal_mb).aim(Aim::AtMost(64.0)));
        figures.push(figure("refused commits", "", written.refused as f64).aim(Aim::AtMost(0.0)));
    }
    Ok(figures.into())
}

fn alone(bench: &Bench, synchronous: &str) -> Result<Written> {
    let machine = bench.scene.machine()?;
    bench.database(&machine.db(), 1)?;
    write(bench, &machine.db(), synchronous)
}

fn write(bench: &Bench, db: &std::path::Path, synchronous: &str) -> Result<Written> {
    Writer::start(&bench.scene, db, bench.seconds(10), 0, synchronous)?.wait()
}
