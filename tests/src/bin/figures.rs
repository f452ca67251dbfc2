//! What replication costs and how fast it is: Seawall and Litestream side by side, in one run on
//! one machine.
//!
//!   figures [--json] [--seconds N]
//!
//! The store is SeaweedFS behind a proxy with the round trip of S3 in the same region.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use end_to_end::ack::Ack;
use end_to_end::figures::{Spread, Usage, component, durable_after_ms};
use end_to_end::places;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::proxy::{Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene};
use end_to_end::shell::{Load, sql};
use end_to_end::weed::{SeaweedFs, Store};
use serde::Serialize;

const LIMIT: Duration = Duration::from_secs(60);
/// What a start does beside its first sync is over by then.
const START: Duration = Duration::from_secs(5);
const BOTH: [Program; 2] = [Program::Seawall, Program::Litestream];

/// The commits of the latency figures: a row of 4 kB every 4 ms.
const STEADY: (u32, u32) = (4, 4000);
/// The commits of the lag figures: a small row every 40 ms.
const SPARSE: (u32, u32) = (40, 400);

#[derive(Default, Serialize)]
struct Figures {
    program: &'static str,
    program_mb: f64,
    component_mb: Option<f64>,
    commit: Option<Spread>,
    /// At the same time and on the same disk, beside no sidecar.
    commit_alone: Option<Spread>,
    start_to_first_sync_ms: f64,
    durable_after_1s_interval: Option<Spread>,
    durable_after_10ms_interval: Option<Spread>,
    idle: Usage,
    idle_requests: usize,
    load: Usage,
    load_puts: usize,
    restore_ms: f64,
}

#[derive(Serialize)]
struct Report {
    seconds: u64,
    programs: Vec<Figures>,
}

fn main() -> Result<()> {
    let (mut json, mut seconds) = (false, 10);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = true,
            "--seconds" => seconds = words.next().context("--seconds N")?.parse()?,
            _ => bail!("usage: figures [--json] [--seconds N]"),
        }
    }
    let dir = tempfile::TempDir::with_prefix("figures-")?;
    let scene = Scene::in_dir(dir.path());
    let report = measure(&scene, seconds)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn measure(scene: &Scene, seconds: u64) -> Result<Report> {
    let weed = SeaweedFs::start()?;
    let time = Duration::from_secs(seconds);
    let mut programs = Vec::new();
    for program in BOTH {
        let path = program.path()?;
        let mut figures = Figures {
            program: program.name(),
            program_mb: megabytes(&path)?,
            ..Figures::default()
        };
        if program == Program::Seawall {
            let component = component(&places::target()?);
            figures.component_mb = component.map(|path| megabytes(&path)).transpose()?;
        }
        busy(scene, program, weed.store, time, &mut figures)?;
        let second = Duration::from_secs(1);
        figures.durable_after_1s_interval = Some(lag(scene, program, weed.store, second, time)?);
        let little = Duration::from_millis(10);
        figures.durable_after_10ms_interval = Some(lag(scene, program, weed.store, little, time)?);
        programs.push(figures);
    }
    Ok(Report { seconds, programs })
}

fn megabytes(path: &std::path::Path) -> Result<f64> {
    Ok(path.metadata()?.len() as f64 / 1e6)
}

struct Stage {
    machine: Machine,
    proxy: Proxy,
    direct: Replica,
    sidecar: Running,
    first_sync_ms: f64,
}

/// A database of 8 MB beside a sidecar that has made its first sync.
fn stage(scene: &Scene, program: Program, store: Store, settings: &Settings) -> Result<Stage> {
    let machine = scene.machine()?;
    let fill = "PRAGMA journal_mode = WAL;
        CREATE TABLE filled(id INTEGER PRIMARY KEY, body BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
        INSERT INTO filled SELECT i, randomblob(4000) FROM n";
    sql(scene, &machine.db(), fill)?;
    let proxy = Proxy::start(store.s3)?;
    proxy.set(Weather::near());
    let direct = Replica::on_s3(store);
    let start = Instant::now();
    let sidecar = program.replicate(scene, &machine.db(), &direct.through(&proxy), settings)?;
    direct.wait_for_txid(1, LIMIT)?;
    let first_sync_ms = start.elapsed().as_secs_f64() * 1000.0;
    Ok(Stage {
        machine,
        proxy,
        direct,
        sidecar,
        first_sync_ms,
    })
}

/// Everything that is measured with the defaults: idle first, then under load.
fn busy(
    scene: &Scene,
    program: Program,
    store: Store,
    time: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let stage = stage(scene, program, store, &Settings::default())?;
    figures.start_to_first_sync_ms = stage.first_sync_ms;
    std::thread::sleep(START);
    stage.proxy.clear_log();
    std::thread::sleep(time);
    figures.idle = Usage::of(stage.sidecar.pid())?;
    figures.idle_requests = stage.proxy.log().len();
    stage.proxy.clear_log();
    // A second writer beside no sidecar, at the same time: whatever slows the machine down slows
    // both down.
    let alone = scene.machine()?;
    sql(scene, &alone.db(), "PRAGMA journal_mode = WAL")?;
    let write = |machine: &Machine| Load::start(scene, &machine.db(), STEADY.0, STEADY.1);
    let (replicated, alone) = (write(&stage.machine)?, write(&alone)?);
    std::thread::sleep(time);
    figures.load = Usage::of(stage.sidecar.pid())?;
    figures.load.cpu_s -= figures.idle.cpu_s;
    figures.load_puts = stage.proxy.count("PUT");
    let spread = |load: Load| Spread::of(load.stop()?.acks.iter().map(Ack::latency_ms).collect());
    figures.commit = Some(spread(replicated)?);
    figures.commit_alone = Some(spread(alone)?);
    stage.sidecar.terminate(LIMIT)?.ok()?;
    let start = Instant::now();
    let restored = scene.fresh("restored.db");
    program.restore(scene, &stage.direct.through(&stage.proxy), &restored)?;
    figures.restore_ms = start.elapsed().as_secs_f64() * 1000.0;
    Ok(())
}

/// From a commit's acknowledgement to the store's answer for the object that holds it.
fn lag(
    scene: &Scene,
    program: Program,
    store: Store,
    sync_interval: Duration,
    time: Duration,
) -> Result<Spread> {
    let settings = Settings {
        sync_interval,
        // The WAL must not start again: its size is how a commit is found in an object.
        db: vec![
            "min-checkpoint-page-count: 1000000".into(),
            "checkpoint-interval: 1h".into(),
            // Litestream looks at the WAL only so often.
            format!("monitor-interval: {}ms", sync_interval.as_millis()),
        ],
        ..Settings::default()
    };
    let stage = stage(scene, program, store, &settings)?;
    std::thread::sleep(START);
    let load = Load::start(scene, &stage.machine.db(), SPARSE.0, SPARSE.1)?;
    std::thread::sleep(time);
    let log = load.stop()?;
    std::thread::sleep(Duration::from_secs(2));
    let lags = durable_after_ms(&log.acks, &stage.proxy.log());
    let (found, all) = (lags.len(), log.acks.len());
    if found * 10 < all * 9 {
        bail!(
            "{}: only {found} of {all} commits were found in objects",
            program.name()
        );
    }
    stage.sidecar.terminate(LIMIT)?;
    Spread::of(lags)
}

fn print(report: &Report) {
    let spread = |spread: &Option<Spread>| match spread {
        Some(at) => format!("{:.1} / {:.1}", at.p50_ms, at.p99_ms),
        None => "-".into(),
    };
    let line = |name: &str, value: &dyn Fn(&Figures) -> String| {
        let cells: Vec<String> = report.programs.iter().map(value).collect();
        println!("{name:42} {:>18} {:>18}", cells[0], cells[1]);
    };
    line("", &|of| of.program.into());
    line("program, MB", &|of| format!("{:.1}", of.program_mb));
    line("component, MB", &|of| {
        of.component_mb
            .map_or("-".into(), |size| format!("{size:.1}"))
    });
    line("start to first sync of 8 MB, ms", &|of| {
        format!("{:.0}", of.start_to_first_sync_ms)
    });
    line("commit, p50 / p99 ms", &|of| spread(&of.commit));
    line("commit without it, p50 / p99 ms", &|of| {
        spread(&of.commit_alone)
    });
    line("durable after, sync 1 s, p50 / p99 ms", &|of| {
        spread(&of.durable_after_1s_interval)
    });
    line("durable after, sync 10 ms, p50 / p99 ms", &|of| {
        spread(&of.durable_after_10ms_interval)
    });
    line("memory idle / peak under load, MB", &|of| {
        format!("{:.0} / {:.0}", of.idle.rss_mb, of.load.peak_rss_mb)
    });
    line("requests while idle", &|of| of.idle_requests.to_string());
    line("PUTs under load", &|of| of.load_puts.to_string());
    line("processor under load, s", &|of| {
        format!("{:.2}", of.load.cpu_s)
    });
    line("restore, ms", &|of| format!("{:.0}", of.restore_ms));
    println!("\nidle, load and lag: {} s each", report.seconds);
}
