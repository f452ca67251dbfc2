//! How fast a database that lives in the store is, and what it reads.
//!
//!   edge-figures [--json] [--megabytes N] [--seconds N]
//!
//! The store is SeaweedFS behind a proxy that adds 30 ms to each request. The database is made by
//! SQLite and shipped by `seawall replicate -once`, as one whose app moves to the edge.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::edge::{Client, Edge};
use end_to_end::figures::{Spread, Usage};
use end_to_end::program::Program;
use end_to_end::proxy::{Exchange, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::Scene;
use end_to_end::shell::sql;
use end_to_end::weed::{SeaweedFs, Store};
use serde::Serialize;
use serde_json::json;

/// Bytes of a row, about; with what SQLite adds, a third more.
const ROW: u64 = 1000;
const COLD: u64 = 5;
const WARM: u64 = 500;
const COMMITS: u64 = 100;
/// Added to each request.
const DELAY_MS: u64 = 30;
const CACHES_MB: [u64; 3] = [4, 16, 64];
const WRITERS: [usize; 4] = [1, 2, 4, 8];

#[derive(Serialize)]
struct Report {
    database_mb: f64,
    /// From a new process's first request to the first row of a table.
    cold: Vec<Cold>,
    /// The same to a row somewhere in the middle: more pages are on the way to it.
    cold_middle: Vec<Cold>,
    /// A row whose page is not in the cache; what it reads.
    lone_query_kb: f64,
    warm: Spread,
    commit: Spread,
    /// Of the same commits, the time of their PUT at the store.
    put: Spread,
    requests_per_commit: f64,
    memory: Vec<Memory>,
    writers: Vec<Writers>,
}

#[derive(Serialize)]
struct Cold {
    ms: f64,
    /// Of that, waiting for the store.
    waited_ms: f64,
    requests: usize,
    /// Of these, one after the other.
    round_trips: usize,
    kb: f64,
}

#[derive(Serialize)]
struct Memory {
    cache_mb: u64,
    /// Before the first request, and at most while a scan and many lone queries went on.
    idle_mb: f64,
    peak_mb: f64,
}

#[derive(Serialize)]
struct Writers {
    writers: usize,
    delay_ms: u64,
    commits_per_s: f64,
    /// PUTs that another writer was faster than, of all.
    conflicts: f64,
    /// Statements that were refused in the end.
    refused: u64,
}

fn main() -> Result<()> {
    let (mut json, mut megabytes, mut seconds) = (false, 750, 5);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => json = true,
            "--megabytes" => megabytes = words.next().context("--megabytes N")?.parse()?,
            "--seconds" => seconds = words.next().context("--seconds N")?.parse()?,
            _ => bail!("usage: edge-figures [--json] [--megabytes N] [--seconds N]"),
        }
    }
    let dir = tempfile::TempDir::with_prefix("edge-figures-")?;
    let report = measure(&Scene::in_dir(dir.path()), megabytes, seconds)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn measure(scene: &Scene, megabytes: u64, seconds: u64) -> Result<Report> {
    let weed = SeaweedFs::start()?;
    let replica = Replica::on_s3(weed.store);
    let rows = megabytes * 1_000_000 / ROW;
    let database_mb = ship(scene, &replica, rows)?;
    let proxy = Proxy::start(weed.store.s3)?;
    proxy.set(delay(DELAY_MS));
    let far = replica.through(&proxy);
    let cold = (0..COLD)
        .map(|_| cold_start(scene, &far, &proxy, 1))
        .collect::<Result<_>>()?;
    let cold_middle = (0..COLD)
        .map(|round| cold_start(scene, &far, &proxy, rows / 7 * (round + 1)))
        .collect::<Result<_>>()?;
    let edge = Edge::start(scene, &far, &["-instances", "1", "-freshness", "60s"])?;
    let client = edge.client();
    let (lone_query_kb, warm) = reads(&client, &proxy, rows)?;
    let (commit, put, requests_per_commit) = commits(&client, &proxy)?;
    drop(edge);
    let memory = CACHES_MB.map(|cache_mb| memory(scene, &replica, cache_mb, rows));
    let mut writers = Vec::new();
    for delay_ms in [0, DELAY_MS] {
        for count in WRITERS {
            writers.push(write(scene, weed.store, count, delay_ms, seconds)?);
        }
    }
    Ok(Report {
        database_mb,
        cold,
        cold_middle,
        lone_query_kb,
        warm,
        commit,
        put,
        requests_per_commit,
        memory: memory.into_iter().collect::<Result<_>>()?,
        writers,
    })
}

fn delay(ms: u64) -> Weather {
    Weather {
        before_ms: (ms > 0).then_some(ms..ms + 1),
        ..Weather::default()
    }
}

/// Makes the database and its replica; returns its size.
fn ship(scene: &Scene, replica: &Replica, rows: u64) -> Result<f64> {
    let machine = scene.machine()?;
    let fill = format!(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, body TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO items SELECT i, 'item ' || i, hex(randomblob({})) FROM n;
         PRAGMA wal_checkpoint(TRUNCATE)",
        ROW / 2
    );
    sql(scene, &machine.db(), &fill)?;
    let config = scene.fresh("config.yml");
    std::fs::write(&config, replica.config(&machine.db(), &Settings::default()))?;
    let config = config.display().to_string();
    let words = ["replicate", "-once", "-config", &config];
    Program::Seawall.run(scene, replica, &words)?.ok()?;
    let size = std::fs::metadata(machine.db())?.len() as f64 / 1e6;
    machine.lose()?;
    Ok(size)
}

fn row(client: &Client, id: u64) -> Result<()> {
    let select = "SELECT name, length(body) FROM items WHERE id = ?";
    let found = client.execute(select, &[json!(id)])?;
    let found = found.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    ensure!(found.len() == 1, "no row {id}");
    Ok(())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn kb(log: &[Exchange]) -> f64 {
    log.iter().map(|seen| seen.received).sum::<u64>() as f64 / 1000.0
}

fn cold_start(scene: &Scene, replica: &Replica, proxy: &Proxy, id: u64) -> Result<Cold> {
    let edge = Edge::start(scene, replica, &["-instances", "1"])?;
    let client = edge.client();
    proxy.clear_log();
    let start = Instant::now();
    row(&client, id)?;
    let ms = ms(start);
    let log = proxy.log();
    let (round_trips, waited_ms) = one_after_the_other(&log);
    Ok(Cold {
        ms,
        waited_ms,
        requests: log.len(),
        round_trips,
        kb: kb(&log),
    })
}

/// The longest row of requests of which each began after the one before had ended: how many they are,
/// and how long they took together.
fn one_after_the_other(log: &[Exchange]) -> (usize, f64) {
    let mut all: Vec<(f64, f64)> = log.iter().map(|seen| (seen.ended, seen.began)).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut count, mut waited, mut free) = (0, 0.0, f64::MIN);
    for (ended, began) in all {
        if began >= free {
            count += 1;
            waited += ended - began;
            free = ended;
        }
    }
    (count, waited)
}

/// What a lone query reads, and how long one takes whose pages are there.
fn reads(client: &Client, proxy: &Proxy, rows: u64) -> Result<(f64, Spread)> {
    row(client, 1)?;
    let mut lone = Vec::new();
    for part in 1..10 {
        proxy.clear_log();
        row(client, rows / 10 * part + 5)?;
        lone.push(kb(&proxy.log()));
    }
    let mut warm = Vec::new();
    for _ in 0..WARM {
        let start = Instant::now();
        row(client, rows / 2)?;
        warm.push(ms(start));
    }
    Ok((Spread::of(lone)?.max_ms, Spread::of(warm)?))
}

fn commits(client: &Client, proxy: &Proxy) -> Result<(Spread, Spread, f64)> {
    client.sequence("CREATE TABLE IF NOT EXISTS small (n INTEGER PRIMARY KEY, text TEXT)")?;
    client.rows("INSERT INTO small (text) VALUES ('first')")?;
    proxy.clear_log();
    let mut times = Vec::new();
    for _ in 0..COMMITS {
        let start = Instant::now();
        client.rows("INSERT INTO small (text) VALUES ('a note that somebody wrote')")?;
        times.push(ms(start));
    }
    let log = proxy.log();
    let puts = log.iter().filter(|seen| seen.puts_level(0));
    let puts: Vec<f64> = puts.map(|put| put.ended - put.began).collect();
    ensure!(puts.len() as u64 >= COMMITS, "{} PUTs", puts.len());
    let requests = log.len() as f64 / COMMITS as f64;
    Ok((Spread::of(times)?, Spread::of(puts)?, requests))
}

fn memory(scene: &Scene, replica: &Replica, cache_mb: u64, rows: u64) -> Result<Memory> {
    let cache = format!("{cache_mb}MB");
    let flags = [
        "-instances",
        "1",
        "-read-only",
        "-cache",
        &cache,
        "-statement-timeout",
        "120s",
    ];
    let edge = Edge::start(scene, replica, &flags)?;
    let idle_mb = Usage::of(edge.process.pid())?.rss_mb;
    let client = edge.client();
    for part in 0..300 {
        row(&client, rows / 300 * part + 1)?;
    }
    // Some hundred megabytes, one page after the other.
    let last = rows.min(200_000_000 / ROW);
    client.rows(&format!(
        "SELECT sum(length(name)) FROM items WHERE id < {last}"
    ))?;
    let peak_mb = Usage::of(edge.process.pid())?.peak_rss_mb;
    Ok(Memory {
        cache_mb,
        idle_mb,
        peak_mb,
    })
}

/// A process for each writer, all of them on one counter.
fn write(
    scene: &Scene,
    store: Store,
    count: usize,
    delay_ms: u64,
    seconds: u64,
) -> Result<Writers> {
    let proxy = Proxy::start(store.s3)?;
    proxy.set(delay(delay_ms));
    let replica = Replica::on_s3(store).through(&proxy);
    let edges: Vec<Edge> = (0..count)
        .map(|_| Edge::start(scene, &replica, &["-instances", "1"]))
        .collect::<Result<_>>()?;
    let schema = "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0)";
    edges[0].client().sequence(schema)?;
    proxy.clear_log();
    let (done, refused, over) = Default::default();
    std::thread::scope(|scope| {
        let writers: Vec<_> = edges
            .iter()
            .map(|edge| {
                let client = edge.client();
                let (done, refused, over) = (&done, &refused, &over);
                scope.spawn(move || count_up(&client, done, refused, over))
            })
            .collect();
        std::thread::sleep(Duration::from_secs(seconds));
        AtomicBool::store(&over, true, Ordering::Relaxed);
        writers.into_iter().try_for_each(|writer| {
            let joined = writer.join();
            joined.unwrap_or_else(|_| bail!("a writer panicked"))
        })
    })?;
    let log = proxy.log();
    let puts = log.iter().filter(|seen| seen.puts_level(0));
    let (lost, all) = puts.fold((0, 0), |(lost, all), put| {
        (lost + usize::from(put.status == Some(412)), all + 1)
    });
    let found = edges[0].client().rows("SELECT n FROM counter")?;
    let done = AtomicU64::into_inner(done);
    ensure!(found == [[json!(done)]], "{done} commits, found {found:?}");
    Ok(Writers {
        writers: count,
        delay_ms,
        commits_per_s: done as f64 / seconds as f64,
        conflicts: f64::from(lost as u32) / f64::from(all.max(1) as u32),
        refused: AtomicU64::into_inner(refused),
    })
}

fn count_up(
    client: &Client,
    done: &AtomicU64,
    refused: &AtomicU64,
    over: &AtomicBool,
) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        match client.execute("UPDATE counter SET n = n + 1", &[])? {
            Ok(_) => done.fetch_add(1, Ordering::Relaxed),
            Err(error) if error.code == "SQLITE_BUSY" => refused.fetch_add(1, Ordering::Relaxed),
            Err(error) => bail!("{error:?}"),
        };
    }
    Ok(())
}

fn print(report: &Report) {
    let line = |name: &str, value: String| println!("{name:52} {value:>24}");
    let spread = |of: &Spread| format!("{:.2} / {:.2}", of.p50_ms, of.p99_ms);
    line("database, MB", format!("{:.0}", report.database_mb));
    let colds = [
        ("the first row", &report.cold),
        ("any row", &report.cold_middle),
    ];
    for (name, colds) in colds {
        for cold in colds {
            let value = format!(
                "{:.0} ms ({:.0}), {} ({}), {:.0} kB",
                cold.ms, cold.waited_ms, cold.round_trips, cold.requests, cold.kb
            );
            let what = format!("cold, {name} (waited): round trips (requests)");
            line(&what, value);
        }
    }
    let lone = format!("{:.0}", report.lone_query_kb);
    line("a row that is not in the cache, reads at most, kB", lone);
    line("a row that is there, p50 / p99 ms", spread(&report.warm));
    line("commit, p50 / p99 ms", spread(&report.commit));
    line("its PUT, p50 / p99 ms", spread(&report.put));
    let requests = format!("{:.2}", report.requests_per_commit);
    line("requests for a commit", requests);
    for memory in &report.memory {
        let name = format!("memory with a cache of {} MB: idle, most", memory.cache_mb);
        let value = format!("{:.0}, {:.0} MB", memory.idle_mb, memory.peak_mb);
        line(&name, value);
    }
    for row in &report.writers {
        let name = format!("{} writers, {} ms: commits/s", row.writers, row.delay_ms);
        let (commits, conflicts) = (row.commits_per_s, row.conflicts * 100.0);
        let value = format!("{commits:.1}, {conflicts:.0} % lost, {}", row.refused);
        line(&name, value);
    }
}
