//! The store goes away and comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use end_to_end::process::alarms;
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Weather};
use end_to_end::shell::Load;
use end_to_end::wait_for;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, SETTLED, Stage, ms, settings};

pub const ROW: Row = Row {
    name: "outage",
    title: "The store is away for a minute",
    how: "100 commits a second go on while connections to the store are closed for 60 s. From its return until \
          everything that was committed by then is in the store, and the PUTs that took; whether the log said \
          a word within 2 s.",
    rounds: 1,
    measure,
    picture: None,
};

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for interval_ms in [1000, 10] {
        let mut settings = settings(program, Duration::from_millis(interval_ms));
        // The WAL must not start again: its size is how a commit is found in an object.
        settings
            .db
            .push("min-checkpoint-page-count: 1000000".into());
        settings.db.push("checkpoint-interval: 1h".into());
        let stage = Stage::start(bench, program, 1, 0, &settings)?;
        std::thread::sleep(SETTLED);
        let load = Load::start(&bench.scene, &stage.machine.db(), 10, 400)?;
        std::thread::sleep(Duration::from_secs(2));
        stage.proxy.set(Weather::all(Fault::Away));
        std::thread::sleep(Duration::from_secs(2));
        let told = alarms(&stage.sidecar.said()?).count() > 0;
        std::thread::sleep(bench.seconds(60));
        stage.proxy.clear_log();
        let wanted = load
            .log()?
            .acks
            .last()
            .context("nothing was committed")?
            .wal_bytes;
        let start = Instant::now();
        stage.proxy.set(Weather::default());
        let puts = wait_for("what was committed meanwhile", LIMIT, || {
            let log = stage.proxy.log();
            let mut puts = 0;
            for put in log
                .iter()
                .filter(|put| put.puts_level(0) && put.status == Some(200))
            {
                puts += 1;
                let header = end_to_end::ltx::Header::parse(&put.opening)?;
                if header.wal_offset + header.wal_size >= wanted {
                    return Ok(Some(puts));
                }
            }
            Ok(None)
        })?;
        let caught_up = ms(start);
        load.stop()?;
        stage.sidecar.terminate(LIMIT)?.ok()?;
        let name = |what: &str| format!("{interval_ms} ms: {what}");
        figures.extend([
            Figure::new(name("caught up after"), "ms", caught_up).aim(Aim::AtMost(1000.0)),
            Figure::new(name("PUTs for that"), "", f64::from(puts)).aim(Aim::AtMost(3.0)),
            Figure::new(
                name("the log told it within 2 s"),
                "1: yes",
                f64::from(u8::from(told)),
            )
            .aim(Aim::AtLeast(1.0)),
        ]);
    }
    Ok(figures.into())
}
