//! Either program restores what the other wrote, and goes on where the other stopped.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use end_to_end::app::{App, Habits};
use end_to_end::bucket::Objects;
use end_to_end::judge::Schema;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::weed::{ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFs};
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

/// What `writer` ships, `reader` restores, bit for bit.
fn restores(scene: &Scene, writer: Program, reader: Program, replica: &Replica) -> Result<()> {
    let machine = scene.machine()?;
    life(scene, writer, &machine, replica)?;
    compare(scene, reader, replica, &machine.db())
}

fn compare(scene: &Scene, reader: Program, replica: &Replica, source: &Path) -> Result<()> {
    let restored = scene.fresh("restored.db");
    reader.restore(scene, replica, &restored)?;
    judge::check_integrity(&restored)?;
    pages::assert_same(source, &restored)
}

#[test]
fn what_seawall_ships_to_s3_litestream_restores_bit_for_bit() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        restores(scene, Program::Seawall, Program::Litestream, &replica)
    });
}

#[test]
fn what_seawall_ships_to_files_litestream_restores_bit_for_bit() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        restores(scene, Program::Seawall, Program::Litestream, &replica)
    });
}

#[test]
fn what_litestream_ships_to_s3_seawall_restores_bit_for_bit() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        restores(scene, Program::Litestream, Program::Seawall, &replica)
    });
}

#[test]
fn what_litestream_ships_to_files_seawall_restores_bit_for_bit() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        restores(scene, Program::Litestream, Program::Seawall, &replica)
    });
}

#[test]
fn each_program_restores_its_own_bit_for_bit() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let program = Program::under_test()?;
        restores(scene, program, program, &replica)
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

/// The config of a published guide to HedgeDoc on Litestream, but for the places. Litestream
/// ignores some of these keys.
fn guide(db: &Path, endpoint: SocketAddr, path: &str) -> String {
    format!(
        "dbs:
  - path: {}
    replicas:
      - type: s3
        endpoint: http://{endpoint}
        name: app.db
        bucket: {BUCKET}
        path: {path}
        forcePathStyle: true
        sync-interval: 1s
        access-key-id: {ACCESS_KEY}
        secret-access-key: {SECRET_KEY}
",
        db.display()
    )
}

#[test]
fn a_config_written_for_litestream_replicates_and_restores_as_it_is() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let Objects::S3 { store, prefix } = &replica.objects else {
            bail!("not on S3");
        };
        let machine = scene.machine()?;
        let config = scene.fresh("litestream.yml");
        fs::write(&config, guide(&machine.db(), store.s3, prefix))?;
        let run = |words: &[&str], db: Option<&Path>| {
            let mut command = Program::under_test()?.command(&replica)?;
            command.args(words).arg("-config").arg(&config).args(db);
            Running::start(words[0], &mut command, &scene.fresh("program.log"))
        };
        let restore = ["restore", "-if-replica-exists"];
        // The first start ever: there is nothing to restore, and that is well.
        run(&restore, Some(&machine.db()))?.wait(LIMIT)?.ok()?;
        let sidecar = run(&["replicate"], None)?;
        let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
        replica.wait_for_txid(3, LIMIT)?;
        app.stop()?;
        sidecar.terminate(LIMIT)?.ok()?;
        // The machine is set aside, and a new one has its place.
        let before = scene.fresh("before");
        fs::rename(machine.dir(), &before)?;
        fs::create_dir(machine.dir())?;
        run(&restore, Some(&machine.db()))?.wait(LIMIT)?.ok()?;
        pages::assert_same(&before.join("app.db"), &machine.db())
    });
}
