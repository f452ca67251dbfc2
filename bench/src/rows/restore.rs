//! How soon the database is back.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::figures::Usage;
use end_to_end::pages;
use end_to_end::program::Program;
use end_to_end::proxy::Proxy;
use end_to_end::replica::Replica;
use end_to_end::scene::Machine;

use super::Row;
use crate::bench::Bench;
use crate::measured::{Aim, Figure, Measured, Picture, Series};
use crate::stage::{LIMIT, Stage, delay, ms, settings};
use crate::writer::Writer;

pub const ROW: Row = Row {
    name: "restore",
    title: "A restore",
    how: "Each program restores what it shipped itself: a database as it was first shipped, and one with 10,000 \
          commits behind it. The file is compared with the source.",
    rounds: 3,
    measure,
    picture: Some(Picture {
        x: "MB",
        y: "s",
        logarithmic: true,
    }),
};

const SIZES: [u64; 3] = [10, 100, 1180];
const COMMITS_PER_S: u64 = 1000;
const COMMITS_S: u64 = 10;

fn measure(bench: &Bench, program: Program) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut lines = [0, 1, 2, 3].map(|at| Series {
        name: [
            "plain",
            "plain, +30 ms",
            "10,000 commits",
            "10,000 commits, +30 ms",
        ][at]
            .into(),
        points: Vec::new(),
    });
    for megabytes in SIZES.map(|size| bench.scaled(size)) {
        for commits in [false, true] {
            let shipped = ship(bench, program, megabytes, commits)?;
            for delay_ms in [0, 30] {
                let of = restore(bench, program, &shipped, delay_ms)?;
                let mut name = format!("{megabytes} MB");
                if commits {
                    name += ", 10,000 commits";
                }
                if delay_ms > 0 {
                    name += ", +30 ms";
                }
                let mut push = |what: &str, unit, value, aim| {
                    let mut figure = Figure::new(format!("{name}: {what}"), unit, value);
                    figure.aim = aim;
                    measured.figures.push(figure);
                };
                push("time", "s", of.seconds, Some(Aim::Share(1.0 / 3.0)));
                if delay_ms == 0 {
                    push(
                        "most memory",
                        "MB",
                        of.used.peak_rss_mb,
                        Some(Aim::AtMost(64.0)),
                    );
                    push("processor", "s", of.used.cpu_s, None);
                    push("read", "MB", of.read_mb, None);
                }
                let line = usize::from(commits) * 2 + usize::from(delay_ms > 0);
                lines[line].points.push((megabytes as f64, of.seconds));
            }
            shipped.machine.lose()?;
        }
    }
    measured.series = lines.into();
    Ok(measured)
}

/// What is left when the program has ended.
pub struct Shipped {
    pub machine: Machine,
    pub direct: Replica,
}

fn ship(bench: &Bench, program: Program, megabytes: u64, commits: bool) -> Result<Shipped> {
    let settings = settings(program, Duration::from_millis(10));
    let stage = Stage::start(bench, program, megabytes, 0, &settings)?;
    if commits {
        let seconds = Duration::from_secs(bench.scaled(COMMITS_S));
        Writer::start(
            &bench.scene,
            &stage.machine.db(),
            seconds,
            COMMITS_PER_S,
            "NORMAL",
        )?
        .wait()?;
    }
    stage.sidecar.terminate(LIMIT)?.ok()?;
    Ok(Shipped {
        machine: stage.machine,
        direct: stage.direct,
    })
}

pub struct Restored {
    pub seconds: f64,
    pub used: Usage,
    pub read_mb: f64,
}

/// Restores, and compares with the source.
pub fn restore(
    bench: &Bench,
    program: Program,
    shipped: &Shipped,
    delay_ms: u64,
) -> Result<Restored> {
    let proxy = Proxy::start(bench.store.s3)?;
    proxy.set(delay(delay_ms));
    let replica = shipped.direct.through(&proxy);
    let out = bench.scene.fresh("restored.db");
    let mut command = program.command(&replica)?;
    command
        .arg("restore")
        .arg("-o")
        .arg(&out)
        .arg(replica.url());
    let start = Instant::now();
    let used = run(&mut command)?;
    let seconds = ms(start) / 1000.0;
    pages::assert_same(&shipped.machine.db(), &out)?;
    std::fs::remove_file(&out)?;
    Ok(Restored {
        seconds,
        used,
        read_mb: proxy.downloaded() as f64 / 1e6,
    })
}

/// Runs a command to its end; what it used, as the kernel tells whoever waits for it.
fn run(command: &mut Command) -> Result<Usage> {
    let log = tempfile::NamedTempFile::new()?;
    command.stdin(std::process::Stdio::null());
    command.stdout(log.reopen()?).stderr(log.reopen()?);
    let child = command.spawn()?;
    let pid = child.id().cast_signed();
    let mut status = 0;
    // SAFETY: rusage is plain data; zero is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child is ours and nobody else waits for it; both places outlive the call.
    let ended = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    ensure!(ended == pid, "wait4 failed");
    let said = said(log.path())?;
    ensure!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
        "it said:\n{said}"
    );
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(Usage {
        peak_rss_mb: usage.ru_maxrss as f64 / 1024.0,
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        ..Usage::default()
    })
}

fn said(log: &Path) -> Result<String> {
    let bytes = std::fs::read(log).context("the log of a restore")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
