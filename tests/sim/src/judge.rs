//! Says whether a bucket is what it should be: restored by the component and in the plainest way,
//! both must be equal, sound, and what some commit left.

use crate::app::{SCHEMA, connect};
use crate::app_files::run_as;
use crate::bucket::Bucket;
use crate::guest::{State, wit};
use crate::ledger::{Claim, Contents};
use crate::machine::{Machine, Role};
use crate::replica;
use crate::sidecar::Surroundings;
use anyhow::{Context, Result, ensure};
use engine::ports::FileKind;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasmtime::component::Accessor;

fn idle() -> wit::Settings {
    wit::Settings {
        layout: wit::Layout::Hexadecimal,
        min_checkpoint_pages: 0,
        max_wal_pages: 0,
        max_sync_bytes: 0,
        checkpoint_interval_ms: 0,
        require_fencing: false,
        level_intervals_ms: Vec::new(),
        snapshot_interval_ms: 0,
        snapshot_retention_ms: 0,
        l0_retention_ms: 0,
        l0_retention_check_ms: 0,
        retention: false,
        part_bytes: 5 << 20,
        parts_in_flight: 2,
    }
}

/// Restores the newest state into the empty machine, by the component. Returns its TXID; `None`:
/// there is nothing.
pub async fn restore(
    around: &Surroundings,
    machine: &Machine,
    bucket: Bucket,
) -> Result<Option<u64>> {
    let process = machine.start(Role::Sidecar);
    let (mut store, guest) = around
        .program
        .instantiate(
            process.clone(),
            bucket,
            around.clock.clone(),
            &around.dice,
            around.trace.clone(),
            Arc::new(|| {}),
        )
        .await
        .map_err(trapped)?;
    let guest = &guest;
    let work = async |accessor: &Accessor<State>| {
        let replicator = guest.seawall_replicator_replicator();
        replicator.call_configure(accessor, idle()).await?;
        let options = wit::RestoreOptions {
            target: wit::Target::Latest,
            parallelism: 4,
            check: wit::Integrity::Full,
            follow: false,
        };
        replicator.call_restore(accessor, options).await
    };
    let restored = store.run_concurrent(work).await;
    process.end();
    match restored.and_then(|restored| restored).map_err(trapped)? {
        Ok(restored) => Ok(Some(restored.txid)),
        Err(wit::Error::Nothing(_)) => Ok(None),
        Err(error) => anyhow::bail!("it cannot be restored: {error:?}"),
    }
}

fn trapped(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("the component trapped: {error:?}")
}

/// `claims`: of what the bucket holds, as it is.
pub async fn replica(around: &Surroundings, bucket: Bucket, claims: &[Claim]) -> Result<()> {
    let plain = replica::restore(&bucket.objects()).context("restored the plainest way")?;
    let machine = Machine::new(0, around.dice.clone());
    let restored = restore(around, &machine, bucket).await?;
    let Some((txid, expected)) = plain else {
        ensure!(restored.is_none(), "restored from nothing: {restored:?}");
        let claim = claims.last();
        ensure!(
            claim.is_none_or(|claim| claim.commit == 0),
            "all is gone: {claim:?}"
        );
        return Ok(());
    };
    ensure!(
        restored == Some(txid),
        "TXID {restored:?} was restored, there is {txid}"
    );
    let found = machine.disk.bytes(FileKind::Database);
    let found = found.context("there is no file")?;
    ensure!(found == expected, "TXID {txid}: the two restores differ");
    let contents = read(&machine, around.clock.now_ms())?;
    let judged = around.ledger.judge(&contents, claims);
    judged.map_err(|text| anyhow::anyhow!("TXID {txid}: {text}"))
}

/// What a sound database of the app holds.
///
/// Errors: it is not sound, or something is in it that the app did not put there.
pub fn read(machine: &Machine, now_ms: u64) -> Result<Contents> {
    let process = machine.start(Role::App);
    let read = run_as(&process, now_ms, || {
        let connection = connect()?;
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        ensure!(check == "ok", "integrity_check: {check}");
        let names = names(&connection)?;
        if names.is_empty() {
            // A database without a table: before the app's first commit.
            return Ok(Contents::default());
        }
        let expected = Connection::open_in_memory()?;
        expected.execute_batch(SCHEMA)?;
        let expected = self::names(&expected)?;
        ensure!(names == expected, "the schema is {names:?}");
        Ok(Contents::read(&connection)?)
    });
    process.end();
    read
}

fn names(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare("SELECT type || ' ' || name FROM sqlite_schema")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}
