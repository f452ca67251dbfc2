//! `seawall doctor` before a real store, a real app and a real Litestream.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Machine, Scene, scene};
use end_to_end::shell::{Shell, sql};
use end_to_end::stock::SOME_ROWS;
use end_to_end::wait_for;
use end_to_end::weed::SeaweedFs;

const LIMIT: Duration = Duration::from_secs(30);

/// What the doctor says about a database and its replica, with this exit code.
fn examined(scene: &Scene, machine: &Machine, replica: &Replica, code: i32) -> Result<String> {
    let config = scene.fresh("config.yml");
    fs::write(&config, replica.config(&machine.db(), &Settings::default()))?;
    let path = config.display().to_string();
    let words = ["doctor", "-config", &path];
    let outcome = Program::Seawall.run(scene, replica, &words)?;
    let said = outcome.expect(code)?.output;
    let secret = &replica.secret_key;
    ensure!(
        secret.is_empty() || !said.contains(secret),
        "it tells the secret:\n{said}"
    );
    Ok(said)
}

/// Insists that a line begins so, and that all the words follow it somewhere.
fn names(said: &str, line: &str, words: &[&str]) -> Result<()> {
    let place = said.find(line);
    let place = place.with_context(|| format!("no line {line:?} in:\n{said}"))?;
    for word in words {
        ensure!(
            said[place..].contains(word),
            "{word:?} does not follow {line:?} in:\n{said}"
        );
    }
    Ok(())
}

fn machine(scene: &Scene) -> Result<Machine> {
    let machine = scene.machine()?;
    sql(scene, &machine.db(), SOME_ROWS)?;
    Ok(machine)
}

#[test]
fn of_a_real_store_there_is_nothing_to_complain_and_nothing_is_left() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let machine = machine(scene)?;
        let before = machine.contents()?;
        let replica = Replica::on_s3(weed.store);
        let said = examined(scene, &machine, &replica, 0)?;
        for check in ["clock", "list", "put", "get", "conditional put", "delete"] {
            names(&said, &format!("  ok       {check} "), &[])?;
        }
        ensure!(machine.contents()? == before, "a file was changed");
        let left = replica.objects.list()?;
        ensure!(left.is_empty(), "it left {left:?}");
        Ok(())
    });
}

#[test]
fn a_wrong_secret_key_and_a_missing_bucket_are_named() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let machine = machine(scene)?;
        let mut replica = Replica::on_s3(weed.store);
        replica.secret_key = "something-else".into();
        let said = examined(scene, &machine, &replica, 1)?;
        let words = ["SignatureDoesNotMatch", "check `secret-access-key`"];
        names(&said, "  FAULT    list", &words)?;

        let mut replica = Replica::on_s3(weed.store);
        replica.bucket = "no-such-bucket".into();
        let said = examined(scene, &machine, &replica, 1)?;
        let words = ["there is no bucket \"no-such-bucket\"", "make the bucket"];
        names(&said, "  FAULT    list", &words)
    });
}

#[test]
fn a_litestream_at_work_is_named_and_so_is_the_app() {
    scene(|scene| {
        let machine = machine(scene)?;
        let mut app = Shell::open(scene, &machine.db())?;
        app.run("SELECT count(*) FROM t")?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let settings = Settings::default();
        let peer = Program::Litestream.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        wait_for("the doctor to see Litestream", LIMIT, || {
            let said = examined(scene, &machine, &replica, 1);
            Ok(said.is_ok().then_some(()))
        })?;
        let said = examined(scene, &machine, &replica, 1)?;
        names(
            &said,
            "  FAULT    replicator",
            &["litestream (pid", "stop Litestream"],
        )?;
        names(&said, "  ok       held open by", &["client (pid"])?;
        peer.terminate(LIMIT)?;
        Ok(())
    });
}
