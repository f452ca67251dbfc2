//! Damaged objects are never restored, and a full disk does no damage.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::{Shell, sql};
use end_to_end::stock::{SOME_ROWS, shipped};
use end_to_end::{disk, pages, wait_for};
use rand::RngExt;

const LIMIT: Duration = Duration::from_secs(30);
const ERROR: i32 = 1;

/// Restores a replica with something wrong in it: an error and no file, or the right bytes.
fn refuses_or_is_right(scene: &Scene, replica: &Replica, good: &[u8], what: &str) -> Result<bool> {
    let machine = scene.machine()?;
    let outcome = Program::Seawall.try_restore(scene, replica, &machine.db())?;
    if outcome.code() == Some(0) {
        ensure!(
            fs::read(machine.db())? == good,
            "{what}: restored wrong bytes"
        );
        return Ok(false);
    }
    let outcome = outcome.expect(ERROR)?;
    let left = machine.contents()?;
    ensure!(left.is_empty(), "{what}: left behind {left:?}; {outcome:?}");
    Ok(true)
}

#[test]
fn an_object_with_a_flipped_bit_is_never_restored() {
    scene(|scene| {
        let (_machine, replica) = shipped(scene)?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &replica, &restored)?;
        let good = fs::read(&restored)?;
        let (_, key) = replica.level(0)?.remove(1);
        let bytes = replica.objects.get(&key)?;
        let mut places: Vec<usize> = vec![0, 4, 11, 15, 23, 99, 100, 105, bytes.len() - 1];
        places.extend([20, 12, 9].map(|from_end| bytes.len() - from_end));
        places.extend((0..12).map(|_| rand::rng().random_range(100..bytes.len())));
        let mut refused = 0;
        for at in places {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << rand::rng().random_range(0..8);
            replica.objects.put(&key, &flipped)?;
            let what = format!("a bit of byte {at} of {} in {key}", bytes.len());
            refused += u32::from(refuses_or_is_right(scene, &replica, &good, &what)?);
        }
        println!("{refused} refused");
        ensure!(refused >= 10, "only {refused} were noticed");
        Ok(())
    });
}

#[test]
fn a_truncated_object_is_named() {
    scene(|scene| {
        let (_machine, replica) = shipped(scene)?;
        let (_, key) = replica.level(0)?.remove(1);
        let bytes = replica.objects.get(&key)?;
        let name = key.rsplit('/').next().unwrap_or_default();
        for length in [0, 50, 100, bytes.len() / 2, bytes.len() - 1] {
            replica.objects.put(&key, &bytes[..length])?;
            let out = scene.fresh("restored.db");
            let outcome = Program::Seawall.try_restore(scene, &replica, &out)?;
            outcome.expect(ERROR)?.says(name)?;
            ensure!(!out.exists());
        }
        Ok(())
    });
}

#[test]
fn a_gap_in_the_replica_is_no_older_database() {
    scene(|scene| {
        let (_machine, replica) = shipped(scene)?;
        for key in replica.objects.list()?.into_keys() {
            if !key.starts_with(&replica.level_dir(0)) {
                replica.objects.delete(&key)?;
            }
        }
        let (_, key) = replica.level(0)?.remove(2);
        replica.objects.delete(&key)?;
        let out = scene.fresh("restored.db");
        Program::Seawall
            .try_restore(scene, &replica, &out)?
            .expect(ERROR)?;
        ensure!(!out.exists());
        Ok(())
    });
}

#[test]
fn a_restore_to_a_full_disk_leaves_nothing_behind() {
    scene(|scene| {
        let source = scene.machine()?;
        sql(
            scene,
            &source.db(),
            &SOME_ROWS.replace("i < 50", "i < 1000"),
        )?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let settings = Settings::default();
        let sidecar = Program::Seawall.replicate(scene, &source.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        sidecar.terminate(LIMIT)?.ok()?;

        let machine = scene.machine()?;
        disk::small_disk(machine.dir(), 1_000_000)?;
        Program::Seawall
            .try_restore(scene, &replica, &machine.db())?
            .expect(ERROR)?
            .says("space")?;
        let left = machine.contents()?;
        ensure!(left.is_empty(), "left behind {left:?}");
        Ok(())
    });
}

#[test]
fn a_full_disk_stops_the_app_but_not_the_sidecar_for_good() {
    scene(|scene| {
        let machine = scene.machine()?;
        disk::small_disk(machine.dir(), 8_000_000)?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let settings = Settings::default();
        let mut sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        let ballast = machine.dir().join("ballast");
        let filled = fs::write(&ballast, vec![1; 8_000_000]);
        ensure!(filled.is_err(), "the disk is not full");
        let mut app = Shell::open(scene, &machine.db())?;
        let more = "INSERT INTO t(body) SELECT randomblob(3000) FROM t LIMIT 20";
        let refused = wait_for("a full disk to be noticed", LIMIT, || {
            Ok(app.attempt(more)?.error)
        })?;
        println!("the app was told: {refused}");
        std::thread::sleep(Duration::from_secs(2));
        ensure!(
            sidecar.is_running()?,
            "the sidecar ended:\n{}",
            sidecar.said()?
        );
        fs::remove_file(&ballast)?;
        app.run(more)?;
        app.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &replica, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}
