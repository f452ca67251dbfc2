//! What a hundred databases in one process cost: Seawall and Litestream, one after the other.
//!
//!   many [--json] [--databases N] [--seconds N]
//!
//! All are idle first, then a few are written to. The store is SeaweedFS.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use end_to_end::figures::Usage;
use end_to_end::pages;
use end_to_end::program::Program;
use end_to_end::proxy::Proxy;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::Scene;
use end_to_end::shell::Load;
use end_to_end::traffic::Requests;
use end_to_end::wait_for;
use end_to_end::weed::{SeaweedFs, Store};
use rusqlite::Connection;
use serde::Serialize;

const LIMIT: Duration = Duration::from_secs(180);
const BOTH: [Program; 2] = [Program::Seawall, Program::Litestream];

/// What a start does beside its first syncs is over by then: level 1 comes each 30 s.
const SETTLED: Duration = Duration::from_secs(35);
const WRITTEN: usize = 5;
/// The commits to each of those: one every so many milliseconds, of so many bytes.
const WRITES: (u32, u32) = (50, 1000);

#[derive(Serialize)]
struct Figures {
    program: &'static str,
    first_syncs_ms: f64,
    start_requests: Requests,
    idle: Usage,
    /// Processor time of the idle seconds.
    idle_cpu_s: f64,
    idle_requests: Requests,
    busy: Usage,
    busy_cpu_s: f64,
    busy_requests: Requests,
    stop_ms: f64,
}

#[derive(Serialize)]
struct Report {
    databases: usize,
    written: usize,
    seconds: u64,
    programs: Vec<Figures>,
}

fn main() -> Result<()> {
    let (mut json, mut databases, mut seconds) = (false, 100, 30);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().context("a number");
        match word.as_str() {
            "--json" => json = true,
            "--databases" => databases = number()?.parse()?,
            "--seconds" => seconds = number()?.parse()?,
            _ => bail!("usage: many [--json] [--databases N] [--seconds N]"),
        }
    }
    let dir = tempfile::TempDir::with_prefix("many-")?;
    let scene = Scene::in_dir(dir.path());
    let weed = SeaweedFs::start()?;
    let measure = |program| measure(&scene, program, weed.store, databases, seconds);
    let programs = BOTH.into_iter().map(measure).collect::<Result<_>>()?;
    let report = Report {
        databases,
        written: WRITTEN.min(databases),
        seconds,
        programs,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("app-{number:03}.db")
}

/// A small database, of about 100 kB.
fn create(db: &Path) -> Result<()> {
    let connection = Connection::open(db)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25)
         INSERT INTO t SELECT i, randomblob(3000) FROM n",
    )?;
    Ok(())
}

fn measure(
    scene: &Scene,
    program: Program,
    store: Store,
    databases: usize,
    seconds: u64,
) -> Result<Figures> {
    let machine = scene.machine()?;
    for number in 0..databases {
        create(&machine.dir().join(name(number)))?;
    }
    let proxy = Proxy::start(store.s3)?;
    let direct = Replica::on_s3(store);
    let settings = Settings {
        db: vec!["pattern: \"*.db\"".into()],
        ..Settings::default()
    };
    let source = format!("dir: {}", machine.dir().display());
    let config = scene.fresh("config.yml");
    std::fs::write(
        &config,
        direct.through(&proxy).config_of(&source, &settings),
    )?;
    let start = Instant::now();
    let sidecar = program.replicate_with(scene, &direct, &config)?;
    wait_for("the first sync of each database", LIMIT, || {
        Ok((shipped(&direct)? == databases).then_some(()))
    })?;
    let first_syncs_ms = start.elapsed().as_secs_f64() * 1000.0;
    let start_requests = Requests::of(&proxy.log());
    std::thread::sleep(SETTLED);

    let time = Duration::from_secs(seconds);
    let before = Usage::of(sidecar.pid())?;
    proxy.clear_log();
    std::thread::sleep(time);
    let idle = Usage::of(sidecar.pid())?;
    let idle_requests = Requests::of(&proxy.log());

    proxy.clear_log();
    let written = 0..WRITTEN.min(databases);
    let load = |number| Load::start(scene, &machine.dir().join(name(number)), WRITES.0, WRITES.1);
    let loads: Vec<Load> = written.clone().map(load).collect::<Result<_>>()?;
    std::thread::sleep(time);
    let busy = Usage::of(sidecar.pid())?;
    let busy_requests = Requests::of(&proxy.log());
    for load in loads {
        load.stop()?;
    }
    let start = Instant::now();
    sidecar.terminate(LIMIT)?.ok()?;
    let stop_ms = start.elapsed().as_secs_f64() * 1000.0;
    for number in written.chain([databases - 1]) {
        let restored = scene.fresh("restored.db");
        program.restore(scene, &direct.member(&name(number)), &restored)?;
        pages::assert_same(&machine.dir().join(name(number)), &restored)?;
    }
    Ok(Figures {
        program: program.name(),
        first_syncs_ms,
        start_requests,
        idle,
        idle_cpu_s: idle.cpu_s - before.cpu_s,
        idle_requests,
        busy,
        busy_cpu_s: busy.cpu_s - idle.cpu_s,
        busy_requests,
        stop_ms,
    })
}

/// How many databases have an object in level 0.
fn shipped(replica: &Replica) -> Result<usize> {
    let keys = replica.objects.list()?;
    let names = keys.keys().filter_map(|key| key.split_once("/0000/"));
    Ok(names.map(|(name, _)| name).collect::<BTreeSet<_>>().len())
}

fn print(report: &Report) {
    println!(
        "{} databases in one process; {} s idle, then {} s with {} of them written to\n",
        report.databases, report.seconds, report.seconds, report.written
    );
    let line = |name: &str, digits: usize, value: &dyn Fn(&Figures) -> f64| {
        let cells = report.programs.iter().map(value);
        let cells: Vec<String> = cells.map(|cell| format!("{cell:12.digits$}")).collect();
        println!("{name:44} {}", cells.join(" "));
    };
    let names = report
        .programs
        .iter()
        .map(|of| format!("{:>12}", of.program));
    println!("{:44} {}", "", names.collect::<Vec<_>>().join(" "));
    line("start to the first sync of all, ms", 0, &|of| {
        of.first_syncs_ms
    });
    line("requests until then", 0, &|of| {
        of.start_requests.all() as f64
    });
    line("memory, idle, MB", 0, &|of| of.idle.rss_mb);
    line("memory, written to, MB", 0, &|of| of.busy.rss_mb);
    line("memory at most, MB", 0, &|of| of.busy.peak_rss_mb);
    line("threads, idle", 0, &|of| of.idle.threads as f64);
    line("threads, written to", 0, &|of| of.busy.threads as f64);
    line("open files, idle", 0, &|of| of.idle.files as f64);
    line("open files, written to", 0, &|of| of.busy.files as f64);
    line("requests, idle", 0, &|of| of.idle_requests.all() as f64);
    line("requests, written to", 0, &|of| {
        of.busy_requests.all() as f64
    });
    line("processor, idle, s", 2, &|of| of.idle_cpu_s);
    line("processor, written to, s", 2, &|of| of.busy_cpu_s);
    line("stop, ms", 0, &|of| of.stop_ms);
}
