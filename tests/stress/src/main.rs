//! Guests, native SQLites of two versions and SIGKILL on one database in WAL mode.
//!
//! `stress run` supervises; the workers are this program again (`stress worker`). See
//! `docs/testing.md`.

mod choice;
mod crew;
mod guest;
mod invariants;
mod mode;
mod native;
mod progress;
mod python;
mod schema;
mod sql;
mod supervisor;
mod wal;
mod worker;

// Where the program's own glue, included by `guest`, looks for it.
use seawall::live;

use clap::Parser;
use guest::Variant;
use mode::Mode;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use supervisor::{Outcome, Run};

#[derive(Parser)]
#[command(about = "Does the guest's WAL-index hold among other processes?")]
enum Command {
    /// Runs the workers, mode after mode, until the time is over or something is wrong.
    Run(RunArguments),
    /// One worker; `run` starts it.
    #[command(hide = true)]
    Worker(crew::Orders),
}

#[derive(clap::Args)]
struct RunArguments {
    /// Seconds for all modes together.
    #[arg(long, env = "STRESS_SECONDS", default_value_t = 60)]
    seconds: u64,
    /// All of them, if none is named.
    #[arg(long)]
    mode: Vec<Mode>,
    #[arg(long, default_value = "sound")]
    variant: Variant,
    /// Decides all choices, but not when each of them is made.
    #[arg(long, env = "STRESS_SEED")]
    seed: Option<u64>,
    /// Sends no SIGKILL.
    #[arg(long)]
    without_kills: bool,
    /// A directory on a disk, for the mode `disk`.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    disk: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let code = match Command::parse() {
        Command::Run(arguments) => run(arguments)?,
        Command::Worker(orders) => orders.follow()?,
    };
    std::process::exit(code);
}

fn run(arguments: RunArguments) -> anyhow::Result<i32> {
    python::check_available()?;
    let modes = if arguments.mode.is_empty() {
        Mode::ALL.to_vec()
    } else {
        arguments.mode
    };
    let seed = arguments.seed.unwrap_or_else(seed_of_now);
    let duration = Duration::from_secs(arguments.seconds) / modes.len() as u32;
    for mode in modes {
        let variant = arguments.variant;
        println!(
            "{}, {}, {} s, seed {seed}",
            variant.name(),
            mode.name(),
            duration.as_secs_f64(),
        );
        let run = Run {
            mode,
            variant,
            duration,
            seed,
            kill: !arguments.without_kills,
            disk: arguments.disk.clone(),
        };
        match run.execute()? {
            Outcome::Sound => println!("  sound"),
            Outcome::Caught(caught) => {
                println!(
                    "  caught after {:.2} s by {}: {}",
                    caught.after.as_secs_f64(),
                    caught.by,
                    caught.what,
                );
                return Ok(crew::VIOLATION_CODE);
            }
        }
    }
    Ok(0)
}

fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_micros() as u64)
}
