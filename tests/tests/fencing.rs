//! One replica has one author.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::process::{Outcome, Running};
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::{Shell, sql};
use end_to_end::weed::SeaweedFs;
use end_to_end::{judge, pages, wait_for};

const LIMIT: Duration = Duration::from_secs(30);
const FENCED: i32 = 3;

/// Waits until one of two sidecars has ended; returns the one that goes on, the other's end, and
/// whether the first one won.
fn one_ends(mut a: Running, mut b: Running) -> Result<(Running, Outcome, bool)> {
    let a_won = wait_for("one of two sidecars to give way", LIMIT, || {
        Ok(match (a.is_running()?, b.is_running()?) {
            (true, true) => None,
            (a_runs, _) => Some(a_runs),
        })
    })?;
    let (winner, loser) = if a_won { (a, b) } else { (b, a) };
    Ok((winner, loser.wait(LIMIT)?, a_won))
}

/// Two copies of one database, each with a sidecar that thinks it owns the replica.
fn two_writers(scene: &Scene, replica: &Replica, same_start: bool) -> Result<()> {
    let (first, second) = (scene.machine()?, scene.machine()?);
    let fill = "PRAGMA journal_mode = WAL; CREATE TABLE t(who TEXT, n INTEGER)";
    sql(scene, &first.db(), fill)?;
    std::fs::copy(first.db(), second.db())?;
    let settings = Settings {
        sync_interval: Duration::from_millis(200),
        ..Settings::default()
    };
    let start = |db: &Path| Program::Seawall.replicate(scene, db, replica, &settings);
    let a = start(&first.db())?;
    if !same_start {
        replica.wait_for_txid(1, LIMIT)?;
    }
    let b = start(&second.db())?;
    let mut apps = [
        Shell::open(scene, &first.db())?,
        Shell::open(scene, &second.db())?,
    ];
    // Both apps write on: each sidecar wants each TXID.
    for n in 0..20 {
        for (app, who) in apps.iter_mut().zip(["first", "second"]) {
            app.run(&format!("INSERT INTO t VALUES ('{who}', {n})"))?;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (winner, loser, first_won) = one_ends(a, b)?;
    let loser = loser.expect(FENCED)?;
    println!("the loser said:\n{}", loser.output);
    loser.says("another")?;
    let [first_app, second_app] = apps;
    first_app.close()?;
    second_app.close()?;
    winner.terminate(LIMIT)?.ok()?;

    replica.txid()?;
    let restored = scene.fresh("restored.db");
    Program::Seawall.restore(scene, replica, &restored)?;
    judge::check_integrity(&restored)?;
    let winner_db = if first_won { first.db() } else { second.db() };
    pages::assert_same(&winner_db, &restored)
}

#[test]
fn of_two_sidecars_that_start_at_once_exactly_one_goes_on() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        two_writers(scene, &Replica::on_s3(weed.store), true)
    });
}

#[test]
fn of_two_sidecars_that_start_one_after_the_other_exactly_one_goes_on() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        two_writers(scene, &Replica::on_s3(weed.store), false)
    });
}

#[test]
fn of_two_sidecars_on_one_directory_exactly_one_goes_on() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        two_writers(scene, &replica, false)
    });
}

#[test]
fn a_second_sidecar_on_one_database_is_turned_away() {
    scene(|scene| {
        let machine = scene.machine()?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let fill = "PRAGMA journal_mode = WAL; CREATE TABLE t(n INTEGER)";
        sql(scene, &machine.db(), fill)?;
        let settings = Settings {
            global: vec!["shutdown-sync-timeout: 2s".into()],
            ..Settings::default()
        };
        let start = || Program::Seawall.replicate(scene, &machine.db(), &replica, &settings);
        let mut first = start()?;
        replica.wait_for_txid(1, LIMIT)?;
        let mut second = start()?;
        let mut app = Shell::open(scene, &machine.db())?;
        for n in 0..10 {
            app.run(&format!("INSERT INTO t VALUES ({n})"))?;
            std::thread::sleep(Duration::from_millis(300));
        }
        // Whether the second waits for its turn or leaves: it ships nothing, and the first goes on.
        ensure!(
            first.is_running()?,
            "the first one ended:\n{}",
            first.said()?
        );
        if second.is_running()? {
            second.terminate(LIMIT)?;
        } else {
            let outcome = second.wait(LIMIT)?;
            ensure!(
                outcome.code() != Some(0),
                "it left as if all were well: {outcome:?}"
            );
        }
        app.close()?;
        first.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &replica, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}
