//! Two edge processes on one database that lives in a bucket: both write, one is killed, the other reads
//! on, and the file is restored. `make demo-edge` runs it.
//!
//!   demo-edge [--stay]
//!
//! Each process is the example app under `wasmtime serve`. With --stay they go on, for a browser.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use end_to_end::edge::Edge;
use end_to_end::judge::open_copy;
use end_to_end::places;
use end_to_end::program::Program;
use end_to_end::replica::Replica;
use end_to_end::scene::Scene;
use end_to_end::weed::SeaweedFs;
use serde_json::{Value, json};

const NOTES_EACH: usize = 5;

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let stay = match words.as_slice() {
        [] => false,
        [word] if word == "--stay" => true,
        _ => bail!("usage: demo-edge [--stay]"),
    };
    let place = tempfile::TempDir::with_prefix("demo-edge-")?;
    let scene = Scene::in_dir(place.path());
    println!("1. An S3 server (SeaweedFS) starts; its bucket is empty.");
    let weed = SeaweedFs::start()?;
    let replica = Replica::on_s3(weed.store);
    let component = places::target()?.join("guest/notes-spin.wasm");
    let start = || Edge::of_component(&scene, &component, &replica, &[]);
    let (one, other) = (start()?, start()?);
    println!("2. Two processes serve the notes app, each with the database in it:");
    println!("     http://{}/", one.addr);
    println!("     http://{}/", other.addr);

    for number in 1..=NOTES_EACH {
        for (name, edge) in [("one", &one), ("the other", &other)] {
            add(edge, &format!("note {number} by {name}"))?;
        }
    }
    let expected = 2 * NOTES_EACH;
    let seen = [texts(&one)?, texts(&other)?];
    ensure!(seen[0].len() == expected && seen[0] == seen[1], "{seen:?}");
    println!("3. Both wrote {NOTES_EACH} notes in turn; both see all {expected}.");
    if stay {
        println!("   They stay. Type a note in one page and see it in the other; Enter goes on.");
        std::io::stdin().read_exact(&mut [0])?;
    }
    let before = texts(&one)?;
    one.process.kill()?;
    let after = texts(&other)?;
    ensure!(after == before, "{after:?}");
    add(&other, "written after the other was killed")?;
    println!("4. kill -9 for the first. The second still has all, and writes on.");

    let file = place.path().join("notes.db");
    Program::Seawall.restore(&scene, &replica, &file)?;
    println!("5. seawall restore -o notes.db {}", replica.url());
    report(&file, before.len() + 1)
}

fn url(edge: &Edge) -> String {
    format!("http://{}/api/notes", edge.addr)
}

fn add(edge: &Edge, text: &str) -> Result<()> {
    ureq::post(url(edge)).send(json!({ "text": text }).to_string())?;
    Ok(())
}

fn texts(edge: &Edge) -> Result<Vec<String>> {
    let text = ureq::get(url(edge)).call()?.into_body().read_to_string()?;
    let notes: Vec<Value> = serde_json::from_str(&text)?;
    let text = |note: &Value| note["text"].as_str().map(str::to_owned).context("no text");
    notes.iter().map(text).collect()
}

fn report(file: &Path, expected: usize) -> Result<ExitCode> {
    let (_dir, connection) = open_copy(file)?;
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let mut statement = connection.prepare("SELECT id, text FROM notes ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    for (id, text) in &rows {
        println!("     {id:>3}  {text}");
    }
    let bytes = file.metadata()?.len();
    println!(
        "   {} notes, {bytes} bytes, integrity_check: {check}",
        rows.len()
    );
    Ok(match check == "ok" && rows.len() == expected {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
