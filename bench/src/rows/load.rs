//! What shipping costs the processor.

use std::time::Duration;

use anyhow::Result;
use end_to_end::figures::Usage;
use end_to_end::program::Program;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, SETTLED, Stage, settings};
use crate::writer::Writer;

pub const ROW: Row = Row {
    name: "load",
    title: "Processor and memory while it ships",
    how: "One database of 8 MB, `sync-interval: 1s`, rows of 100 bytes at a steady pace.",
    rounds: 3,
    measure,
    picture: None,
};

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for (rate, aim) in [(100, 0.45), (1000, 2.0)] {
        let stage = Stage::start(
            bench,
            program,
            8,
            0,
            &settings(program, Duration::from_secs(1)),
        )?;
        std::thread::sleep(SETTLED);
        let seconds = bench.seconds(20);
        let before = Usage::of(stage.sidecar.pid())?;
        Writer::start(&bench.scene, &stage.machine.db(), seconds, rate, "NORMAL")?.wait()?;
        let after = Usage::of(stage.sidecar.pid())?;
        stage.sidecar.terminate(LIMIT)?.ok()?;
        let percent = (after.cpu_s - before.cpu_s) / seconds.as_secs_f64() * 100.0;
        figures.push(
            Figure::new(format!("{rate} commits/s: processor"), "%", percent).aim(Aim::AtMost(aim)),
        );
        let peak = format!("{rate} commits/s: most memory");
        figures.push(Figure::new(peak, "MB", after.peak_rss_mb));
    }
    Ok(figures.into())
}
