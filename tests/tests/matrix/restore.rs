//! What one program ships, merges and snapshots, the other restores: the newest state, a TXID, a
//! time.

use anyhow::{Result, ensure};
use end_to_end::history::{History, rfc3339};
use end_to_end::judge::check_integrity;
use end_to_end::pages;
use end_to_end::program::Program::{self, Litestream, Seawall};
use end_to_end::replica::Replica;
use end_to_end::scene::Scene;
use end_to_end::upkeep::Upkeep;

use crate::{Place, cells, on};

#[derive(Clone, Copy)]
enum Target {
    Newest,
    Txid,
    Time,
}
use Target::{Newest, Time, Txid};

cells! {
    litestream_restores_the_newest_state_of_seawalls_s3_replica: restores(S3, Seawall, Litestream, Newest);
    litestream_restores_each_txid_of_seawalls_s3_replica: restores(S3, Seawall, Litestream, Txid);
    litestream_restores_each_time_of_seawalls_s3_replica: restores(S3, Seawall, Litestream, Time);
    litestream_restores_the_newest_state_of_seawalls_file_replica: restores(Files, Seawall, Litestream, Newest);
    litestream_restores_each_txid_of_seawalls_file_replica: restores(Files, Seawall, Litestream, Txid);
    litestream_restores_each_time_of_seawalls_file_replica: restores(Files, Seawall, Litestream, Time);

    seawall_restores_the_newest_state_of_litestreams_s3_replica: restores(S3, Litestream, Seawall, Newest);
    seawall_restores_each_txid_of_litestreams_s3_replica: restores(S3, Litestream, Seawall, Txid);
    seawall_restores_each_time_of_litestreams_s3_replica: restores(S3, Litestream, Seawall, Time);
    seawall_restores_the_newest_state_of_litestreams_file_replica: restores(Files, Litestream, Seawall, Newest);
    seawall_restores_each_txid_of_litestreams_file_replica: restores(Files, Litestream, Seawall, Txid);
    seawall_restores_each_time_of_litestreams_file_replica: restores(Files, Litestream, Seawall, Time);

    seawall_restores_each_txid_of_its_own_s3_replica: restores(S3, Seawall, Seawall, Txid);
    seawall_restores_each_time_of_its_own_file_replica: restores(Files, Seawall, Seawall, Time);

    seawall_tells_which_times_it_can_restore_when_asked_for_another: tells_times(S3, Litestream);
    seawall_tells_which_times_of_its_own_it_can_restore: tells_times(Files, Seawall);
}

fn restores(
    scene: &Scene,
    replica: &Replica,
    writer: Program,
    reader: Program,
    target: Target,
) -> Result<()> {
    let history = History::of(scene, writer, replica, &Upkeep::brisk())?;
    if matches!(target, Newest) {
        let restored = scene.fresh("restored.db");
        reader.restore(scene, replica, &restored)?;
        check_integrity(&restored)?;
        return pages::assert_same(&history.machine.db(), &restored);
    }
    // Litestream refuses a time after the newest object's.
    let moments = match target {
        Time => &history.moments[..history.moments.len() - 1],
        _ => &history.moments[..],
    };
    for moment in moments {
        let (flag, value) = match target {
            Txid => ("-txid", moment.txid()),
            _ => ("-timestamp", moment.timestamp()?),
        };
        let restored = scene.fresh("restored.db");
        let flags = [flag, value.as_str()];
        reader
            .try_restore_of(scene, replica, &restored, &flags)?
            .ok()?;
        check_integrity(&restored)?;
        moment.assert_restored(&restored)?;
    }
    Ok(())
}

/// A time before there was a backup.
fn tells_times(scene: &Scene, replica: &Replica, writer: Program) -> Result<()> {
    const DAY_MS: f64 = 24.0 * 3600.0 * 1000.0;
    let history = History::of(scene, writer, replica, &Upkeep::brisk())?;
    let first = &history.moments[0];
    let (before, out) = (rfc3339(first.at_ms - DAY_MS)?, scene.fresh("restored.db"));
    let flags = ["-timestamp", before.as_str()];
    let outcome = Seawall.try_restore_of(scene, replica, &out, &flags)?;
    ensure!(
        outcome.code() != Some(0),
        "restored a time before the first backup"
    );
    ensure!(!out.exists(), "left a file behind");
    // The day and hour of the backup, as it is written in a timestamp.
    let hour = &first.timestamp()?[.."2026-11-25T22".len()];
    outcome.says(hour)?;
    Ok(())
}
