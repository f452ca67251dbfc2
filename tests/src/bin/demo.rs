//! A small notes app loses its machine, and what was shipped comes back. `make demo` runs it.
//!
//! The app is this same program, started again as `demo app DB`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::judge::{open_copy, sha256};
use end_to_end::process::Running;
use end_to_end::{now_ms, places, wait_for};
use rand::RngExt;
use rusqlite::{Connection, params};

const NOTE_EVERY: Duration = Duration::from_millis(20);
const APP_LIVES: Duration = Duration::from_secs(8);
/// The default of `sync-interval`.
const SYNC_INTERVAL_MS: f64 = 1000.0;
/// What one PUT may take on a busy machine.
const PUT_MS: f64 = 1000.0;

/// An acknowledged note: its number, its text's checksum, and when SQLite said yes.
struct Note {
    id: i64,
    sha256: String,
    at_ms: f64,
}

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [] => demo(),
        [app, db] if app == "app" => write_notes(Path::new(db)),
        _ => anyhow::bail!("usage: demo"),
    }
}

/// The app: commits a note, says so, and waits a little. Until it is killed.
fn write_notes(db: &Path) -> Result<ExitCode> {
    let connection = Connection::open(db)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(
        "CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL, written_ms REAL NOT NULL)",
    )?;
    for number in 1_i64.. {
        let text = format!("note {number}: {}", "a thought worth keeping; ".repeat(20));
        let sql = "INSERT INTO notes VALUES (?, ?, ?)";
        connection.execute(sql, params![number, text, now_ms()])?;
        println!("{number} {} {}", sha256(text.as_bytes()), now_ms());
        std::io::stdout().flush()?;
        std::thread::sleep(NOTE_EVERY);
    }
    Ok(ExitCode::SUCCESS)
}

fn demo() -> Result<ExitCode> {
    let seawall = places::seawall()?;
    let place = tempfile::TempDir::with_prefix("seawall-demo-")?;
    let (machine, bucket) = (place.path().join("machine"), place.path().join("bucket"));
    std::fs::create_dir(&machine)?;
    let db = machine.join("notes.db");
    let url = format!("file://{}", bucket.display());

    println!("A notes app writes to   {}", db.display());
    println!("and beside it runs      seawall replicate notes.db {url}");
    let log = place.path().join("replicate.log");
    let mut replicate = Command::new(&seawall);
    replicate.arg("replicate").arg(&db).arg(&url);
    let mut sidecar = Running::start("seawall replicate", &mut replicate, &log)?;
    let (app, acknowledgements) = start_app(&db)?;
    wait_for("the first sync", Duration::from_secs(30), || {
        let running = sidecar.is_running()?;
        ensure!(running, "seawall replicate ended:\n{}", sidecar.said()?);
        Ok(bucket.join("ltx/0").exists().then_some(()))
    })?;
    // Not in step with the sync interval: some of it must be lost to be told.
    let odd_ms = rand::rng().random_range(300..900);
    std::thread::sleep(APP_LIVES + Duration::from_millis(odd_ms));

    app.signal(libc::SIGKILL);
    sidecar.signal(libc::SIGKILL);
    let killed_ms = now_ms();
    app.kill()?;
    sidecar.kill()?;
    std::fs::remove_dir_all(&machine)?;
    let notes: Vec<Note> = acknowledgements.iter().collect();
    let seconds = APP_LIVES.as_secs();
    println!("After {seconds} seconds: kill -9 for both, and the machine's disk is gone.\n");

    std::fs::create_dir(&machine)?;
    let mut restore = Command::new(&seawall);
    restore.args(["restore", "-o"]).arg(&db).arg(&url);
    let start = Instant::now();
    let log = place.path().join("restore.log");
    Running::start("seawall restore", &mut restore, &log)?
        .wait(Duration::from_secs(60))?
        .ok()?;
    println!("seawall restore -o notes.db {url}");
    println!(
        "took {} ms on the new machine.\n",
        start.elapsed().as_millis()
    );
    report(&db, &notes, killed_ms)
}

fn start_app(db: &Path) -> Result<(Running, Receiver<Note>)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("app").arg(db).stdout(Stdio::piped());
    let mut app = Running::spawn("the app", &mut command, Path::new("/dev/null"))?;
    let stdout = app.child().stdout.take().context("no pipe")?;
    let (sender, acknowledgements) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let [id, sha256, at_ms] = words[..] else {
                return;
            };
            let (Ok(id), Ok(at_ms)) = (id.parse(), at_ms.parse()) else {
                return;
            };
            let sha256 = sha256.to_owned();
            if sender.send(Note { id, sha256, at_ms }).is_err() {
                return;
            }
        }
    });
    Ok((app, acknowledgements))
}

/// Compares what came back with what was acknowledged, and says it.
fn report(db: &Path, notes: &[Note], killed_ms: f64) -> Result<ExitCode> {
    let (_dir, connection) = open_copy(db)?;
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    let mut statement = connection.prepare("SELECT id, text FROM notes ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let restored: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    let gapless = (1..).zip(&restored).all(|(number, (id, _))| number == *id);
    let (kept, lost): (Vec<&Note>, Vec<&Note>) = notes
        .iter()
        .partition(|note| restored.iter().any(|(id, _)| *id == note.id));
    let whole = kept.iter().all(|note| {
        let mut texts = restored.iter().filter(|(id, _)| *id == note.id);
        texts.all(|(_, text)| sha256(text.as_bytes()) == note.sha256)
    });
    let oldest_ms = lost.first().map_or(0.0, |note| killed_ms - note.at_ms);
    let in_time = oldest_ms <= SYNC_INTERVAL_MS + PUT_MS;

    println!("  acknowledged to the app  {:6}", notes.len());
    println!(
        "  kept                     {:6}  integrity_check: {check}",
        kept.len()
    );
    match lost.len() {
        0 => println!("  lost                          0"),
        count => println!(
            "  lost                     {count:6}  the oldest was acknowledged {oldest_ms:.0} ms \
             before the kill"
        ),
    }
    println!();
    if check != "ok" || !gapless || !whole || !in_time || kept.is_empty() {
        println!("This is not as it should be: please report it.");
        return Ok(ExitCode::FAILURE);
    }
    println!(
        "What is lost was not yet shipped: replication is asynchronous, and a commit waits up"
    );
    println!("to one sync-interval (1 s unless you set it) before it goes to the bucket.");
    println!(
        "Next: put `seawall replicate` beside your own app; docs/hedgedoc.md shows how for HedgeDoc."
    );
    Ok(ExitCode::SUCCESS)
}
