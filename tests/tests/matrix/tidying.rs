//! One program merges, snapshots and deletes what the other wrote, and has nothing to complain of.

use std::time::Duration;

use anyhow::Result;
use end_to_end::history::{History, settings};
use end_to_end::judge::check_integrity;
use end_to_end::pages;
use end_to_end::program::Program::{self, Litestream, Seawall};
use end_to_end::replica::Replica;
use end_to_end::scene::Scene;
use end_to_end::shell::Load;
use end_to_end::upkeep::Upkeep;
use end_to_end::wait_for;

use crate::{Place, cells, on};

const LIMIT: Duration = Duration::from_secs(60);
/// The app's commits: one every so many milliseconds, of so many bytes.
const WRITES: (u32, u32) = (50, 1500);

cells! {
    litestream_merges_and_deletes_seawalls_objects_on_s3: tidies(S3, Seawall, Litestream);
    litestream_merges_and_deletes_seawalls_objects_in_files: tidies(Files, Seawall, Litestream);
    seawall_merges_and_deletes_litestreams_objects_on_s3: tidies(S3, Litestream, Seawall);
    seawall_merges_and_deletes_litestreams_objects_in_files: tidies(Files, Litestream, Seawall);
}

/// `writer` leaves objects in every level; `heir` goes on with all of them until none is left.
fn tidies(scene: &Scene, replica: &Replica, writer: Program, heir: Program) -> Result<()> {
    let history = History::of(scene, writer, replica, &Upkeep::brisk())?;
    let last = replica.txid()?;
    let upkeep = Upkeep::forgetful();
    let db = history.machine.db();
    let sidecar = heir.replicate(scene, &db, replica, &settings(heir, &upkeep))?;
    let load = Load::start(scene, &db, WRITES.0, WRITES.1)?;
    wait_for("the heir's own objects in every level", LIMIT, || {
        pause();
        Ok(upkeep.missing(replica, last + 1)?.is_empty().then_some(()))
    })?;
    wait_for(
        "the writer's snapshots and level 0 to expire",
        LIMIT,
        || {
            pause();
            let mut left = replica.level(0)?;
            left.extend(replica.level(end_to_end::upkeep::SNAPSHOTS)?);
            Ok(left.iter().all(|(span, _)| span.max > last).then_some(()))
        },
    )?;
    let log = load.stop()?;
    anyhow::ensure!(log.refusals.is_empty(), "refused: {:?}", log.refusals);
    sidecar.terminate(LIMIT)?.ok()?.without_alarms()?;
    for reader in [Seawall, Litestream] {
        let restored = scene.fresh("restored.db");
        reader.restore(scene, replica, &restored)?;
        check_integrity(&restored)?;
        pages::assert_same(&db, &restored)?;
    }
    Ok(())
}

fn pause() {
    std::thread::sleep(Duration::from_millis(200));
}
