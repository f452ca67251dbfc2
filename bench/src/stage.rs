//! A database, a proxy before the store that counts and delays, and a program beside it.

use std::time::{Duration, Instant};

use anyhow::Result;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::proxy::{Exchange, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::Machine;
use end_to_end::{now_ms, wait_for};

use crate::bench::Bench;

/// Nothing that is waited for takes longer.
pub const LIMIT: Duration = Duration::from_secs(300);

/// What a start does beside its first sync is over by then.
pub const SETTLED: Duration = Duration::from_secs(4);

pub struct Stage {
    pub machine: Machine,
    pub proxy: Proxy,
    /// The replica past the proxy: what we ask does not count.
    pub direct: Replica,
    pub sidecar: Running,
    /// From the start of the program to its first object in the store, and the requests that took.
    pub first: Reached,
}

/// When an object was complete.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    pub ms: f64,
    /// Until then.
    pub requests: usize,
}

impl Reached {
    /// Waits for the first object of level 0 that a proxy's log has as complete, which was so long
    /// after `start_ms`.
    pub fn first(proxy: &Proxy, start_ms: f64) -> Result<Reached> {
        let end = wait_for("the first object of level 0", LIMIT, || {
            let log = proxy.log();
            let ends = log.iter().filter(|seen| completes(seen));
            Ok(ends.map(|seen| seen.ended).min_by(f64::total_cmp))
        })?;
        let requests = proxy.log().iter().filter(|seen| seen.began < end).count();
        Ok(Reached {
            ms: end - start_ms,
            requests,
        })
    }
}

/// Whether a request made an object of level 0 complete.
fn completes(seen: &Exchange) -> bool {
    let is_part = seen.target.contains("partNumber=");
    let ends_upload = seen.method == "POST" && seen.target.contains("uploadId=");
    let of_level_0 = seen.target.contains("/0000/");
    let is_object = seen.puts_level(0) && !is_part || ends_upload && of_level_0;
    is_object && seen.status == Some(200)
}

impl Stage {
    /// Of a database that is `megabytes` long, when the first object is there.
    pub fn start(
        bench: &Bench,
        program: Program,
        megabytes: u64,
        delay_ms: u64,
        settings: &Settings,
    ) -> Result<Stage> {
        let machine = bench.scene.machine()?;
        bench.database(&machine.db(), megabytes)?;
        let proxy = Proxy::start(bench.store.s3)?;
        proxy.set(delay(delay_ms));
        let direct = Replica::on_s3(bench.store);
        let start_ms = now_ms();
        let replica = direct.through(&proxy);
        let sidecar = program.replicate(&bench.scene, &machine.db(), &replica, settings)?;
        let first = Reached::first(&proxy, start_ms)?;
        Ok(Stage {
            machine,
            proxy,
            direct,
            sidecar,
            first,
        })
    }
}

/// Each request takes so much longer.
pub fn delay(ms: u64) -> Weather {
    if ms == 0 {
        return Weather::default();
    }
    let half = ms / 2;
    Weather {
        before_ms: Some(half..half + 1),
        after_ms: Some(ms - half..ms - half + 1),
        ..Weather::default()
    }
}

/// The config's intervals. Litestream looks for commits only each `monitor-interval`.
pub fn settings(program: Program, sync_interval: Duration) -> Settings {
    let mut db = Vec::new();
    if program == Program::Litestream {
        db.push(format!("monitor-interval: {}ms", sync_interval.as_millis()));
    }
    Settings {
        sync_interval,
        db,
        ..Settings::default()
    }
}

pub fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
