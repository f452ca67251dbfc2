//! What it costs when nothing happens.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use end_to_end::figures::Usage;
use end_to_end::program::Program;
use end_to_end::proxy::Proxy;
use end_to_end::replica::Replica;
use end_to_end::traffic::Requests;
use end_to_end::wait_for;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured};
use crate::stage::{LIMIT, settings};

pub const ROW: Row = Row {
    name: "idle",
    title: "When nothing happens",
    how: "Databases of 1 MB in one process that nobody writes to. Litestream's `monitor-interval` is as long as \
          the `sync-interval`: it polls to reach its lag.",
    rounds: 1,
    measure,
    picture: None,
};

/// Level 1 is merged 30 s after a start; then all is quiet.
const QUIET: Duration = Duration::from_secs(35);

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut figures = Vec::new();
    for (interval_ms, databases, aims) in [
        (1000, 1, Some((0.1, 20.0))),
        (1000, 100, Some((1.0, 60.0))),
        (10, 1, Some((0.1, 20.0))),
        (10, 100, Some((1.0, 60.0))),
    ] {
        let interval = Duration::from_millis(interval_ms);
        let (percent, usage, requests) = idle(bench, program, interval, databases)?;
        let name = |what: &str| format!("{databases} × {interval_ms} ms: {what}");
        let mut push = |what, unit, value, aim: Option<f64>| {
            let mut figure = Figure::new(name(what), unit, value);
            figure.aim = aim.map(Aim::AtMost);
            figures.push(figure);
        };
        push(
            "processor",
            "%",
            percent,
            aims.map(|(processor, _)| processor),
        );
        push("memory", "MB", usage.rss_mb, aims.map(|(_, memory)| memory));
        push("open files", "", usage.files as f64, Some(450.0));
        push("requests a minute", "", requests, Some(0.0));
    }
    Ok(figures.into())
}

fn idle(
    bench: &Bench,
    program: Program,
    interval: Duration,
    databases: usize,
) -> Result<(f64, Usage, f64)> {
    let machine = bench.scene.machine()?;
    for number in 0..databases {
        bench.database(&machine.dir().join(format!("app-{number:03}.db")), 1)?;
    }
    let proxy = Proxy::start(bench.store.s3)?;
    let direct = Replica::on_s3(bench.store);
    let mut settings = settings(program, interval);
    settings.db.push("pattern: \"*.db\"".into());
    let source = format!("dir: {}", machine.dir().display());
    let config = bench.scene.fresh("config.yml");
    std::fs::write(
        &config,
        direct.through(&proxy).config_of(&source, &settings),
    )?;
    let sidecar = program.replicate_with(&bench.scene, &direct, &config)?;
    wait_for("the first object of each database", LIMIT, || {
        let keys = direct.objects.list()?;
        let names = keys.keys().filter_map(|key| key.split_once("/0000/"));
        let shipped = names.map(|(name, _)| name).collect::<BTreeSet<_>>().len();
        Ok((shipped == databases).then_some(()))
    })?;
    std::thread::sleep(QUIET);
    proxy.clear_log();
    let before = Usage::of(sidecar.pid())?;
    let seconds = bench.seconds(20);
    std::thread::sleep(seconds);
    let after = Usage::of(sidecar.pid())?;
    let requests = Requests::of(&proxy.log()).all() as f64 * 60.0 / seconds.as_secs_f64();
    sidecar.terminate(LIMIT)?.ok()?;
    let percent = (after.cpu_s - before.cpu_s) / seconds.as_secs_f64() * 100.0;
    Ok((percent, after, requests))
}
