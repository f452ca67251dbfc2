//! What a kill -9 of app and sidecar takes away.

use std::time::Duration;

use anyhow::{Context, Result};
use end_to_end::program::Program;
use end_to_end::shell::Load;
use rusqlite::{Connection, OpenFlags};

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{SETTLED, Stage, settings};

pub const ROW: Row = Row {
    name: "lost",
    title: "Lost with the machine",
    how: "100 commits a second (1,000 where it says so), then `kill -9` of app and program at once and a restore \
          elsewhere: the age of the oldest commit that is gone, the worst of all kills.",
    rounds: 2,
    measure,
    picture: None,
};

/// Of each case in one round.
const KILLS: u64 = 5;

/// `sync-interval` and delay in milliseconds, commits a second, the aim in milliseconds: the time that a
/// request takes, and the interval between two of them.
const CASES: [(u64, u64, u32, f64); 4] = [
    (1000, 0, 100, 1015.0),
    (10, 0, 100, 15.0),
    (10, 30, 100, 50.0),
    (10, 30, 1000, 50.0),
];

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for (interval_ms, delay_ms, rate, aim) in CASES {
        let mut worst: f64 = 0.0;
        for _ in 0..bench.scaled(KILLS) {
            worst = worst.max(kill(bench, program, interval_ms, delay_ms, rate)?);
        }
        let what = format!("{interval_ms} ms, +{delay_ms} ms, {rate} commits/s");
        figures.push(Figure::new(what, "ms", worst).aim(Aim::AtMost(aim)));
    }
    Ok(figures.into())
}

fn kill(
    bench: &Bench,
    program: Program,
    interval_ms: u64,
    delay_ms: u64,
    rate: u32,
) -> Result<f64> {
    let settings = settings(program, Duration::from_millis(interval_ms));
    let stage = Stage::start(bench, program, 1, delay_ms, &settings)?;
    std::thread::sleep(SETTLED / 2);
    let load = Load::start(&bench.scene, &stage.machine.db(), 1000 / rate, 400)?;
    std::thread::sleep(bench.seconds(5));
    stage.sidecar.signal(libc::SIGKILL);
    let log = load.kill()?;
    stage.sidecar.kill()?;
    // What was under way reaches the store, or it does not.
    std::thread::sleep(Duration::from_millis(200) + 2 * Duration::from_millis(delay_ms));
    let restored = bench.scene.fresh("restored.db");
    program.restore(&bench.scene, &stage.direct, &restored)?;
    let db = Connection::open_with_flags(&restored, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Even the table may be lost.
    let kept: Option<i64> = match db.table_exists(None, "load")? {
        true => db.query_row("SELECT max(id) FROM load", [], |row| row.get(0))?,
        false => None,
    };
    let last = log.acks.last().context("nothing was committed")?;
    let lost = |id: &str| id.parse::<i64>().is_ok_and(|id| id > kept.unwrap_or(0));
    let first_lost = log.acks.iter().find(|ack| lost(&ack.id));
    Ok(first_lost.map_or(0.0, |first| last.at - first.at))
}
