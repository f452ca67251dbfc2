//! A real app's database goes from one program to the other and back. What each makes of the
//! other's objects, cell by cell, is in `matrix`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use end_to_end::app::{App, Habits};
use end_to_end::judge::Schema;
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::weed::SeaweedFs;
use end_to_end::{judge, pages};

const LIMIT: Duration = Duration::from_secs(30);

/// The app lives for some syncs beside `program`, and all is shipped at the end.
fn life(scene: &Scene, program: Program, machine: &Machine, replica: &Replica) -> Result<()> {
    let settings = Settings {
        sync_interval: Duration::from_millis(300),
        ..Settings::default()
    };
    let txid = replica.txid()?;
    let sidecar = program.replicate(scene, &machine.db(), replica, &settings)?;
    let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
    replica.wait_for_txid(txid + 4, LIMIT)?;
    app.stop()?;
    sidecar.terminate(LIMIT)?.ok()?;
    Ok(())
}

fn compare(scene: &Scene, reader: Program, replica: &Replica, source: &Path) -> Result<()> {
    let restored = scene.fresh("restored.db");
    reader.restore(scene, replica, &restored)?;
    judge::check_integrity(&restored)?;
    pages::assert_same(source, &restored)
}

#[test]
fn each_program_restores_its_own_bit_for_bit() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let program = Program::under_test()?;
        let machine = scene.machine()?;
        life(scene, program, &machine, &replica)?;
        compare(scene, program, &replica, &machine.db())
    });
}

/// From one program to the other and back, on one disk and one replica.
fn handed_over(scene: &Scene, replica: &Replica, first: Program, second: Program) -> Result<()> {
    let machine = scene.machine()?;
    life(scene, first, &machine, replica)?;
    life(scene, second, &machine, replica)?;
    compare(scene, first, replica, &machine.db())?;
    life(scene, first, &machine, replica)?;
    compare(scene, second, replica, &machine.db())?;
    compare(scene, first, replica, &machine.db())
}

#[test]
fn seawall_takes_over_from_litestream_and_hands_back() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        handed_over(scene, &replica, Program::Litestream, Program::Seawall)
    });
}

#[test]
fn litestream_takes_over_from_seawall_and_hands_back() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        handed_over(scene, &replica, Program::Seawall, Program::Litestream)
    });
}

#[test]
fn the_database_holds_nothing_that_the_app_did_not_put_there() {
    scene(|scene| {
        let alone = scene.machine()?;
        App::start(scene, &alone.db(), Habits::HURRIED)?.stop()?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let machine = scene.machine()?;
        life(scene, Program::Seawall, &machine, &replica)?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &replica, &restored)?;
        let expected = Schema::read(&alone.db())?;
        anyhow::ensure!(Schema::read(&machine.db())? == expected);
        anyhow::ensure!(Schema::read(&restored)? == expected);
        Ok(())
    });
}
