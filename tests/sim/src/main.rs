//! The shipped component in a simulated world. One seed decides everything: disk, store, time,
//! crashes, and what the app does.
//!
//!   sim --seeds 5000            many seeds, two at a time
//!   sim --seed 17 --trace       one of them, with all that happens
//!   sim --edge --seeds 500      several instances of the edge component on one bucket
//!   sim --days 24               weeks of one app, with a fault each hour

mod app;
mod app_files;
mod bucket;
#[cfg(test)]
mod conditions;
mod days;
mod dice;
mod disk;
mod edge;
mod guest;
mod judge;
mod ledger;
mod machine;
#[cfg(feature = "mutants")]
mod mutants;
mod points;
mod replica;
mod scenario;
mod shrink;
mod sidecar;
mod tempo;
mod time;
mod trace;
mod weather;
mod world;

use anyhow::{Context, Result};
use clap::Parser;
use guest::Program;
use scenario::{Outcome, play, steps};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tempo::Tempo;
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
    /// Crash short stories at every call to the outside, instead of running seeds
    #[arg(long, conflicts_with = "seed")]
    points: bool,
    /// One app's life for so many days, of the seed that --from names
    #[arg(long, conflicts_with_all = ["seed", "points"])]
    days: Option<u64>,
    /// Instances at the edge, instead of an app and its sidecar
    #[arg(long, conflicts_with_all = ["steps", "points", "days"])]
    edge: bool,
    /// Run each deliberate fault until it is caught
    #[cfg(feature = "mutants")]
    #[arg(long, conflicts_with = "seed")]
    mutants: bool,
    /// Print figures as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    #[cfg(feature = "mutants")]
    if cli.mutants {
        return mutants::hunt(cli.seeds);
    }
    // SAFETY: the bytes are those that the build of `seawall` made.
    let program = unsafe { Program::load(seawall::component::compiled()) };
    let program = program.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    if cli.points {
        return Ok(points(&cli, &program));
    }
    if let Some(days) = cli.days {
        return lived(&cli, &program, days);
    }
    let player = match cli.edge {
        false => Player::Sidecar(program),
        true => Player::Edge(edge::Programs {
            // SAFETY: the bytes are those that the build of `seawall` made.
            edge: unsafe { edge::Program::load(seawall::serve::compiled()) }
                .map_err(|error| anyhow::anyhow!("{error:?}"))?,
            replicator: program,
        }),
    };
    match cli.seed {
        Some(seed) => one(&cli, &player, seed),
        None => many(&cli, &player),
    }
}

/// Whose seeds are played.
enum Player {
    Sidecar(Program),
    Edge(edge::Programs),
}

impl Player {
    fn play(&self, seed: u64) -> Outcome {
        match self {
            Player::Sidecar(program) => play(program, seed, &steps(seed), Tempo::Hurried, false),
            Player::Edge(programs) => edge::play(programs, seed, false),
        }
    }
}

fn one(cli: &Cli, player: &Player, seed: u64) -> Result<ExitCode> {
    let outcome = match player {
        Player::Edge(programs) => edge::play(programs, seed, cli.trace),
        Player::Sidecar(program) => {
            let all = steps(seed);
            let chosen = match &cli.steps {
                None => all,
                Some(numbers) => {
                    let step = |number: &usize| all.get(*number).copied().context("no such step");
                    numbers.iter().map(step).collect::<Result<_>>()?
                }
            };
            play(program, seed, &chosen, Tempo::Hurried, cli.trace)
        }
    };
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

fn lived(cli: &Cli, program: &Program, days: u64) -> Result<ExitCode> {
    let began = Instant::now();
    let Outcome {
        failure, counts, ..
    } = days::live(program, cli.from, days);
    report(cli, &format!("{days} days"), began, &counts);
    Ok(match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("seed {}: {failure}", cli.from);
            ExitCode::FAILURE
        }
    })
}

fn report(cli: &Cli, what: &str, began: Instant, counts: &Counts) {
    if cli.json {
        println!("{}", serde_json::json!({ "what": what, "counts": counts }));
        return;
    }
    println!(
        "{what} in {:.0} s: {:.1} simulated hours, {} commits, {} crashes, {} requests with {} \
         faults, {} calls to the disk",
        began.elapsed().as_secs_f64(),
        counts.simulated_s as f64 / 3600.0,
        counts.commits,
        counts.crashes,
        counts.requests,
        counts.faults,
        counts.calls,
    );
}

fn points(cli: &Cli, program: &Program) -> ExitCode {
    let began = Instant::now();
    let tried = points::try_all(program, cli.threads);
    let seconds = began.elapsed().as_secs_f64();
    println!("{} crash points in {seconds:.0} s", tried.crashes);
    match tried.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn many(cli: &Cli, player: &Player) -> Result<ExitCode> {
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
                    let outcome = player.play(seed);
                    if let Ok(mut sum) = sum.lock() {
                        sum.add(&outcome.counts);
                    }
                    if let Some(failure) = &outcome.failure {
                        failed.store(true, Ordering::Relaxed);
                        explain(player, seed, failure);
                    }
                }
            });
        }
    });
    let seeds = next.load(Ordering::Relaxed).min(cli.from + cli.seeds) - cli.from;
    let sum = sum.into_inner().unwrap_or_default();
    report(cli, &format!("{seeds} seeds"), began, &sum);
    Ok(match failed.into_inner() {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// Prints the shortest story that still fails, and how to see it.
fn explain(player: &Player, seed: u64, failure: &str) {
    println!("seed {seed}: {failure}");
    let Player::Sidecar(program) = player else {
        println!("see it: target/debug/sim --edge --seed {seed} --trace");
        return;
    };
    let all = steps(seed);
    let fails = |kept: &[usize]| {
        let chosen: Vec<_> = kept.iter().map(|number| all[*number]).collect();
        let Outcome { failure, .. } = play(program, seed, &chosen, Tempo::Hurried, false);
        failure.is_some()
    };
    let kept = shrink::shortest((0..all.len()).collect(), fails);
    for number in &kept {
        println!("  {number}: {:?}", all[*number]);
    }
    let numbers: Vec<String> = kept.iter().map(usize::to_string).collect();
    println!(
        "see it: target/debug/sim --seed {seed} --steps {} --trace",
        numbers.join(",")
    );
}
