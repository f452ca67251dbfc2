//! Machines that are lost: kill -9 of the app and the sidecar, the disk gone, life goes on from
//! what was restored.

use std::time::Duration;

use anyhow::Result;
use end_to_end::app::{App, Habits};
use end_to_end::judge::{State, judge};
use end_to_end::program::Program;
use end_to_end::proxy::{Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::scene;
use end_to_end::weed::SeaweedFs;
use end_to_end::{now_ms, wait_for};
use rand::RngExt;

/// How long a PUT may be on its way: slow, so that kills fall into it.
const PUT_DELAY_MS: u64 = 150;

/// Half the machine is somebody else's.
const SLACK_MS: f64 = 1500.0;

fn rounds() -> Result<u32> {
    Ok(match std::env::var("CRASH_ROUNDS") {
        Ok(rounds) => rounds.parse()?,
        Err(_) => 20,
    })
}

/// What may be lost: what was committed since the last sync, and while a PUT was on its way.
fn bound_ms(program: Program, settings: &Settings) -> f64 {
    let interval_ms = settings.sync_interval.as_secs_f64() * 1000.0;
    let put_ms = 2.0 * PUT_DELAY_MS as f64;
    match program {
        Program::Seawall => interval_ms + 2.0 * put_ms + SLACK_MS,
        // One serial PUT per TXID, and a poll before each.
        Program::Litestream => 3.0 * (interval_ms + put_ms) + SLACK_MS,
    }
}

#[test]
fn nothing_older_than_one_sync_is_lost_when_the_machine_is_lost_again_and_again() {
    scene(|scene| {
        let program = Program::under_test()?;
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        proxy.set(Weather {
            before_ms: Some(0..PUT_DELAY_MS),
            after_ms: Some(0..PUT_DELAY_MS),
            ..Weather::default()
        });
        let calm = Replica::on_s3(weed.store);
        let replica = calm.through(&proxy);
        let settings = Settings {
            sync_interval: Duration::from_millis(500),
            ..Settings::default()
        };
        let bound_ms = bound_ms(program, &settings);
        let mut machine = scene.machine()?;
        let mut before = State::default();
        let (mut acknowledged, mut lost, mut oldest_ms) = (0, 0, 0.0_f64);
        for round in 1..=rounds()? {
            let txid = calm.txid()?;
            let sidecar = program.replicate(scene, &machine.db(), &replica, &settings)?;
            let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
            // A life worth judging has shipped something of its own.
            wait_for("the first sync", Duration::from_secs(30), || {
                Ok((calm.txid()? > txid).then_some(()))
            })?;
            let life_ms = rand::rng().random_range(200..2500);
            std::thread::sleep(Duration::from_millis(life_ms));
            let killed_ms = now_ms();
            sidecar.kill()?;
            let log = app.kill()?;
            machine.lose()?;
            // A PUT that was on its way arrives before the next machine looks. One that arrives after
            // it has begun makes two histories, which the engine's tests of being overtaken play.
            std::thread::sleep(Duration::from_millis(3 * PUT_DELAY_MS));

            machine = scene.machine()?;
            program.restore(scene, &calm, &machine.db())?;
            let after = State::read(&machine.db())?;
            let verdict = judge(&before, &log.acks, &after, killed_ms, bound_ms)?;
            let age_ms = verdict.lost_ages_ms.first().copied().unwrap_or(0.0);
            println!(
                "round {round}: {} kept, {} lost (the oldest was {age_ms:.0} ms old), {} refused",
                verdict.kept,
                verdict.lost_ages_ms.len(),
                log.refusals.len()
            );
            acknowledged += log.acks.len();
            lost += verdict.lost_ages_ms.len();
            oldest_ms = oldest_ms.max(age_ms);
            before = after;
        }
        println!("{acknowledged} acknowledged, {lost} lost, the oldest {oldest_ms:.0} ms old");
        Ok(())
    });
}
