//! Bad weather between the sidecar and the store, while the app writes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::app::{App, Habits};
use end_to_end::judge::{State, judge};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::scene;
use end_to_end::weed::SeaweedFs;
use end_to_end::{now_ms, pages};

/// After bad weather the sidecar may be in a pause between two attempts.
const CATCH_UP: Duration = Duration::from_secs(60);

/// `STORM_SECONDS` of bad weather.
fn storm() -> Result<Duration> {
    let seconds = std::env::var("STORM_SECONDS").map_or(Ok(15), |text| text.parse())?;
    Ok(Duration::from_secs(seconds))
}

/// The app writes through the storm. After it level 0 has neither gap nor duplicate, and what is
/// restored is what was acknowledged, bit for bit.
fn survives(weather: Weather, sky: Duration) {
    scene(|scene| {
        let program = Program::under_test()?;
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        proxy.set(Weather::near());
        let direct = Replica::on_s3(weed.store);
        let replica = direct.through(&proxy);
        let machine = scene.machine()?;
        let settings = Settings {
            sync_interval: Duration::from_millis(200),
            ..Settings::default()
        };
        let mut sidecar = program.replicate(scene, &machine.db(), &replica, &settings)?;
        let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
        direct.wait_for_txid(2, CATCH_UP)?;

        proxy.set(weather);
        std::thread::sleep(sky);
        let in_storm = direct.txid()?;
        proxy.set(Weather::near());
        ensure!(
            sidecar.is_running()?,
            "the sidecar ended:\n{}",
            sidecar.said()?
        );
        let after_storm = direct.wait_for_txid(in_storm + 1, CATCH_UP)?;
        let log = app.stop()?;
        sidecar.terminate(CATCH_UP)?.ok()?;
        let txid = direct.txid()?;
        println!("TXID {in_storm} in the storm, {after_storm} after it, {txid} at the end");

        let restored = scene.fresh("restored.db");
        program.restore(scene, &direct, &restored)?;
        pages::assert_same(&machine.db(), &restored)?;
        let after = State::read(&restored)?;
        let verdict = judge(&State::default(), &log.acks, &after, now_ms(), 0.0)?;
        println!("{} kept, {} refused", verdict.kept, log.refusals.len());
        Ok(())
    });
}

#[test]
fn a_store_that_is_away_is_caught_up_with() {
    survives(Weather::all(Fault::Away), storm().expect("STORM_SECONDS"));
}

#[test]
fn a_store_that_never_answers_is_caught_up_with() {
    survives(Weather::all(Fault::Hang), storm().expect("STORM_SECONDS"));
}

#[test]
fn a_store_that_answers_503_is_caught_up_with() {
    survives(Weather::all(Fault::Status(503)), Duration::from_secs(5));
}

#[test]
fn one_500_in_two_is_survived() {
    let weather = Weather {
        one_in: 2,
        ..Weather::all(Fault::Status(500))
    };
    survives(weather, Duration::from_secs(5));
}

#[test]
fn uploads_cut_in_the_middle_are_sent_again() {
    let weather = Weather {
        one_in: 2,
        only: Some("PUT"),
        ..Weather::all(Fault::CutRequest)
    };
    survives(weather, Duration::from_secs(5));
}

#[test]
fn a_put_that_was_done_but_never_answered_is_no_conflict_with_oneself() {
    let weather = Weather {
        one_in: 2,
        only: Some("PUT"),
        ..Weather::all(Fault::LoseAnswer)
    };
    survives(weather, Duration::from_secs(5));
}

#[test]
fn no_put_is_ever_answered_and_nothing_is_lost() {
    let weather = Weather {
        only: Some("PUT"),
        ..Weather::all(Fault::LoseAnswer)
    };
    survives(weather, Duration::from_secs(5));
}

#[test]
fn a_restore_survives_cut_answers() {
    scene(|scene| {
        let program = Program::under_test()?;
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let direct = Replica::on_s3(weed.store);
        let machine = scene.machine()?;
        let settings = Settings::default();
        let sidecar = program.replicate(scene, &machine.db(), &direct, &settings)?;
        let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
        direct.wait_for_txid(4, CATCH_UP)?;
        app.stop()?;
        sidecar.terminate(CATCH_UP)?.ok()?;

        proxy.set(Weather {
            one_in: 4,
            only: Some("GET"),
            ..Weather::all(Fault::CutAnswer)
        });
        let restored = scene.fresh("restored.db");
        program.restore(scene, &direct.through(&proxy), &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}
