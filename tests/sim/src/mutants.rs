//! Deliberate faults in the components: each must be found, or the simulator is blind to its kind.

use crate::edge::{self, Programs};
use crate::guest::Program;
use crate::scenario::{play, steps};
use crate::tempo::Tempo;
use anyhow::{Result, anyhow};
use engine::mutants::{EDGE, Mutant, SIDECAR};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Seeds and the failure of the one that found it; `None`: none did.
type Found = Option<(u64, String)>;

/// A fault, and in which component it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Sidecar,
    Edge,
}

/// The component as it ships restores what the edge wrote.
fn programs() -> wasmtime::Result<(Program, Programs)> {
    // SAFETY: the bytes are those that the builds of this program and of `seawall` made.
    unsafe {
        let sidecar = include_bytes!(concat!(env!("OUT_DIR"), "/replicator-mutants.cwasm"));
        let edge = include_bytes!(concat!(env!("OUT_DIR"), "/edge-mutants.cwasm"));
        let programs = Programs {
            edge: edge::Program::load(edge)?,
            replicator: Program::load(seawall::component::compiled())?,
        };
        Ok((Program::load(sidecar)?, programs))
    }
}

/// Prints a table of what found each of them. Fails when one is not found within `seeds` seeds.
pub fn hunt(seeds: u64) -> Result<ExitCode> {
    let (sidecar, edge) = programs().map_err(|error| anyhow!("{error:?}"))?;
    let all: Vec<(Place, Mutant)> = EDGE
        .map(|mutant| (Place::Edge, mutant))
        .into_iter()
        .chain(SIDECAR.map(|mutant| (Place::Sidecar, mutant)))
        .collect();
    let (next, table) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((place, mutant)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = (1..=seeds).find_map(|seed| {
                        let failure = match place {
                            Place::Sidecar => in_sidecar(&sidecar, *mutant, seed),
                            Place::Edge => in_edge(&edge, *mutant, seed),
                        };
                        Some((seed, short(&failure?)))
                    });
                    eprintln!("{place:?}, {mutant:?}: {found:?}");
                    if let Ok(mut table) = table.lock() {
                        table.push((*place, *mutant, found));
                    }
                }
            });
        }
    });
    let mut table: Vec<(Place, Mutant, Found)> = table.into_inner().unwrap_or_default();
    table.sort_by_key(|(place, mutant, _)| (*place, *mutant as u32));
    println!("| where | fault | seeds | caught by |\n|-|-|-|-|");
    for (place, mutant, found) in &table {
        match found {
            Some((seed, failure)) => println!("| {place:?} | {mutant:?} | {seed} | {failure} |"),
            None => println!("| {place:?} | {mutant:?} | **not within {seeds}** | |"),
        }
    }
    Ok(match table.iter().all(|(_, _, found)| found.is_some()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn in_sidecar(program: &Program, mutant: Mutant, seed: u64) -> Option<String> {
    let mut program = program.clone();
    program.mutant = mutant as u32;
    play(&program, seed, &steps(seed), Tempo::Hurried, false).failure
}

fn in_edge(programs: &Programs, mutant: Mutant, seed: u64) -> Option<String> {
    let mut programs = programs.clone();
    programs.edge.mutant = mutant as u32;
    edge::play(&programs, seed, false).failure
}

fn short(failure: &str) -> String {
    let line = failure.lines().next().unwrap_or_default();
    let line = line.split("\\n").next().unwrap_or(line);
    line.chars().take(120).collect::<String>().replace('|', "/")
}
