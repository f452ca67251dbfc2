//! The clients that people have, unchanged, against both hosts of the component: `@libsql/client` of
//! npm, and Python's `libsql-client`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use end_to_end::edge::Edge;
use end_to_end::places;
use end_to_end::process::Running;
use end_to_end::replica::Replica;
use end_to_end::scene::{Scene, scene};
use end_to_end::weed::SeaweedFs;

const LIMIT: Duration = Duration::from_secs(120);
const TOKEN: &str = "open sesame";

fn script(name: &str) -> Result<String> {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    ensure!(
        clients.join("node_modules/.ready").exists(),
        "tests/clients has no packages: run scripts/setup test"
    );
    Ok(clients.join(name).display().to_string())
}

/// Runs a client's script to its end; it says what works.
fn run(scene: &Scene, edge: &Edge, mut command: Command, sections: &[&str]) -> Result<()> {
    command
        .env("URL", format!("http://{}", edge.addr))
        .env("TOKEN", TOKEN);
    let log = scene.fresh("client.log");
    let done = Running::start("the client", &mut command, &log)?
        .wait(LIMIT)?
        .ok()?;
    for section in sections {
        ensure!(
            done.output.contains(&format!("{section}: ok")),
            "{}",
            done.output
        );
    }
    Ok(())
}

fn both(scene: &Scene, edge: &Edge) -> Result<()> {
    let mut node = Command::new("node");
    node.arg(script("javascript.mjs")?);
    let sections = [
        "types",
        "results",
        "batches",
        "transactions",
        "conflicts",
        "errors",
        "concurrency",
    ];
    run(scene, edge, node, &sections)?;
    let mut python = Command::new(places::tool("python")?);
    python.arg(script("python_client.py")?);
    run(
        scene,
        edge,
        python,
        &["types", "batches", "errors", "concurrency"],
    )
}

fn guarded(scene: &Scene, replica: &Replica) -> Result<Edge> {
    let token = scene.fresh("token");
    std::fs::write(&token, TOKEN)?;
    Edge::guarded(
        scene,
        replica,
        &["-token-file", &token.display().to_string()],
    )
}

#[test]
fn of_a_bucket_by_seawall_serve() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        both(scene, &guarded(scene, &Replica::on_s3(weed.store))?)
    });
}

#[test]
fn of_a_directory_by_seawall_serve() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        both(scene, &guarded(scene, &replica)?)
    });
}

#[test]
fn of_a_bucket_by_wasmtime_serve() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        both(
            scene,
            &Edge::composed(scene, &replica, &[("SEAWALL_TOKEN", TOKEN)])?,
        )
    });
}
