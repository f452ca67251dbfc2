//! From the start of the program to an object in the store.

use std::time::Duration;

use anyhow::Result;
use end_to_end::now_ms;
use end_to_end::program::Program;
use end_to_end::shell::sql;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, Reached, Stage, settings};

pub const ROW: Row = Row {
    name: "start",
    title: "From a start to the first object",
    how: "A database of 1 MB. First: beside an empty replica, until the database is there. Again: one commit was \
          made while the program was away, until that is there.",
    rounds: 5,
    measure,
    picture: None,
};

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for interval_ms in [1000, 10] {
        let settings = settings(program, Duration::from_millis(interval_ms));
        let stage = Stage::start(bench, program, 1, 0, &settings)?;
        stage.sidecar.terminate(LIMIT)?.ok()?;
        let note = "CREATE TABLE IF NOT EXISTS away(n INTEGER); INSERT INTO away VALUES (1)";
        sql(&bench.scene, &stage.machine.db(), note)?;
        stage.proxy.clear_log();
        let start_ms = now_ms();
        let replica = stage.direct.through(&stage.proxy);
        let again = program.replicate(&bench.scene, &stage.machine.db(), &replica, &settings)?;
        let back = Reached::first(&stage.proxy, start_ms)?;
        again.terminate(LIMIT)?.ok()?;
        let figure = |what: &str, unit, value, aim| {
            Figure::new(format!("{interval_ms} ms: {what}"), unit, value).aim(Aim::AtMost(aim))
        };
        figures.extend([
            figure("first", "ms", stage.first.ms, 50.0),
            figure("requests until then", "", stage.first.requests as f64, 5.0),
            figure("again", "ms", back.ms, 50.0),
            figure("requests until then, again", "", back.requests as f64, 5.0),
        ]);
    }
    Ok(figures.into())
}
