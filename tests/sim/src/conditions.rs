//! A store that ignores conditions lets two writers overwrite each other. The component must find
//! out, in any weather, and must not take another store for one.

use crate::guest::{Program, wit};
use crate::scenario::{SKIES, failure_of};
use crate::tempo::Tempo;
use crate::time;
use crate::weather::Weather;
use crate::world::World;
use anyhow::{Context, Result, ensure};

const SEEDS: u64 = 400;
/// In weather that never lets it look: afterwards the sky clears.
const TRIES: usize = 8;

async fn look(world: &mut World, ignores: bool) -> Result<()> {
    let sky = *world.dice.pick(&SKIES);
    let bad = Weather {
        ignores_conditions: ignores,
        ..sky.weather()
    };
    let calm = Weather {
        ignores_conditions: ignores,
        ..Weather::calm()
    };
    let site = world.add_machine();
    world.app(site).commit(2_000);
    for attempt in 0.. {
        ensure!(attempt < 2 * TRIES, "it never found out");
        let weather = if attempt < TRIES { &bad } else { &calm };
        world.bucket.change_weather(|now| *now = weather.clone());
        match world.probe(site).await?.context("the sidecar ended")? {
            Ok(honours) => {
                ensure!(honours != ignores, "under {sky:?} it found {honours}");
                return Ok(());
            }
            Err(wit::Error::Replica(text)) => {
                ensure!(ignores, "under {sky:?} it refused a good store: {text}");
                return Ok(());
            }
            Err(_) => world.clock.sleep_ms(1_000).await,
        }
    }
    Ok(())
}

fn every_seed(ignores: bool) -> Result<()> {
    // SAFETY: the bytes are those that the build of `seawall` made.
    let program = unsafe { Program::load(seawall::component::compiled()) };
    let program = program.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    for seed in 1..=SEEDS {
        let mut world = World::new(program.clone(), seed, Tempo::Hurried, false);
        let (clock, spawner) = (world.clock.clone(), world.spawner.clone());
        let failure = failure_of(|| time::run(&clock, &spawner, look(&mut world, ignores)));
        ensure!(failure.is_none(), "seed {seed}: {failure:?}");
    }
    Ok(())
}

#[test]
fn a_store_that_ignores_conditions_is_found_out_in_any_weather() -> Result<()> {
    every_seed(true)
}

#[test]
fn a_store_that_honours_conditions_is_never_taken_for_another() -> Result<()> {
    every_seed(false)
}
