//! A machine and a bucket on bad days: credentials that are revoked, a process that stands still, few
//! file descriptors, a disk that cannot be written.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::process::{Running, alarms};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::{Load, sql};
use end_to_end::stock::SOME_ROWS;
use end_to_end::weed::SeaweedFs;
use end_to_end::{disk, pages, wait_for};

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than any request is waited for.
const STANDSTILL: Duration = Duration::from_secs(40);

/// Of a process: less than a store's connections alone could take.
const DESCRIPTORS: u64 = 48;

fn restored_is_same(scene: &Scene, replica: &Replica, db: &std::path::Path) -> Result<()> {
    let restored = scene.fresh("restored.db");
    Program::Seawall.restore(scene, replica, &restored)?;
    pages::assert_same(db, &restored)
}

#[test]
fn credentials_that_are_revoked_are_named_and_shipping_goes_on_with_renewed_ones() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let replica = Replica::on_s3(weed.store).through(&proxy);
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let settings = Settings::default();
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        proxy.set(Weather::all(Fault::Status(403)));
        sql(scene, &machine.db(), "INSERT INTO t(body) VALUES ('more')")?;
        let line = wait_for("the line", LIMIT, || {
            let said = sidecar.said()?;
            Ok(alarms(&said).last().map(str::to_owned))
        })?;
        ensure!(line.contains("403"), "{line}");
        proxy.set(Weather::default());
        let outcome = sidecar.terminate(LIMIT)?.ok()?;
        ensure!(outcome.output.contains("shipped"), "{}", outcome.output);
        restored_is_same(scene, &replica, &machine.db())
    });
}

#[test]
fn alone_a_sidecar_that_stood_still_ships_what_came_meanwhile() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        // So that some request is under way when it stops.
        proxy.set(Weather::near());
        let replica = Replica::on_s3(weed.store).through(&proxy);
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let settings = Settings::default();
        let mut sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        let load = Load::start(scene, &machine.db(), 20, 500)?;
        std::thread::sleep(Duration::from_secs(2));
        sidecar.signal(libc::SIGSTOP);
        std::thread::sleep(STANDSTILL);
        sidecar.signal(libc::SIGCONT);
        std::thread::sleep(Duration::from_secs(2));
        let log = load.stop()?;
        ensure!(log.refusals.is_empty(), "refused: {:?}", log.refusals);
        ensure!(sidecar.is_running()?, "it ended:\n{}", sidecar.said()?);
        sidecar.terminate(LIMIT)?.ok()?;
        restored_is_same(scene, &replica, &machine.db())
    });
}

/// With few file descriptors.
fn thrifty(command: &mut Command) {
    let limit = || {
        let few = libc::rlimit {
            rlim_cur: DESCRIPTORS,
            rlim_max: DESCRIPTORS,
        };
        // SAFETY: `few` is a whole rlimit.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: setrlimit is safe between fork and exec.
    unsafe { command.pre_exec(limit) };
}

#[test]
fn few_file_descriptors_are_enough() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let settings = Settings {
            sync_interval: Duration::from_millis(10),
            ..Settings::default()
        };
        let config = scene.fresh("config.yml");
        fs::write(&config, replica.config(&machine.db(), &settings))?;
        let mut command = Program::Seawall.command(&replica)?;
        command.args(["replicate", "-config"]).arg(&config);
        thrifty(&mut command);
        let log = scene.fresh("replicate.log");
        let sidecar = Running::start("a thrifty sidecar", &mut command, &log)?;
        let load = Load::start(scene, &machine.db(), 10, 500)?;
        replica.wait_for_txid(200, LIMIT)?;
        load.stop()?;
        sidecar.terminate(LIMIT)?.ok()?.without_alarms()?;
        let restored = scene.fresh("restored.db");
        let mut command = Program::Seawall.command(&replica)?;
        command.args(["restore", "-config"]).arg(&config);
        command.arg("-o").arg(&restored).arg(machine.db());
        thrifty(&mut command);
        let log = scene.fresh("restore.log");
        Running::start("a thrifty restore", &mut command, &log)?
            .wait(LIMIT)?
            .ok()?;
        pages::assert_same(&machine.db(), &restored)
    });
}

#[test]
fn a_disk_that_cannot_be_written_is_named() {
    scene(|scene| {
        let machine = scene.machine()?;
        disk::small_disk(machine.dir(), 8_000_000)?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        disk::make_read_only(machine.dir())?;
        let before = fs::read(machine.db())?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let settings = Settings::default();
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        let line = wait_for("the line", LIMIT, || {
            let said = sidecar.said()?;
            Ok(alarms(&said).next().map(str::to_owned))
        })?;
        ensure!(line.to_lowercase().contains("read-only"), "{line}");
        ensure!(
            fs::read(machine.db())? == before,
            "the database was changed"
        );
        Ok(())
    });
}
