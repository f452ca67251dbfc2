//! What happens in one world, step by step. A seed makes the steps; fewer of them can be tried to
//! find those that matter.

use crate::days;
use crate::dice::Dice;
use crate::guest::Program;
use crate::machine::Victim;
use crate::tempo::Tempo;
use crate::time;
use crate::trace::Trace;
use crate::weather::Weather;
use crate::world::{Counts, World};
use anyhow::{Context, Result};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// So many transactions, with values of at most so many bytes.
    Commit {
        count: u64,
        largest: u64,
    },
    Checkpoint(Mode),
    Vacuum,
    Reader,
    Reopen,
    Wait {
        ms: u64,
    },
    /// At the call of that number from now on: calls of app and sidecar to disk and store.
    Crash {
        calls: u64,
        victim: Victim,
    },
    StopSidecar,
    /// The machine is gone; the app goes on elsewhere, from the replica.
    MoveElsewhere,
    /// Another machine restores and writes while the first one still does.
    SecondMachine,
    Weather(Sky),
    /// The sidecar stands still.
    Suspend {
        ms: u64,
    },
    DiskFull(bool),
    /// Somebody sets the machine's clock; negative: it is behind.
    Clock {
        ahead_ms: i64,
    },
    /// Restores what is in the bucket at this moment.
    Check,
    /// Has Litestream do so.
    Peer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    Passive,
    Full,
    Restart,
    Truncate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sky {
    Calm,
    Failing,
    LosingAnswers,
    Late,
    Stale,
    Down,
    Denied,
    KeepingAll,
    Everything,
}

impl Sky {
    pub fn weather(self) -> Weather {
        let calm = Weather::calm();
        match self {
            Sky::Calm => calm,
            Sky::Failing => Weather {
                unavailable: 0.3,
                throttled: 0.1,
                ..calm
            },
            Sky::LosingAnswers => Weather { lost: 0.4, ..calm },
            Sky::Late => Weather {
                lost: 0.3,
                late: 0.8,
                late_us: 5_000_000,
                ..calm
            },
            Sky::Stale => Weather {
                stale: 0.5,
                stale_us: 3_000_000,
                ..calm
            },
            Sky::Down => Weather { down: true, ..calm },
            Sky::Denied => Weather {
                denied: true,
                ..calm
            },
            Sky::KeepingAll => Weather {
                deletes_do_nothing: true,
                ..calm
            },
            Sky::Everything => Weather {
                unavailable: 0.1,
                throttled: 0.05,
                lost: 0.15,
                late: 0.5,
                late_us: 2_000_000,
                stale: 0.2,
                stale_us: 1_000_000,
                ..calm
            },
        }
    }
}

pub const SKIES: [Sky; 9] = [
    Sky::Calm,
    Sky::Failing,
    Sky::LosingAnswers,
    Sky::Late,
    Sky::Stale,
    Sky::Down,
    Sky::Denied,
    Sky::KeepingAll,
    Sky::Everything,
];
const VICTIMS: [Victim; 4] = [Victim::App, Victim::Sidecar, Victim::Both, Victim::Power];
/// A leap second, a wrong time zone, a battery that is empty.
const CLOCKS: [i64; 6] = [
    0,
    -1_000,
    2_000,
    3_600_000,
    -3_600_000,
    -20 * 365 * 86_400_000,
];
const MODES: [Mode; 4] = [Mode::Passive, Mode::Full, Mode::Restart, Mode::Truncate];

/// The steps of a seed.
pub fn steps(seed: u64) -> Vec<Step> {
    let dice = Dice::new(seed, 0);
    let count = dice.between(5, 40);
    // Of each seed only some kinds: what needs many of one kind is found too.
    let kinds: Vec<u64> = (0..14)
        .filter(|kind| *kind < 3 || dice.happens(0.4))
        .collect();
    (0..count)
        .map(|_| step(&dice, *dice.pick(&kinds)))
        .collect()
}

fn step(dice: &Dice, kind: u64) -> Step {
    match kind {
        0 | 1 => Step::Commit {
            count: dice.between(1, 12),
            largest: *dice.pick(&[100, 2_000, 20_000]),
        },
        2 => Step::Wait {
            ms: *dice.pick(&[1, 30, 300, 3_000, 20_000]),
        },
        3 => Step::Checkpoint(*dice.pick(&MODES)),
        4 => Step::Vacuum,
        5 => Step::Reader,
        6 => Step::Reopen,
        7 => Step::Crash {
            calls: *dice.pick(&[0, 1, 3, 10, 40, 200, 1000]) * dice.between(0, 3),
            victim: *dice.pick(&VICTIMS),
        },
        8 => match dice.between(0, 2) {
            0 => Step::StopSidecar,
            1 => Step::MoveElsewhere,
            _ => Step::SecondMachine,
        },
        9 => Step::Weather(*dice.pick(&SKIES)),
        10 => Step::Suspend {
            ms: *dice.pick(&[100, 2_000, 60_000]),
        },
        11 => Step::DiskFull(dice.happens(0.5)),
        12 => Step::Clock {
            ahead_ms: *dice.pick(&CLOCKS),
        },
        _ => Step::Check,
    }
}

/// How a run ended.
pub struct Outcome {
    /// What is wrong, if anything is.
    pub failure: Option<String>,
    pub counts: Counts,
    pub trace: Trace,
}

/// Plays `steps` in the world of `seed`.
pub fn play(
    program: &Program,
    seed: u64,
    steps: &[Step],
    tempo: Tempo,
    keep_trace: bool,
) -> Outcome {
    let mut world = World::new(program.clone(), seed, tempo, keep_trace);
    let trace = world.trace.clone();
    let (clock, spawner) = (world.clock.clone(), world.spawner.clone());
    let failure = failure_of(|| time::run(&clock, &spawner, story(&mut world, steps)));
    Outcome {
        failure,
        counts: world.counts(),
        trace,
    }
}

/// What went wrong, if anything did. The outer error: nothing could go on.
pub fn failure_of(story: impl FnOnce() -> Result<Result<()>>) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| story()?)) {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(panic) => Some(words(panic.as_ref())),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    format!("a panic: {}", text.unwrap_or_default())
}

async fn story(world: &mut World, steps: &[Step]) -> Result<()> {
    world.add_machine();
    // Refused now, it is opened by the next commit.
    let _ = world.app(0).open();
    world.start_sidecar(0);
    for (number, step) in steps.iter().enumerate() {
        world.trace.note(|| format!("step {number}: {step:?}"));
        for site in &world.sites {
            site.machine.begin_step();
        }
        let taken = take(world, *step).await;
        taken.with_context(|| format!("step {number} ({step:?})"))?;
        world.look_at_sidecars()?;
        // What died lives again a moment later.
        let pause = world.dice.between(0, 50);
        world.clock.sleep_ms(pause).await;
        for site in 0..world.sites.len() {
            world.revive(site);
            world.start_sidecar(site);
        }
    }
    end(world).await
}

async fn take(world: &mut World, step: Step) -> Result<()> {
    // The newest machine is the one that people use.
    let site = world.sites.len() - 1;
    match step {
        Step::Commit { count, largest } => {
            for _ in 0..count {
                for site in 0..world.sites.len() {
                    world.app(site).commit(largest);
                }
                let pause = world.dice.between(0, 30);
                world.clock.sleep_ms(pause).await;
            }
        }
        Step::Checkpoint(mode) => world.app(site).checkpoint(mode.name()),
        Step::Vacuum => world.app(site).vacuum(),
        Step::Reader => world.app(site).toggle_reader(),
        Step::Reopen => {
            world.app(site).close();
            // Refused now, it is opened by the next commit.
            let _ = world.app(site).open();
        }
        Step::Wait { ms } => world.clock.sleep_ms(ms).await,
        Step::Crash { calls, victim } => {
            let victim = match victim {
                Victim::Power if !world.is_first_machine() => Victim::Both,
                victim => victim,
            };
            world.crash(site, calls, victim);
        }
        Step::StopSidecar => world.stop_sidecar(site).await?,
        Step::MoveElsewhere => world.move_elsewhere(site).await?,
        Step::SecondMachine => {
            if world.can_be_contested() {
                world.contested = true;
                let site = world.add_machine();
                world.fill_from_bucket(site).await?;
                world.start_sidecar(site);
            }
        }
        Step::Weather(sky) => {
            world.contested |= matches!(sky, Sky::Stale | Sky::Everything);
            world.bucket.change_weather(|now| *now = sky.weather());
        }
        Step::Suspend { ms } => {
            let until = world.clock.now_us() + ms * 1000;
            world.sites[site].machine.suspend_until_us(until);
        }
        Step::DiskFull(full) => {
            let full = full && world.is_first_machine();
            world.sites[site].machine.disk.set_full(full);
        }
        Step::Clock { ahead_ms } => world.set_clock(site, ahead_ms),
        Step::Check => world.check_replica().await?,
        Step::Peer => days::ask_peer(&world.bucket.objects())?,
    }
    Ok(())
}

/// Calm weather: everybody comes to rest, and what is in the bucket is what the app has.
async fn end(world: &mut World) -> Result<()> {
    world.trace.note(|| "the end".to_owned());
    for site in 0..world.sites.len() {
        let settled = world.settle(site).await;
        settled.with_context(|| format!("the end of site {site}"))?;
        let own = world.check_own(site);
        own.with_context(|| format!("the database of site {site} itself"))?;
    }
    world.check_replica().await.context("at the end")?;
    for site in 0..world.sites.len() {
        world.stop_sidecar(site).await?;
    }
    world.check_replica().await.context("after the end")
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Passive => "PASSIVE",
            Mode::Full => "FULL",
            Mode::Restart => "RESTART",
            Mode::Truncate => "TRUNCATE",
        }
    }
}
