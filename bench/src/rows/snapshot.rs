//! The first copy of a big database.

use std::time::{Duration, Instant};

use anyhow::Result;
use end_to_end::figures::Usage;
use end_to_end::program::Program;
use end_to_end::upkeep::SNAPSHOTS;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, Stage, ms, settings};

pub const ROW: Row = Row {
    name: "snapshot",
    title: "The first copy of a database of 1.18 GB",
    how: "Until the first object is complete; then a minute for what the levels do with it.",
    rounds: 2,
    measure,
    picture: None,
};

const MEGABYTES: u64 = 1180;
const AFTER: Duration = Duration::from_secs(60);

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let megabytes = bench.scaled(MEGABYTES);
    // Copied before the time is taken.
    let machine = bench.scene.machine()?;
    bench.database(&machine.db(), megabytes)?;
    machine.lose()?;
    let stage = Stage::start(
        bench,
        program,
        megabytes,
        0,
        &settings(program, Duration::from_secs(1)),
    )?;
    let first = Usage::of(stage.sidecar.pid())?;
    let start = Instant::now();
    while start.elapsed() < AFTER && stage.direct.level(SNAPSHOTS)?.is_empty() {
        std::thread::sleep(Duration::from_millis(200));
    }
    let snapshot_ms = stage.first.ms + ms(start);
    let is_there = !stage.direct.level(SNAPSHOTS)?.is_empty();
    std::thread::sleep(AFTER.saturating_sub(start.elapsed()));
    let after = Usage::of(stage.sidecar.pid())?;
    let uploaded = stage.proxy.uploaded() as f64 / 1e6;
    let mut beside = 0;
    for (path, bytes) in files(stage.machine.dir())? {
        if !path.ends_with("app.db") {
            beside += bytes;
        }
    }
    let restored = bench.scene.fresh("restored.db");
    stage.sidecar.terminate(LIMIT)?.ok()?;
    program.restore(&bench.scene, &stage.direct, &restored)?;
    std::fs::remove_file(&restored)?;
    stage.machine.lose()?;
    let mut figures = vec![
        Figure::new("first object complete", "s", stage.first.ms / 1000.0).aim(Aim::AtMost(10.0)),
        Figure::new("processor until then", "s", first.cpu_s).aim(Aim::AtMost(12.0)),
        Figure::new("processor after a minute", "s", after.cpu_s),
        Figure::new("most memory", "MB", after.peak_rss_mb).aim(Aim::AtMost(64.0)),
        Figure::new("uploaded after a minute", "MB", uploaded)
            .aim(Aim::AtMost(0.68 * megabytes as f64)),
        Figure::new("files of its own", "MB", beside as f64 / 1e6).aim(Aim::AtMost(1.0)),
    ];
    if is_there {
        figures.push(Figure::new("snapshot complete", "s", snapshot_ms / 1000.0));
    }
    Ok(figures.into())
}

/// All files below a directory, and how long they are.
fn files(dir: &std::path::Path) -> Result<Vec<(std::path::PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let (path, meta) = {
            let entry = entry?;
            (entry.path(), entry.metadata()?)
        };
        if meta.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path, meta.len()));
        }
    }
    Ok(found)
}
