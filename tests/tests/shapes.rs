//! Databases of every shape, and what apps do to them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::proxy::Proxy;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::shell::{Shell, sql};
use end_to_end::weed::SeaweedFs;
use end_to_end::{judge, pages, wait_for};

const LIMIT: Duration = Duration::from_secs(30);
/// A gigabyte takes its time on a busy machine.
const LONG: Duration = Duration::from_secs(150);

fn settings() -> Settings {
    Settings {
        sync_interval: Duration::from_millis(200),
        ..Settings::default()
    }
}

/// A machine whose database is replicated to a directory.
struct Stage<'a> {
    scene: &'a Scene,
    program: Program,
    machine: Machine,
    replica: Replica,
}

impl<'a> Stage<'a> {
    fn new(scene: &'a Scene) -> Result<Self> {
        Ok(Self {
            scene,
            program: Program::under_test()?,
            machine: scene.machine()?,
            replica: Replica::in_files(&scene.fresh("replica")),
        })
    }

    fn sql(&self, statements: &str) -> Result<()> {
        sql(self.scene, &self.machine.db(), statements)?;
        Ok(())
    }

    fn start(&self) -> Result<Running> {
        let db = self.machine.db();
        self.program
            .replicate(self.scene, &db, &self.replica, &settings())
    }

    /// Waits until something newer than `txid` is shipped.
    fn shipped_after(&self, txid: u64) -> Result<u64> {
        self.replica.wait_for_txid(txid + 1, LIMIT)
    }

    /// Stops the sidecar with everything shipped, restores, and compares.
    fn settle(&self, sidecar: Running) -> Result<()> {
        sidecar.terminate(LONG)?.ok()?;
        let restored = self.scene.fresh("restored.db");
        self.program.restore(self.scene, &self.replica, &restored)?;
        judge::check_integrity(&restored)?;
        pages::assert_same(&self.machine.db(), &restored)?;
        Ok(fs::remove_file(restored)?)
    }
}

/// Some rows of random bytes.
fn rows(count: u32, bytes: u32) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, body BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
         INSERT INTO t(body) SELECT randomblob({bytes}) FROM n"
    )
}

#[test]
fn a_database_that_is_not_there_yet_is_waited_for() {
    scene(|scene| {
        let stage = Stage::new(scene)?;
        let mut sidecar = stage.start()?;
        std::thread::sleep(Duration::from_secs(1));
        ensure!(
            sidecar.is_running()?,
            "it did not wait:\n{}",
            sidecar.said()?
        );
        ensure!(!stage.machine.db().exists(), "it made a file of its own");
        stage.sql(&rows(100, 1000))?;
        stage.shipped_after(0)?;
        stage.settle(sidecar)
    });
}

#[test]
fn an_empty_file_is_waited_for() {
    scene(|scene| {
        let stage = Stage::new(scene)?;
        fs::write(stage.machine.db(), "")?;
        let mut sidecar = stage.start()?;
        std::thread::sleep(Duration::from_secs(1));
        ensure!(
            sidecar.is_running()?,
            "it did not wait:\n{}",
            sidecar.said()?
        );
        stage.sql(&rows(100, 1000))?;
        stage.shipped_after(0)?;
        stage.settle(sidecar)
    });
}

#[test]
fn every_page_size_is_shipped() {
    scene(|scene| {
        let mut stages = Vec::new();
        for shift in 9..=16 {
            let stage = Stage::new(scene)?;
            stage.sql(&format!(
                "PRAGMA page_size = {}; {}",
                1 << shift,
                rows(40, 5000)
            ))?;
            let sidecar = stage.start()?;
            stages.push((stage, sidecar));
        }
        for (stage, sidecar) in stages {
            let txid = stage.shipped_after(0)?;
            stage.sql("UPDATE t SET body = randomblob(7000) WHERE id % 3 = 0")?;
            let txid = stage.shipped_after(txid)?;
            stage.sql("DELETE FROM t WHERE id % 2 = 0")?;
            stage.shipped_after(txid)?;
            stage.settle(sidecar)?;
        }
        Ok(())
    });
}

#[test]
fn a_database_that_shrinks_and_grows_again_is_followed() {
    for mode in ["FULL", "INCREMENTAL"] {
        scene(|scene| {
            let stage = Stage::new(scene)?;
            stage.sql(&format!(
                "PRAGMA auto_vacuum = {mode}; {}",
                rows(1500, 2000)
            ))?;
            let sidecar = stage.start()?;
            let txid = stage.shipped_after(0)?;
            stage.sql("DELETE FROM t WHERE id > 20; PRAGMA incremental_vacuum")?;
            let txid = stage.shipped_after(txid)?;
            stage.sql(&rows(300, 2000))?;
            stage.shipped_after(txid)?;
            stage.settle(sidecar)
        });
    }
}

#[test]
fn a_vacuum_is_shipped() {
    scene(|scene| {
        let stage = Stage::new(scene)?;
        stage.sql(&rows(1000, 2000))?;
        let sidecar = stage.start()?;
        let txid = stage.shipped_after(0)?;
        stage.sql("DELETE FROM t WHERE id % 4 > 0")?;
        let txid = stage.shipped_after(txid)?;
        stage.sql("VACUUM")?;
        let txid = stage.shipped_after(txid)?;
        stage.sql(&rows(10, 2000))?;
        stage.shipped_after(txid)?;
        stage.settle(sidecar)
    });
}

#[test]
fn one_transaction_much_larger_than_the_rest_is_shipped() {
    scene(|scene| {
        let stage = Stage::new(scene)?;
        stage.sql(&rows(10, 2000))?;
        let sidecar = stage.start()?;
        let txid = stage.shipped_after(0)?;
        stage.sql(&rows(20_000, 4000))?;
        stage.replica.wait_for_txid(txid + 1, LONG)?;
        stage.settle(sidecar)
    });
}

fn remove_database(db: &Path) -> Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut name = db.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The sidecar may go on with the new file by itself, or end with an error to be started again.
#[test]
fn a_database_replaced_under_the_sidecar_is_noticed_and_shipped() {
    scene(|scene| {
        let stage = Stage::new(scene)?;
        stage.sql(&rows(500, 2000))?;
        let mut sidecar = stage.start()?;
        let txid = stage.shipped_after(0)?;
        remove_database(&stage.machine.db())?;
        stage.sql(&format!("CREATE TABLE new(x); {}", rows(300, 1000)))?;
        let went_on = wait_for("the new database to be noticed", LIMIT, || {
            if !sidecar.is_running()? {
                return Ok(Some(false));
            }
            Ok((stage.replica.txid()? > txid).then_some(true))
        })?;
        if !went_on {
            let outcome = sidecar.wait(LIMIT)?;
            ensure!(outcome.code() != Some(0), "it ended as if all were well");
            sidecar = stage.start()?;
            stage.shipped_after(txid)?;
        }
        let txid = stage.replica.txid()?;
        stage.sql(&rows(10, 1000))?;
        stage.shipped_after(txid)?;
        stage.settle(sidecar)
    });
}

#[test]
fn an_app_that_comes_and_goes_is_followed() {
    scene(|scene| {
        let stage = Stage::new(scene)?;
        stage.sql(&rows(100, 1000))?;
        let sidecar = stage.start()?;
        let mut txid = stage.shipped_after(0)?;
        // Each closes the app's last connection.
        for _ in 0..10 {
            stage.sql(&rows(5, 1000))?;
            txid = stage.shipped_after(txid)?;
        }
        // Each asks for more than it gets.
        for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
            let mut app = Shell::open(scene, &stage.machine.db())?;
            app.run("PRAGMA busy_timeout = 100")?;
            app.run(&rows(5, 1000))?;
            app.attempt(&format!("PRAGMA wal_checkpoint({mode})"))?;
            app.close()?;
            txid = stage.shipped_after(txid)?;
        }
        stage.settle(sidecar)
    });
}

/// 1.1 GB, of which most is nearly empty: past the lock byte, and past every buffer.
#[test]
fn alone_a_database_of_more_than_a_gigabyte_is_shipped_to_s3_and_comes_back() {
    scene(|scene| {
        let mut stage = Stage::new(scene)?;
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        stage.replica = Replica::on_s3(weed.store).through(&proxy);
        stage.sql(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             CREATE TABLE big(id INTEGER PRIMARY KEY, body BLOB);
             INSERT INTO big VALUES (1, zeroblob(560000000)), (2, zeroblob(540000000))",
        )?;
        stage.sql(&rows(8000, 4000))?;
        let sidecar = stage.start()?;
        let txid = stage.replica.wait_for_txid(1, LONG)?;
        stage.sql("UPDATE t SET body = randomblob(4000) WHERE id % 100 = 0")?;
        let txid = stage.replica.wait_for_txid(txid + 1, LONG)?;
        stage.sql(&rows(100, 4000))?;
        stage.replica.wait_for_txid(txid + 1, LONG)?;
        println!("{} MB uploaded", proxy.uploaded() / 1_000_000);
        stage.settle(sidecar)
    });
}
