//! Speed and cost: both programs against the same store, one after the other, several times.
//!
//! `bench` measures every row, writes `README.md`, `results.json` and pictures, and prints the table.
//! `bench lag restore` measures only these. Each row is a module of [`rows`].

mod bench;
mod measured;
mod picture;
mod report;
mod rows;
mod stage;
mod writer;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use end_to_end::scene::Scene;
use end_to_end::weed::SeaweedFs;

use crate::bench::Bench;
use crate::measured::BOTH;
use crate::report::{Report, RowReport};
use crate::rows::{ROWS, Row};

/// Measures Seawall and Litestream side by side.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Words {
    /// The rows to measure; all, if none is named. `bench list` names them.
    rows: Vec<String>,
    /// How often each program has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A tenth of the time and of the data, once: to see that a row works.
    #[arg(long)]
    quick: bool,
    /// Also write README.md, results.json and pictures into this directory.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Names all rows.
    List,
    /// The app of some rows: commits rows, and tells how it went as JSON.
    #[command(hide = true)]
    Writer(writer::Words),
}

fn main() -> Result<()> {
    let words = Words::parse();
    match words.command {
        Some(Command::Writer(of)) => return writer::run(&of),
        Some(Command::List) => {
            for row in &ROWS {
                println!("{:10} {}", row.name, row.title);
            }
            return Ok(());
        }
        None => {}
    }
    let rows = chosen(&words.rows)?;
    let dir = tempfile::TempDir::with_prefix("bench-")?;
    let scene = Scene::in_dir(dir.path());
    let weed = SeaweedFs::start()?;
    let rounds = if words.quick { 1 } else { words.rounds };
    ensure!(rounds > 0, "--rounds must be at least 1");
    let bench = Bench::new(scene, weed.store, words.quick);
    let mut report = Report::new(rounds, words.quick)?;
    for row in rows {
        report.push(measure(&bench, row, rounds)?);
        // What has been measured is kept, whatever becomes of the rest.
        if let Some(dir) = &words.write {
            report.write(dir)?;
        }
    }
    print!("{}", report.table());
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Row>> {
    if names.is_empty() {
        return Ok(ROWS.iter().collect());
    }
    let found = names.iter().map(|name| {
        let row = ROWS.iter().find(|row| row.name == *name);
        row.with_context(|| format!("no row is called {name}; `bench list` names them"))
    });
    found.collect()
}

/// The programs take turns, each time in the other order.
fn measure(bench: &Bench, row: &'static Row, rounds: usize) -> Result<RowReport> {
    let mut report = RowReport::new(row);
    for round in 0..rounds.min(row.rounds) {
        let mut turns = BOTH;
        if round % 2 == 1 {
            turns.reverse();
        }
        for program in turns {
            eprintln!("{}: {}, round {}", row.name, program.name(), round + 1);
            let measured = (row.measure)(bench, program);
            let measured = measured.with_context(|| format!("{}, {}", row.name, program.name()))?;
            report.push(program, measured);
        }
    }
    Ok(report)
}
