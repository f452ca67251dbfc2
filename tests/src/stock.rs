//! A database and its replica, ready for a test to break.

use std::time::Duration;

use anyhow::Result;

use crate::program::Program;
use crate::replica::{Replica, Settings};
use crate::scene::{Machine, Scene};
use crate::shell::sql;

const LIMIT: Duration = Duration::from_secs(30);

/// About 200 kB.
pub const SOME_ROWS: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
    INSERT INTO t SELECT i, randomblob(3000) FROM n";

/// A database with some rows, shipped to a directory in several objects.
pub fn shipped(scene: &Scene) -> Result<(Machine, Replica)> {
    let replica = Replica::in_files(&scene.fresh("replica"));
    Ok((shipped_to(scene, &replica)?, replica))
}

/// As [`shipped`], to a replica of the caller's.
pub fn shipped_to(scene: &Scene, replica: &Replica) -> Result<Machine> {
    let machine = scene.machine()?;
    sql(scene, &machine.db(), SOME_ROWS)?;
    let settings = Settings {
        sync_interval: Duration::from_millis(100),
        // Whatever the clock says, nothing is merged: each object is needed.
        global: vec!["levels: [{interval: 24h}]".into()],
        ..Settings::default()
    };
    let sidecar = Program::Seawall.replicate(scene, &machine.db(), replica, &settings)?;
    replica.wait_for_txid(1, LIMIT)?;
    for _ in 0..3 {
        let txid = replica.txid()?;
        let more = "UPDATE t SET body = randomblob(3000) WHERE id % 5 = 0";
        sql(scene, &machine.db(), more)?;
        replica.wait_for_txid(txid + 1, LIMIT)?;
    }
    sidecar.terminate(LIMIT)?.ok()?;
    Ok(machine)
}
