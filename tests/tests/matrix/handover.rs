//! One program starts where the other stopped, on one disk and one replica, while the app writes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::history::settings;
use end_to_end::judge::{check_integrity, open_copy};
use end_to_end::pages;
use end_to_end::program::Program::{self, Litestream, Seawall};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::Scene;
use end_to_end::shell::{Load, Shell, sql};
use end_to_end::stock::SOME_ROWS;
use end_to_end::upkeep::Upkeep;

use crate::{Place, cells, on};

const LIMIT: Duration = Duration::from_secs(60);
const ROUNDS: usize = 3;
/// Objects that a program ships before the other has its turn.
const OBJECTS: u64 = 8;
/// The app's commits: one every so many milliseconds, of so many bytes.
const WRITES: (u32, u32) = (20, 1500);

#[derive(Clone, Copy)]
enum End {
    /// SIGTERM: everything committed before it is shipped.
    Asked,
    /// SIGKILL.
    Killed,
}
use End::{Asked, Killed};

cells! {
    seawall_and_litestream_take_turns_on_s3_under_load: take_turns(S3, [Litestream, Seawall], Asked);
    seawall_and_litestream_take_turns_on_files_under_load: take_turns(Files, [Litestream, Seawall], Asked);
    litestream_and_seawall_take_turns_on_s3_under_load: take_turns(S3, [Seawall, Litestream], Asked);
    litestream_and_seawall_take_turns_on_files_under_load: take_turns(Files, [Seawall, Litestream], Asked);
    each_goes_on_where_the_other_was_killed: take_turns(S3, [Seawall, Litestream], Killed);

    what_was_checkpointed_after_litestream_stopped_is_shipped_by_seawall: checkpointed(S3, Litestream);
    what_was_checkpointed_after_seawall_stopped_is_shipped_by_seawall: checkpointed(Files, Seawall);
}

/// The sidecars' own checkpoints happen as they do in life.
fn brisk(program: Program) -> Settings {
    Settings {
        db: Vec::new(),
        ..settings(program, &Upkeep::brisk())
    }
}

fn take_turns(scene: &Scene, replica: &Replica, turns: [Program; 2], end: End) -> Result<()> {
    let machine = scene.machine()?;
    let db = machine.db();
    sql(scene, &db, "PRAGMA journal_mode = WAL")?;
    // An app's checkpoint between two turns would end Litestream's part in this: it goes on in the
    // new WAL and never ships what was committed in the old one after its end (seen with Litestream
    // alone). Our part of that is the test below.
    let load = Load::append(scene, &db, WRITES.0, WRITES.1)?;
    for program in turns.repeat(ROUNDS) {
        let before = replica.txid()?;
        let sidecar = program.replicate(scene, &db, replica, &brisk(program))?;
        let txid = replica.wait_for_txid(before + OBJECTS, LIMIT)?;
        let acknowledged = load.log()?.acks.len();
        match end {
            Asked => drop(sidecar.terminate(LIMIT)?.ok()?),
            Killed => drop(sidecar.kill()?),
        }
        println!(
            "{}: TXID {before} to {txid}, {acknowledged} commits so far",
            program.name()
        );
        for reader in [Seawall, Litestream] {
            let restored = scene.fresh("restored.db");
            reader.restore(scene, replica, &restored)?;
            let found = rows(&restored)?;
            if matches!(end, Asked) {
                ensure!(
                    found >= acknowledged,
                    "{} restored {found} rows of {acknowledged}",
                    reader.name()
                );
            }
        }
    }
    // The last word, with nobody writing any more.
    let last = turns[1];
    let txid = replica.txid()?;
    let sidecar = last.replicate(scene, &db, replica, &brisk(last))?;
    replica.wait_for_txid(txid + 1, LIMIT)?;
    let log = load.stop()?;
    ensure!(log.refusals.is_empty(), "refused: {:?}", log.refusals);
    sidecar.terminate(LIMIT)?.ok()?;
    for reader in [Seawall, Litestream] {
        let restored = scene.fresh("restored.db");
        reader.restore(scene, replica, &restored)?;
        ensure!(rows(&restored)? == log.acks.len());
        pages::assert_same(&db, &restored)?;
    }
    Ok(())
}

/// Commits that no WAL holds any more, behind a WAL that is younger and shorter than the one that
/// was shipped last.
fn checkpointed(scene: &Scene, replica: &Replica, before: Program) -> Result<()> {
    let machine = scene.machine()?;
    let db = machine.db();
    let mut app = Shell::open(scene, &db)?;
    app.run(SOME_ROWS)?;
    for round in 1..=ROUNDS {
        let txid = replica.txid()?;
        let sidecar = before.replicate(scene, &db, replica, &brisk(before))?;
        app.run("UPDATE t SET body = randomblob(3000)")?;
        replica.wait_for_txid(txid + 1, LIMIT)?;
        sidecar.terminate(LIMIT)?.ok()?;
        app.run("INSERT INTO t(body) VALUES (randomblob(20000))")?;
        app.run("UPDATE t SET body = randomblob(3000) WHERE id = 7")?;
        app.run("PRAGMA wal_checkpoint(RESTART)")?;
        app.run("INSERT INTO t(body) VALUES (randomblob(100))")?;

        let txid = replica.txid()?;
        let sidecar = Seawall.replicate(scene, &db, replica, &brisk(Seawall))?;
        replica.wait_for_txid(txid + 1, LIMIT)?;
        sidecar.terminate(LIMIT)?.ok()?;
        println!("round {round}: TXID {txid}, then {}", replica.txid()?);
        for reader in [Seawall, Litestream] {
            let restored = scene.fresh("restored.db");
            reader.restore(scene, replica, &restored)?;
            pages::assert_same(&db, &restored)?;
        }
    }
    app.close()
}

/// How many rows of the load there are: a database that is whole, and rows without a gap.
fn rows(db: &Path) -> Result<usize> {
    check_integrity(db)?;
    let (_dir, connection) = open_copy(db)?;
    let mut statement = connection.prepare("SELECT id FROM load")?;
    let ids = statement.query_map([], |row| row.get::<_, i64>(0))?;
    let ids: BTreeSet<i64> = ids.collect::<Result<_, _>>()?;
    let last = ids.last().copied().unwrap_or(0);
    ensure!(
        ids.len() as i64 == last,
        "{} rows, the last is {last}",
        ids.len()
    );
    Ok(ids.len())
}
