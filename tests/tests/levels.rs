//! What an own replica looks like from outside while it is merged, and when nothing happens.

use std::time::Duration;

use anyhow::ensure;
use end_to_end::history::settings;
use end_to_end::judge::check_integrity;
use end_to_end::pages;
use end_to_end::program::Program;
use end_to_end::proxy::Proxy;
use end_to_end::replica::Replica;
use end_to_end::scene::scene;
use end_to_end::shell::{Load, sql};
use end_to_end::traffic::Requests;
use end_to_end::upkeep::Upkeep;
use end_to_end::wait_for;
use end_to_end::weed::SeaweedFs;

const LIMIT: Duration = Duration::from_secs(90);
/// Longer than any interval and retention of [`Upkeep::forgetful`].
const QUIET: Duration = Duration::from_secs(12);
const WRITES: (u32, u32) = (30, 1500);

#[test]
fn every_level_fills_and_an_idle_replica_costs_no_request() {
    scene(|scene| {
        let (program, weed) = (Program::under_test()?, SeaweedFs::start()?);
        let (direct, proxy) = (Replica::on_s3(weed.store), Proxy::start(weed.store.s3)?);
        let machine = scene.machine()?;
        let db = machine.db();
        sql(scene, &db, "PRAGMA journal_mode = WAL")?;
        let upkeep = Upkeep::forgetful();
        let settings = settings(program, &upkeep);
        let sidecar = program.replicate(scene, &db, &direct.through(&proxy), &settings)?;
        let load = Load::start(scene, &db, WRITES.0, WRITES.1)?;
        wait_for("objects in every level", LIMIT, || {
            std::thread::sleep(Duration::from_millis(200));
            let txid = direct.txid()?;
            Ok((txid > 20 && upkeep.missing(&direct, 20)?.is_empty()).then_some(()))
        })?;
        let log = load.stop()?;
        ensure!(log.refusals.is_empty(), "refused: {:?}", log.refusals);
        let busy = Requests::of(&proxy.log());
        println!("{} commits: {busy:?}", log.acks.len());
        // What the last commits bring with them, level by level, comes to an end.
        wait_for("an end of the requests", LIMIT, || {
            proxy.clear_log();
            std::thread::sleep(QUIET);
            println!("in {QUIET:?} of quiet: {:?}", Requests::of(&proxy.log()));
            Ok(proxy.log().is_empty().then_some(()))
        })?;
        std::thread::sleep(QUIET);
        let idle = proxy.log();
        ensure!(idle.is_empty(), "requests of an idle database: {idle:?}");
        ensure!(
            !direct.level(0)?.is_empty(),
            "the newest object was deleted"
        );
        sidecar.terminate(LIMIT)?.ok()?.without_alarms()?;
        for reader in [Program::Seawall, Program::Litestream] {
            let restored = scene.fresh("restored.db");
            reader.restore(scene, &direct, &restored)?;
            check_integrity(&restored)?;
            pages::assert_same(&db, &restored)?;
        }
        Ok(())
    });
}
