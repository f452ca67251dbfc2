//! What an hour of HedgeDoc costs at the store: Seawall and Litestream side by side, at the same
//! time, on the same commits.
//!
//!   traffic [--json] [--seconds N] [--seed N]
//!
//! The hour is compressed into N seconds (120), and every interval of the config with it. Each
//! program has its own counting proxy in front of one SeaweedFS.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::ack::Ack;
use end_to_end::pages;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::proxy::{Exchange, Proxy};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene};
use end_to_end::shell::Load;
use end_to_end::traffic::{Requests, Stored, Watch};
use end_to_end::upkeep::Upkeep;
use end_to_end::weed::{SeaweedFs, Store};
use end_to_end::workload;
use serde::Serialize;

const LIMIT: Duration = Duration::from_secs(120);
const BOTH: [Program; 2] = [Program::Seawall, Program::Litestream];
const HOUR_S: f64 = 3600.0;

/// In the hour: nobody has typed for a minute and a half, and level 1 is merged.
const SETTLED_S: f64 = 90.0;
/// In the hour, after its end.
const LAST_IDLE_S: f64 = 600.0;

#[derive(Serialize)]
struct Figures {
    program: &'static str,
    commits: usize,
    refused: usize,
    requests: Requests,
    puts_of_level_0: usize,
    /// While nobody typed, but for the first [`SETTLED_S`] of each stretch.
    idle_requests: usize,
    /// In the last two thirds of the quiet after the hour.
    last_idle_requests: usize,
    stored: Stored,
    restore_ms: f64,
}

#[derive(Serialize)]
struct Report {
    seconds: u64,
    seed: u64,
    database_bytes: u64,
    /// The hour's seconds in which the idle requests were counted.
    idle_s: f64,
    programs: Vec<Figures>,
}

fn main() -> Result<()> {
    let (mut json, mut seconds, mut seed) = (false, 120, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            words
                .next()
                .context("a number")
                .map(|word| word.parse::<u64>())
        };
        match word.as_str() {
            "--json" => json = true,
            "--seconds" => seconds = number()??,
            "--seed" => seed = number()??,
            _ => bail!("usage: traffic [--json] [--seconds N] [--seed N]"),
        }
    }
    let dir = tempfile::TempDir::with_prefix("traffic-")?;
    let report = measure(&Scene::in_dir(dir.path()), seconds, seed)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

/// So much of the hour, compressed.
fn compressed(hour_s: f64, seconds: u64) -> Duration {
    Duration::from_secs_f64(hour_s * seconds as f64 / HOUR_S)
}

/// Seconds.
const DAY: f64 = 86_400.0;

/// The defaults, compressed.
fn settings(program: Program, seconds: u64) -> Settings {
    let at = |hour_s| compressed(hour_s, seconds);
    let upkeep = Upkeep {
        levels: vec![at(30.0), at(300.0), at(3600.0)],
        snapshot_interval: at(DAY),
        snapshot_retention: at(DAY),
        l0_retention: at(300.0),
        l0_retention_check: at(15.0),
    };
    let ms = |hour_s| at(hour_s).as_millis();
    let mut db = vec![format!("checkpoint-interval: {}ms", ms(60.0))];
    if program == Program::Litestream {
        db.push(format!("monitor-interval: {}ms", ms(1.0)));
    }
    Settings {
        sync_interval: at(1.0),
        db,
        global: upkeep.lines(),
    }
}

struct Stage {
    program: Program,
    machine: Machine,
    proxy: Proxy,
    direct: Replica,
    sidecar: Running,
    watch: Watch,
}

fn stage(scene: &Scene, program: Program, store: Store, seconds: u64, seed: u64) -> Result<Stage> {
    let machine = scene.machine()?;
    workload::create(&machine.db(), seed)?;
    let proxy = Proxy::start(store.s3)?;
    let direct = Replica::on_s3(store);
    let replica = direct.through(&proxy);
    let settings = settings(program, seconds);
    let sidecar = program.replicate(scene, &machine.db(), &replica, &settings)?;
    direct.wait_for_txid(1, LIMIT)?;
    let watch = Watch::start(direct.objects.clone());
    Ok(Stage {
        program,
        machine,
        proxy,
        direct,
        sidecar,
        watch,
    })
}

fn measure(scene: &Scene, seconds: u64, seed: u64) -> Result<Report> {
    let weed = SeaweedFs::start()?;
    let stages: Vec<Stage> = BOTH
        .into_iter()
        .map(|program| stage(scene, program, weed.store, seconds, seed))
        .collect::<Result<_>>()?;
    let loads: Vec<Load> = stages
        .iter()
        .map(|stage| Load::hour(scene, &stage.machine.db(), seed, seconds))
        .collect::<Result<_>>()?;
    let limit = Duration::from_secs(2 * seconds) + LIMIT;
    let logs = loads.into_iter().map(|load| load.wait(limit));
    let logs: Vec<_> = logs.collect::<Result<_>>()?;
    std::thread::sleep(compressed(LAST_IDLE_S, seconds));
    let mut programs = Vec::new();
    let (mut idle_s, mut database_bytes) = (0.0, 0);
    for (stage, log) in stages.into_iter().zip(logs) {
        ensure!(log.stopped, "the workload did not end");
        let exchanges = stage.proxy.log();
        let idle = idle_stretches(&log.acks, seconds);
        idle_s = idle.iter().map(|(from, to)| to - from).sum::<f64>() / 1000.0;
        idle_s *= HOUR_S / seconds as f64;
        let samples = stage.watch.stop()?;
        stage.sidecar.terminate(LIMIT)?.ok()?;
        database_bytes = stage.machine.db().metadata()?.len();
        let last_ms = log.acks.last().map_or(0.0, |ack| ack.at);
        let quiet_ms = compressed(LAST_IDLE_S, seconds).as_secs_f64() * 1000.0;
        let start = Instant::now();
        let restored = scene.fresh("restored.db");
        stage.program.restore(scene, &stage.direct, &restored)?;
        let restore_ms = start.elapsed().as_secs_f64() * 1000.0;
        pages::assert_same(&stage.machine.db(), &restored)?;
        programs.push(Figures {
            program: stage.program.name(),
            commits: log.acks.len(),
            refused: log.refusals.len(),
            requests: Requests::of(&exchanges),
            puts_of_level_0: exchanges.iter().filter(|seen| seen.puts_level(0)).count(),
            idle_requests: idle
                .iter()
                .map(|stretch| within(&exchanges, *stretch))
                .sum(),
            last_idle_requests: within(&exchanges, (last_ms + quiet_ms / 3.0, last_ms + quiet_ms)),
            stored: Stored::of(&samples),
            restore_ms,
        });
    }
    Ok(Report {
        seconds,
        seed,
        database_bytes,
        idle_s,
        programs,
    })
}

type Stretch = (f64, f64);

/// The stretches between two commits in which nothing is left to do but what time brings, in
/// milliseconds.
fn idle_stretches(acks: &[Ack], seconds: u64) -> Vec<Stretch> {
    let settled_ms = compressed(SETTLED_S, seconds).as_secs_f64() * 1000.0;
    let between = acks
        .windows(2)
        .map(|pair| (pair[0].at + settled_ms, pair[1].sent));
    between.filter(|(from, to)| to > from).collect()
}

fn within(log: &[Exchange], (from, to): Stretch) -> usize {
    log.iter()
        .filter(|seen| (from..to).contains(&seen.began))
        .count()
}

fn print(report: &Report) {
    println!(
        "An hour of HedgeDoc in {} s (seed {}), database {:.1} MB at its end\n",
        report.seconds,
        report.seed,
        report.database_bytes as f64 / 1e6
    );
    let [ours, theirs] = report.programs.as_slice() else {
        return;
    };
    println!(
        "{:44} {:>12} {:>12} {:>7}",
        "", ours.program, theirs.program, "ratio"
    );
    let line = |name: &str, digits: usize, value: &dyn Fn(&Figures) -> f64| {
        let (left, right) = (value(ours), value(theirs));
        let ratio = match right {
            0.0 => "-".into(),
            _ => format!("{:.2}", left / right),
        };
        println!("{name:44} {left:12.digits$} {right:12.digits$} {ratio:>7}");
    };
    let count = |name: &str, value: &dyn Fn(&Figures) -> usize| {
        line(name, 0, &|of| value(of) as f64);
    };
    let megabytes = |name: &str, value: &dyn Fn(&Figures) -> u64| {
        line(name, 2, &|of| value(of) as f64 / 1e6);
    };
    count("commits", &|of| of.commits);
    count("commits refused", &|of| of.refused);
    count("PUT", &|of| of.requests.put);
    count("  of them to level 0", &|of| of.puts_of_level_0);
    count("LIST", &|of| of.requests.list);
    count("GET", &|of| of.requests.get);
    count("HEAD", &|of| of.requests.head);
    count("DELETE", &|of| of.requests.delete);
    count("of uploads in parts", &|of| of.requests.other);
    count("all requests", &|of| of.requests.all());
    let idle = format!(
        "requests in {:.0} idle minutes of the hour",
        report.idle_s / 60.0
    );
    count(&idle, &|of| of.idle_requests);
    count("requests in the quiet after it", &|of| {
        of.last_idle_requests
    });
    megabytes("sent to the store, MB", &|of| of.requests.bytes_up);
    megabytes("read from the store, MB", &|of| of.requests.bytes_down);
    megabytes("stored at most, MB", &|of| of.stored.max_bytes);
    megabytes("stored over time, MB", &|of| of.stored.mean_bytes);
    megabytes("stored at the end, MB", &|of| of.stored.end_bytes);
    count("objects at most", &|of| of.stored.max_objects);
    count("objects at the end", &|of| of.stored.end_objects);
    line("restore, ms", 0, &|of| of.restore_ms);
}
