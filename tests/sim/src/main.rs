//! The shipped component in a simulated world. One seed decides everything: disk, store, time,
//! crashes, and what the app does.
//!
//!   sim --seeds 5000            many seeds, two at a time
//!   sim --seed 17 --trace       one of them, with all that happens

mod app;
mod app_files;
mod bucket;
mod dice;
mod disk;
mod guest;
mod judge;
mod ledger;
mod machine;
mod replica;
mod scenario;
mod shrink;
mod sidecar;
mod time;
mod trace;
mod world;

use anyhow::{Context, Result};
use clap::Parser;
use guest::Program;
use scenario::{Outcome, play, steps};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use world::Counts;

/// Runs the shipped component in simulated worlds, and judges what comes of it.
#[derive(Parser)]
struct Cli {
    /// How many seeds
    #[arg(long, default_value_t = 500, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only this one
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: only these of its steps, as 0,3,4
    #[arg(long, requires = "seed", value_delimiter = ',')]
    steps: Option<Vec<usize>>,
    /// With --seed: print what happens
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Seeds that are run at once
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Print figures as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    // SAFETY: the bytes are those that the build of `seawall` made.
    let program = unsafe { Program::load(seawall::component::compiled()) };
    let program = program.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    match cli.seed {
        Some(seed) => one(&cli, &program, seed),
        None => many(&cli, &program),
    }
}

fn one(cli: &Cli, program: &Program, seed: u64) -> Result<ExitCode> {
    let all = steps(seed);
    let chosen = match &cli.steps {
        None => all,
        Some(numbers) => {
            let step = |number: &usize| all.get(*number).copied().context("no such step");
            numbers.iter().map(step).collect::<Result<_>>()?
        }
    };
    let outcome = play(program, seed, &chosen, cli.trace);
    println!(
        "trace {:016x}, {:?}",
        outcome.trace.digest(),
        outcome.counts
    );
    Ok(match outcome.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    })
}

fn many(cli: &Cli, program: &Program) -> Result<ExitCode> {
    let (next, failed) = (AtomicU64::new(cli.from), AtomicBool::new(false));
    let sum = Mutex::new(Counts::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cli.threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= cli.from + cli.seeds {
                        return;
                    }
                    let outcome = play(program, seed, &steps(seed), false);
                    if let Ok(mut sum) = sum.lock() {
                        sum.add(&outcome.counts);
                    }
                    if let Some(failure) = &outcome.failure {
                        failed.store(true, Ordering::Relaxed);
                        explain(program, seed, failure);
                    }
                }
            });
        }
    });
    let seeds = next.load(Ordering::Relaxed).min(cli.from + cli.seeds) - cli.from;
    let sum = sum.into_inner().unwrap_or_default();
    if cli.json {
        println!("{}", serde_json::json!({ "seeds": seeds, "counts": sum }));
    } else {
        println!(
            "{seeds} seeds in {:.0} s: {:.1} simulated hours, {} commits, {} crashes, {} requests \
             with {} faults, {} calls to the disk",
            began.elapsed().as_secs_f64(),
            sum.simulated_s as f64 / 3600.0,
            sum.commits,
            sum.crashes,
            sum.requests,
            sum.faults,
            sum.calls,
        );
    }
    Ok(match failed.into_inner() {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// Prints the shortest story that still fails, and how to see it.
fn explain(program: &Program, seed: u64, failure: &str) {
    println!("seed {seed}: {failure}");
    let all = steps(seed);
    let fails = |kept: &[usize]| {
        let chosen: Vec<_> = kept.iter().map(|number| all[*number]).collect();
        let Outcome { failure, .. } = play(program, seed, &chosen, false);
        failure.is_some()
    };
    let kept = shrink::shortest((0..all.len()).collect(), fails);
    for number in &kept {
        println!("  {number}: {:?}", all[*number]);
    }
    let numbers: Vec<String> = kept.iter().map(usize::to_string).collect();
    println!(
        "see it: cargo run -p sim -- --seed {seed} --steps {} --trace",
        numbers.join(",")
    );
}
