//! From a commit to its object in the store.

use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::figures::{Spread, durable_after_ms};
use end_to_end::program::Program;
use end_to_end::shell::Load;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured, Picture, Series};
use crate::stage::{LIMIT, SETTLED, Stage, settings};

pub const ROW: Row = Row {
    name: "lag",
    title: "From a commit to its object in the store",
    how: "A small row is committed every 1.1 s (`sync-interval: 1s`) or every 40 ms (`10ms`); measured from \
          SQLite's answer to the store's answer for the object that holds the commit.",
    rounds: 3,
    measure,
    picture: Some(Picture {
        x: "ms after the commit",
        y: "share of commits that are durable, %",
        logarithmic: false,
    }),
};

struct Case {
    interval_ms: u64,
    delay_ms: u64,
    /// Between two commits.
    every_ms: u32,
    seconds: u64,
    /// p50 and p99.
    aims: (f64, f64),
}

const fn case(
    interval_ms: u64,
    delay_ms: u64,
    every_ms: u32,
    seconds: u64,
    aims: (f64, f64),
) -> Case {
    Case {
        interval_ms,
        delay_ms,
        every_ms,
        seconds,
        aims,
    }
}

const CASES: [Case; 4] = [
    case(1000, 0, 1100, 22, (6.0, 15.0)),
    case(1000, 30, 1100, 22, (37.0, 50.0)),
    case(10, 0, 40, 10, (6.0, 15.0)),
    case(10, 30, 40, 10, (37.0, 50.0)),
];

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut measured = Measured::default();
    for case in &CASES {
        let (lags, puts) = lags(bench, program, case)?;
        let name = match case.delay_ms {
            0 => format!("{} ms", case.interval_ms),
            delay => format!("{} ms, +{delay} ms", case.interval_ms),
        };
        let spread = Spread::of(lags.clone())?;
        let figures = [
            ("p50", spread.p50_ms, case.aims.0),
            ("p99", spread.p99_ms, case.aims.1),
        ];
        measured.figures.extend(figures.map(|(what, value, aim)| {
            Figure::new(format!("{name}: {what}"), "ms", value).aim(Aim::AtMost(aim))
        }));
        let put = Figure::new(format!("{name}: its PUT, p50"), "ms", puts.p50_ms);
        measured.figures.push(put);
        measured.series.push(distribution(name, lags));
    }
    Ok(measured)
}

/// The lags, and the PUTs for themselves.
fn lags(bench: &Bench, program: Program, case: &Case) -> Result<(Vec<f64>, Spread)> {
    let mut settings = settings(program, Duration::from_millis(case.interval_ms));
    // The WAL must not start again: its size is how a commit is found in an object.
    settings
        .db
        .push("min-checkpoint-page-count: 1000000".into());
    settings.db.push("checkpoint-interval: 1h".into());
    let stage = Stage::start(bench, program, 8, case.delay_ms, &settings)?;
    std::thread::sleep(SETTLED);
    let load = Load::start(&bench.scene, &stage.machine.db(), case.every_ms, 400)?;
    std::thread::sleep(bench.seconds(case.seconds));
    let log = load.stop()?;
    std::thread::sleep(Duration::from_secs(2));
    let lags = durable_after_ms(&log.acks, &stage.proxy.log());
    let puts = stage.proxy.log();
    let puts = puts
        .iter()
        .filter(|put| put.puts_level(0) && put.status == Some(200));
    let puts = Spread::of(puts.map(|put| put.ended - put.began).collect())?;
    let (found, all) = (lags.len(), log.acks.len());
    ensure!(
        found * 10 >= all * 9,
        "only {found} of {all} commits were found in objects"
    );
    stage.sidecar.terminate(LIMIT)?.ok()?;
    Ok((lags, puts))
}

/// The share of values, in percent, that are not above each value.
fn distribution(name: String, mut values: Vec<f64>) -> Series {
    values.sort_by(f64::total_cmp);
    let all = values.len() as f64;
    let points = values.into_iter().enumerate();
    let points = points.map(|(at, value)| (value, (at + 1) as f64 / all * 100.0));
    Series {
        name,
        points: points.collect(),
    }
}
