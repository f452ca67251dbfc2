//! What a restarted sidecar uploads: what is new, and not the database once more.

use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::places::wal_of;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::proxy::Proxy;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::shell::{Shell, sql};
use end_to_end::weed::SeaweedFs;
use end_to_end::{pages, wait_for};

const LIMIT: Duration = Duration::from_secs(30);

/// Long enough for a sidecar that has something to ship to have begun.
const A_FEW_SYNCS: Duration = Duration::from_secs(3);

/// About 8 MB, of which no page is like another.
const FILL: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO t SELECT i, randomblob(4000) FROM n";
const DATABASE_BYTES: u64 = 8_000_000;

const ONE_MORE: &str = "INSERT INTO t(body) VALUES (randomblob(4000))";

struct Stage {
    machine: Machine,
    proxy: Proxy,
    replica: Replica,
    /// The same replica past the proxy.
    direct: Replica,
    _weed: SeaweedFs,
}

/// A database of 8 MB that is replicated, with the proxy's log still to be counted.
fn stage(scene: &Scene) -> Result<Stage> {
    let weed = SeaweedFs::start()?;
    let proxy = Proxy::start(weed.store.s3)?;
    let machine = scene.machine()?;
    sql(scene, &machine.db(), "PRAGMA journal_mode = WAL")?;
    sql(scene, &machine.db(), FILL)?;
    let direct = Replica::on_s3(weed.store);
    Ok(Stage {
        replica: direct.through(&proxy),
        direct,
        machine,
        proxy,
        _weed: weed,
    })
}

impl Stage {
    fn start(&self, scene: &Scene) -> Result<Running> {
        let settings = Settings::default();
        Program::Seawall.replicate(scene, &self.machine.db(), &self.replica, &settings)
    }

    /// Stops the sidecar with everything shipped, and compares.
    fn settle(&self, scene: &Scene, sidecar: Running) -> Result<()> {
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        Program::Seawall.restore(scene, &self.direct, &restored)?;
        pages::assert_same(&self.machine.db(), &restored)
    }

    /// How many level-0 objects were sent since the log was cleared, and their bytes.
    fn level0_puts(&self) -> (usize, u64) {
        let mut log = self.proxy.log();
        log.retain(|seen| seen.puts_level(0));
        (log.len(), log.iter().map(|seen| seen.sent).sum())
    }
}

#[test]
fn a_sidecar_that_finds_its_wal_again_sends_nothing_twice() {
    scene(|scene| {
        let stage = stage(scene)?;
        let mut app = Shell::open(scene, &stage.machine.db())?;
        let sidecar = stage.start(scene)?;
        stage.direct.wait_for_txid(1, LIMIT)?;
        let before = stage.direct.txid()?;
        app.run(ONE_MORE)?;
        let txid = stage.direct.wait_for_txid(before + 1, LIMIT)?;
        sidecar.kill()?;

        stage.proxy.clear_log();
        let sidecar = stage.start(scene)?;
        std::thread::sleep(A_FEW_SYNCS);
        ensure!(
            stage.level0_puts().0 == 0,
            "sent again: {:?}",
            stage.proxy.log()
        );
        ensure!(stage.direct.txid()? == txid);

        app.run(ONE_MORE)?;
        stage.direct.wait_for_txid(txid + 1, LIMIT)?;
        let (_, uploaded) = stage.level0_puts();
        ensure!(uploaded < DATABASE_BYTES / 50, "uploaded {uploaded} bytes");
        app.close()?;
        stage.settle(scene, sidecar)
    });
}

#[test]
fn a_sidecar_that_finds_no_wal_sends_only_the_pages_that_differ() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        let txid = stage.direct.wait_for_txid(1, LIMIT)?;
        // Whatever the sidecar keeps beside the database is written by now.
        sql(scene, &stage.machine.db(), ONE_MORE)?;
        let txid = stage.direct.wait_for_txid(txid + 1, LIMIT)?;
        sidecar.terminate(LIMIT)?.ok()?;

        sql(
            scene,
            &stage.machine.db(),
            &format!("{ONE_MORE}; {ONE_MORE}"),
        )?;
        ensure!(
            !wal_of(&stage.machine.db()).exists(),
            "the WAL is still there"
        );
        stage.proxy.clear_log();
        let sidecar = stage.start(scene)?;
        stage.direct.wait_for_txid(txid + 1, LIMIT)?;
        let (_, uploaded) = stage.level0_puts();
        println!("uploaded {uploaded} bytes of {DATABASE_BYTES}");
        ensure!(uploaded < DATABASE_BYTES / 20, "uploaded {uploaded} bytes");
        stage.settle(scene, sidecar)
    });
}

#[test]
fn a_killed_sidecar_that_finds_no_wal_loses_nothing() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        let txid = stage.direct.wait_for_txid(1, LIMIT)?;
        sidecar.kill()?;
        sql(scene, &stage.machine.db(), ONE_MORE)?;
        ensure!(
            !wal_of(&stage.machine.db()).exists(),
            "the WAL is still there"
        );
        let sidecar = stage.start(scene)?;
        stage.direct.wait_for_txid(txid + 1, LIMIT)?;
        stage.settle(scene, sidecar)
    });
}

#[test]
fn a_restored_database_goes_on_without_being_sent_again() {
    scene(|scene| {
        let mut stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        stage.direct.wait_for_txid(1, LIMIT)?;
        sidecar.terminate(LIMIT)?.ok()?;
        let txid = stage.direct.txid()?;

        stage.machine = scene.machine()?;
        Program::Seawall.restore(scene, &stage.direct, &stage.machine.db())?;
        stage.proxy.clear_log();
        let sidecar = stage.start(scene)?;
        std::thread::sleep(Duration::from_secs(1));
        sql(scene, &stage.machine.db(), ONE_MORE)?;
        stage.direct.wait_for_txid(txid + 1, LIMIT)?;
        let (_, uploaded) = stage.level0_puts();
        println!("uploaded {uploaded} bytes of {DATABASE_BYTES}");
        ensure!(uploaded < DATABASE_BYTES / 20, "uploaded {uploaded} bytes");
        stage.settle(scene, sidecar)
    });
}

#[test]
fn an_idle_database_costs_no_requests() {
    scene(|scene| {
        let stage = stage(scene)?;
        let sidecar = stage.start(scene)?;
        stage.direct.wait_for_txid(1, LIMIT)?;
        // A start may find out things about the store first.
        wait_for("an end of the requests", LIMIT, || {
            stage.proxy.clear_log();
            std::thread::sleep(A_FEW_SYNCS);
            Ok(stage.proxy.log().is_empty().then_some(()))
        })?;
        std::thread::sleep(A_FEW_SYNCS);
        let log = stage.proxy.log();
        ensure!(log.is_empty(), "requests of an idle database: {log:?}");
        stage.settle(scene, sidecar)
    });
}
