//! What cannot work is said clearly, ends with the right code, and leaves every file as it was.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::judge::sha256;
use end_to_end::process::{Outcome, Running};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::shell::{Shell, sql};
use end_to_end::stock::{SOME_ROWS, shipped};
use end_to_end::weed::SeaweedFs;
use end_to_end::{pages, wait_for};
use rand::RngExt;

const LIMIT: Duration = Duration::from_secs(30);
const ERROR: i32 = 1;
const USAGE: i32 = 2;
const UNSHIPPED: i32 = 4;
const NOTHING_TO_RESTORE: i32 = 5;

/// A sidecar that does not try for long when it is to stop.
fn brief() -> Settings {
    Settings {
        global: vec!["shutdown-sync-timeout: 2s".into()],
        ..Settings::default()
    }
}

/// Waits for one of `needles` in what a sidecar says, or for its end; stops it.
fn complaint(mut sidecar: Running, needles: &[&str]) -> Result<Outcome> {
    wait_for(&format!("one of {needles:?}"), LIMIT, || {
        let said = sidecar.said()?.to_lowercase();
        let found = needles.iter().any(|needle| said.contains(needle));
        Ok((found || !sidecar.is_running()?).then_some(()))
    })?;
    let outcome = sidecar.terminate(LIMIT)?;
    let said = outcome.output.to_lowercase();
    ensure!(
        needles.iter().any(|needle| said.contains(needle)),
        "it said none of {needles:?}:\n{said}"
    );
    let code = outcome.code();
    ensure!(
        code.is_some_and(|code| code != 0),
        "it left as if all were well"
    );
    Ok(outcome)
}

/// A sidecar over `machine` complains and changes nothing.
fn complains(scene: &Scene, machine: &Machine, needles: &[&str]) -> Result<()> {
    let before = machine.contents()?;
    let replica = Replica::in_files(&scene.fresh("replica"));
    let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &brief())?;
    complaint(sidecar, needles)?;
    for (path, hash) in before {
        let now = sha256(&fs::read(&path)?);
        ensure!(now == hash, "{path:?} was changed");
    }
    ensure!(replica.objects.list()?.is_empty(), "something was shipped");
    Ok(())
}

#[test]
fn a_file_that_is_no_database_is_named_and_left_alone() {
    scene(|scene| {
        let machine = scene.machine()?;
        fs::write(machine.db(), "Dear diary, ".repeat(1000))?;
        complains(
            scene,
            &machine,
            &["not a database", "not a sqlite database"],
        )
    });
}

#[test]
fn a_database_with_the_wal_of_another_is_left_alone() {
    scene(|scene| {
        let other = scene.machine()?;
        let small = "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; CREATE TABLE o(x)";
        let mut app = Shell::open(scene, &other.db())?;
        app.run(small)?;
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let wal = other.dir().join("app.db-wal");
        fs::copy(wal, machine.dir().join("app.db-wal"))?;
        app.close()?;
        complains(
            scene,
            &machine,
            &["malformed", "corrupt", "another database"],
        )
    });
}

#[test]
fn a_wal_of_noise_is_no_obstacle() {
    scene(|scene| {
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let mut noise = vec![0_u8; 100_000];
        rand::rng().fill(&mut noise[..]);
        fs::write(machine.dir().join("app.db-wal"), noise)?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let settings = Settings::default();
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        sql(scene, &machine.db(), "DELETE FROM t WHERE id % 2 = 0")?;
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &replica, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}

#[test]
fn an_empty_replica_has_an_exit_code_of_its_own() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let out = scene.fresh("restored.db");
        for replica in [
            Replica::on_s3(weed.store),
            Replica::in_files(&scene.fresh("replica")),
        ] {
            Program::Seawall
                .try_restore(scene, &replica, &out)?
                .expect(NOTHING_TO_RESTORE)?;
        }
        ensure!(!out.exists());
        Ok(())
    });
}

const DENIED: &[&str] = &["denied", "credential", "signature", "access key"];

#[test]
fn wrong_credentials_are_told_as_such() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let mut replica = Replica::on_s3(weed.store);
        replica.secret_key = "wrong".into();
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &brief())?;
        let outcome = complaint(sidecar, DENIED)?;
        ensure!(!outcome.output.contains("wrong"), "it tells the secret");
        let out = scene.fresh("restored.db");
        let outcome = Program::Seawall.try_restore(scene, &replica, &out)?;
        let said = outcome.expect(ERROR)?.output.to_lowercase();
        ensure!(DENIED.iter().any(|word| said.contains(word)), "{said}");
        Ok(())
    });
}

#[test]
fn a_missing_bucket_is_told_as_such() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let mut replica = Replica::on_s3(weed.store);
        replica.bucket = "no-such-bucket".into();
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &brief())?;
        complaint(sidecar, &["bucket"])?;
        let out = scene.fresh("restored.db");
        let outcome = Program::Seawall.try_restore(scene, &replica, &out)?;
        outcome.expect(ERROR)?.says("bucket")?;
        Ok(())
    });
}

#[test]
fn a_database_that_is_there_is_not_overwritten() {
    scene(|scene| {
        let (machine, replica) = shipped(scene)?;
        let before = machine.contents()?;
        Program::Seawall
            .try_restore(scene, &replica, &machine.db())?
            .expect(ERROR)?
            .says("exist")?;
        ensure!(machine.contents()? == before);
        Ok(())
    });
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    scene(|scene| {
        let (machine, replica) = shipped(scene)?;
        let out = machine.db().join("below-a-file.db");
        Program::Seawall
            .try_restore(scene, &replica, &out)?
            .expect(ERROR)?
            .says("app.db")?;
        Ok(())
    });
}

#[test]
fn a_mistyped_config_key_stops_the_start_and_is_named() {
    scene(|scene| {
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let before = machine.contents()?;
        let settings = Settings {
            db: vec!["chekpoint-interval: 1m".into()],
            ..Settings::default()
        };
        let replica = Replica::in_files(&scene.fresh("replica"));
        Program::Seawall
            .replicate(scene, &machine.db(), &replica, &settings)?
            .wait(LIMIT)?
            .expect(USAGE)?
            .says("chekpoint-interval")?;
        ensure!(machine.contents()? == before);
        Ok(())
    });
}

#[test]
fn a_stop_with_the_store_away_says_that_not_all_was_shipped() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let direct = Replica::on_s3(weed.store);
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let settings = brief();
        let replica = direct.through(&proxy);
        let start = || Program::Seawall.replicate(scene, &machine.db(), &replica, &settings);
        let sidecar = start()?;
        let txid = direct.wait_for_txid(1, LIMIT)?;
        proxy.set(Weather::all(Fault::Away));
        sql(scene, &machine.db(), "DELETE FROM t WHERE id > 10")?;
        sidecar.terminate(LIMIT)?.expect(UNSHIPPED)?;

        proxy.set(Weather::default());
        let sidecar = start()?;
        direct.wait_for_txid(txid + 1, LIMIT)?;
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &direct, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}
