//! What an hour of HedgeDoc costs at the store.

use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::ack::Ack;
use end_to_end::now_ms;
use end_to_end::pages;
use end_to_end::program::Program;
use end_to_end::proxy::{Exchange, Proxy};
use end_to_end::replica::{Replica, Settings};
use end_to_end::shell::Load;
use end_to_end::traffic::{Requests, Stored, Watch};
use end_to_end::upkeep::Upkeep;
use end_to_end::workload;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured, Picture, Series};
use crate::stage::LIMIT;

pub const ROW: Row = Row {
    name: "hour",
    title: "An hour of HedgeDoc",
    how: "People type into some of 40 notes of up to 88 kB, and each note that they touch is saved whole once a \
          second; then nothing happens for some minutes. The hour and all intervals of the default config are \
          compressed into two minutes. What is restored is compared with the source.",
    rounds: 1,
    measure,
    picture: Some(Picture {
        x: "minute of the hour",
        y: "MB sent to the store",
        logarithmic: false,
    }),
};

const HOUR_S: f64 = 3600.0;
const DAY_S: f64 = 86_400.0;
const SEED: u64 = 1;
/// In the hour: nobody has typed for a minute and a half, and level 1 is merged.
const SETTLED_S: f64 = 90.0;
/// After the hour.
const QUIET_S: f64 = 600.0;

/// So much of the hour, compressed.
#[derive(Clone, Copy)]
struct Compressed {
    hour: Duration,
}

impl Compressed {
    fn at(self, hour_s: f64) -> Duration {
        self.hour.mul_f64(hour_s / HOUR_S)
    }

    fn ms(self, hour_s: f64) -> f64 {
        self.at(hour_s).as_secs_f64() * 1000.0
    }

    /// The defaults.
    fn settings(self, program: Program) -> Settings {
        let upkeep = Upkeep {
            levels: vec![self.at(30.0), self.at(300.0), self.at(3600.0)],
            snapshot_interval: self.at(DAY_S),
            snapshot_retention: self.at(DAY_S),
            l0_retention: self.at(300.0),
            l0_retention_check: self.at(15.0),
        };
        let mut db = vec![format!("checkpoint-interval: {:.0}ms", self.ms(60.0))];
        if program == Program::Litestream {
            db.push(format!("monitor-interval: {:.0}ms", self.ms(1.0)));
        }
        Settings {
            sync_interval: self.at(1.0),
            db,
            global: upkeep.lines(),
        }
    }
}

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let hour = bench.seconds(120);
    let compressed = Compressed { hour };
    let machine = bench.scene.machine()?;
    workload::create(&machine.db(), SEED)?;
    let proxy = Proxy::start(bench.store.s3)?;
    let direct = Replica::on_s3(bench.store);
    let settings = compressed.settings(program);
    let replica = direct.through(&proxy);
    let sidecar = program.replicate(&bench.scene, &machine.db(), &replica, &settings)?;
    direct.wait_for_txid(1, LIMIT)?;
    let watch = Watch::start(direct.objects.clone());
    let began = now_ms();
    let load = Load::hour(&bench.scene, &machine.db(), SEED, hour.as_secs())?;
    let log = load.wait(2 * hour + LIMIT)?;
    std::thread::sleep(compressed.at(QUIET_S));
    ensure!(log.stopped, "the workload did not end");
    let exchanges = proxy.log();
    let stored = Stored::of(&watch.stop()?);
    sidecar.terminate(LIMIT)?.ok()?;
    let restored = bench.scene.fresh("restored.db");
    program.restore(&bench.scene, &direct, &restored)?;
    pages::assert_same(&machine.db(), &restored)?;

    let requests = Requests::of(&exchanges);
    let idle = idle(&exchanges, &log.acks, compressed.ms(SETTLED_S));
    let count = |what: &str, value: usize| Figure::new(what, "", value as f64);
    let megabytes = |what: &str, bytes: u64| Figure::new(what, "MB", bytes as f64 / 1e6);
    let figures = vec![
        count("commits", log.acks.len()),
        count("commits refused", log.refusals.len()).aim(Aim::AtMost(0.0)),
        count("PUT", requests.put).aim(Aim::Share(1.0)),
        count("LIST", requests.list).aim(Aim::Share(0.02)),
        count("GET and HEAD", requests.get + requests.head),
        count("DELETE", requests.delete),
        count("requests while nobody typed", idle),
        megabytes("sent", requests.bytes_up).aim(Aim::Share(0.85)),
        megabytes("read", requests.bytes_down),
        megabytes("stored, over time", stored.mean_bytes),
        count("objects at the end", stored.end_objects),
        Figure::new(
            "a month of such hours at S3's prices",
            "$",
            dollars(&requests, &stored),
        ),
    ];
    let minute = compressed.ms(60.0);
    Ok(Measured {
        figures,
        series: vec![sent(&exchanges, began, minute)],
    })
}

/// 720 such hours: $5 for a million PUTs and LISTs, $0.4 for a million GETs, $0.023 for a gigabyte.
fn dollars(requests: &Requests, stored: &Stored) -> f64 {
    let writes = (requests.put + requests.list + requests.other) as f64;
    let reads = (requests.get + requests.head) as f64;
    720.0 * (writes * 5.0 + reads * 0.4) / 1e6 + stored.mean_bytes as f64 / 1e9 * 0.023
}

/// Requests between two commits, from `settled_ms` after the first of them on.
fn idle(log: &[Exchange], acks: &[Ack], settled_ms: f64) -> usize {
    let between = acks
        .windows(2)
        .map(|pair| pair[0].at + settled_ms..pair[1].sent);
    let within = |stretch: std::ops::Range<f64>| {
        log.iter()
            .filter(|seen| stretch.contains(&seen.began))
            .count()
    };
    between.map(within).sum()
}

/// Megabytes sent until each minute.
fn sent(log: &[Exchange], began: f64, minute_ms: f64) -> Series {
    let mut all: Vec<(f64, u64)> = log.iter().map(|seen| (seen.ended, seen.sent)).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let last = (HOUR_S + QUIET_S) / 60.0;
    let until = |minute: f64| {
        let end = began + minute * minute_ms;
        all.iter()
            .take_while(|(at, _)| *at <= end)
            .map(|(_, bytes)| *bytes)
            .sum::<u64>()
    };
    let minutes = (0..=last as u32).map(f64::from);
    Series {
        name: "sent".into(),
        points: minutes
            .map(|minute| (minute, until(minute) as f64 / 1e6))
            .collect(),
    }
}
