//! The app does not notice that it is replicated.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::ack::{AckLog, Refusal};
use end_to_end::app::{App, Habits};
use end_to_end::judge::{State, judge};
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::shell::{Load, Shell, sql, tear_wal_index};
use end_to_end::{judge, now_ms, pages, wait_for};
use rand::RngExt;

const LIMIT: Duration = Duration::from_secs(30);
const LIFE: Duration = Duration::from_secs(8);

/// A torn WAL-index must be mended within a second; the rest is a busy machine's.
const LOCKED_OUT_MS: f64 = 2000.0;

/// The app's one transaction, on a second connection: it loses races against the app's own
/// updates, in either journal mode and with no sidecar near: once or twice in [`LIFE`].
const TRANSACTION: &str = "author";
const MORE_BY_CHANCE: usize = 3;

fn fast() -> Settings {
    Settings {
        sync_interval: Duration::from_millis(100),
        ..Settings::default()
    }
}

fn live(scene: &Scene, machine: &Machine) -> Result<AckLog> {
    let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
    std::thread::sleep(LIFE);
    app.stop()
}

#[test]
fn the_app_is_refused_nothing_that_it_was_not_refused_before() {
    scene(|scene| {
        let program = Program::under_test()?;
        let alone = live(scene, &scene.machine()?)?;
        for sidecar_first in [true, false] {
            let machine = scene.machine()?;
            let replica = Replica::in_files(&scene.fresh("replica"));
            let start = || program.replicate(scene, &machine.db(), &replica, &fast());
            let (sidecar, log) = if sidecar_first {
                let sidecar = start()?;
                (sidecar, live(scene, &machine)?)
            } else {
                // Under a running app that opened in delete mode.
                let app = App::start(scene, &machine.db(), Habits::HURRIED)?;
                std::thread::sleep(Duration::from_secs(1));
                let sidecar = start()?;
                std::thread::sleep(LIFE);
                (sidecar, app.stop()?)
            };
            println!(
                "alone: {} written, {} refused; replicated: {} written, {} refused",
                alone.acks.len(),
                alone.refusals.len(),
                log.acks.len(),
                log.refusals.len()
            );
            let others = |refused: &&Refusal| refused.op != TRANSACTION;
            let first = log.refusals.iter().find(others);
            ensure!(first.is_none(), "refused: {first:?}");
            ensure!(
                log.refusals.len() <= alone.refusals.len() + MORE_BY_CHANCE,
                "alone {:?}, replicated {:?}",
                alone.refusals,
                log.refusals
            );
            sidecar.terminate(LIMIT)?.ok()?;
            let restored = scene.fresh("restored.db");
            program.restore(scene, &replica, &restored)?;
            pages::assert_same(&machine.db(), &restored)?;
            let after = State::read(&restored)?;
            judge(&State::default(), &log.acks, &after, now_ms(), 0.0)?;
        }
        Ok(())
    });
}

/// What Seawall says when it lets the WAL grow so as not to make the app wait.
const SLOW_DISK: &str = "not getting shorter";

#[test]
fn the_wal_stays_small_under_constant_load_or_the_log_says_why_not() {
    const ROW_BYTES: u32 = 4000;
    // The file keeps the most that it ever held: without restarts that would be all that was
    // written, two frames and a half for each row.
    const ROWS: usize = 16_000;
    const WAL_LIMIT_BYTES: u64 = ROWS as u64 * ROW_BYTES as u64;
    scene(|scene| {
        let machine = scene.machine()?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        sql(scene, &machine.db(), "PRAGMA journal_mode = WAL")?;
        let program = Program::under_test()?;
        let sidecar = program.replicate(scene, &machine.db(), &replica, &fast())?;
        let load = Load::start(scene, &machine.db(), 1, ROW_BYTES)?;
        while load.log()?.acks.len() < ROWS {
            std::thread::sleep(Duration::from_secs(1));
        }
        let log = load.stop()?;
        let written = u64::from(ROW_BYTES) * log.acks.len() as u64;
        let most = log.acks.iter().map(|ack| ack.wal_bytes).max();
        println!("{written} bytes of rows, WAL at most {most:?} bytes");
        ensure!(log.refusals.is_empty(), "refused: {:?}", log.refusals);
        let outcome = sidecar.terminate(LIMIT)?.ok()?;
        if most.is_none_or(|most| most > WAL_LIMIT_BYTES) {
            outcome.says(SLOW_DISK)?;
        }
        let restored = scene.fresh("restored.db");
        program.restore(scene, &replica, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}

/// The salts in the WAL's header: new ones each time that the WAL is started anew.
fn salts(machine: &Machine) -> Result<Vec<u8>> {
    let wal = fs::read(machine.dir().join("app.db-wal"))?;
    Ok(wal.get(16..24).unwrap_or_default().to_vec())
}

#[test]
fn the_wal_is_started_anew_when_the_app_pauses() {
    scene(|scene| {
        let machine = scene.machine()?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        sql(scene, &machine.db(), "PRAGMA journal_mode = WAL")?;
        let program = Program::under_test()?;
        let settings = Settings {
            db: vec!["checkpoint-interval: 2s".into()],
            ..fast()
        };
        let sidecar = program.replicate(scene, &machine.db(), &replica, &settings)?;
        let load = Load::start(scene, &machine.db(), 1, 4000)?;
        std::thread::sleep(LIFE / 2);
        load.stop()?;
        let full = salts(&machine)?;
        let mut app = Shell::open(scene, &machine.db())?;
        wait_for("a new WAL", LIMIT, || {
            std::thread::sleep(Duration::from_secs(4));
            app.run("INSERT INTO load(at) VALUES (0)")?;
            Ok((salts(&machine)? != full).then_some(()))
        })?;
        app.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        program.restore(scene, &replica, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}

#[test]
fn an_app_that_died_while_it_wrote_the_wal_index_locks_nobody_out() {
    scene(|scene| {
        let machine = scene.machine()?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let mut app = Shell::open(scene, &machine.db())?;
        app.run("PRAGMA journal_mode = WAL; CREATE TABLE t(n INTEGER)")?;
        let program = Program::under_test()?;
        let sidecar = program.replicate(scene, &machine.db(), &replica, &fast())?;
        replica.wait_for_txid(1, LIMIT)?;
        for n in 0..6 {
            app.run(&format!("INSERT INTO t VALUES ({n})"))?;
            tear_wal_index(scene, &machine.db())?;
            let statement = match n % 2 {
                0 => "SELECT count(*) FROM t".into(),
                _ => format!("INSERT INTO t VALUES ({n})"),
            };
            let answer = if n % 3 == 2 {
                // A connection that has not seen the WAL-index before.
                sql(scene, &machine.db(), &statement)?
            } else {
                app.run(&statement)?
            };
            println!("after a torn header: {statement} took {:.0} ms", answer.ms);
            ensure!(answer.ms < LOCKED_OUT_MS, "locked out for {} ms", answer.ms);
        }
        app.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        program.restore(scene, &replica, &restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}

#[test]
fn writers_killed_at_random_moments_lock_nobody_out() {
    scene(|scene| {
        let machine = scene.machine()?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let mut app = Shell::open(scene, &machine.db())?;
        app.run("PRAGMA journal_mode = WAL; CREATE TABLE t(n INTEGER)")?;
        let program = Program::under_test()?;
        let sidecar = program.replicate(scene, &machine.db(), &replica, &fast())?;
        replica.wait_for_txid(1, LIMIT)?;
        let mut acknowledged = 0;
        for n in 0..20 {
            let load = Load::start(scene, &machine.db(), 0, 500)?;
            wait_for("the load to write", LIMIT, || {
                Ok((load.log()?.acks.len() > 20).then_some(()))
            })?;
            let odd_ms = rand::rng().random_range(0..150);
            std::thread::sleep(Duration::from_millis(odd_ms));
            acknowledged += load.kill()?.acks.len();
            let answer = app.run(&format!("INSERT INTO t VALUES ({n})"))?;
            ensure!(answer.ms < LOCKED_OUT_MS, "locked out for {} ms", answer.ms);
        }
        let count = app.value("SELECT count(*) FROM load")?;
        let count = usize::try_from(count.as_u64().unwrap_or(0))?;
        ensure!(count >= acknowledged, "{count} of {acknowledged} are there");
        app.close()?;
        sidecar.terminate(LIMIT)?.ok()?;
        let restored = scene.fresh("restored.db");
        program.restore(scene, &replica, &restored)?;
        judge::check_integrity(&restored)?;
        pages::assert_same(&machine.db(), &restored)
    });
}
