//! A database that lives in the store: many instances write it at once, others read it, and what
//! they wrote is an ordinary replica.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::edge::{Client, Edge, SqlError};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::{Load, sql};
use end_to_end::upkeep::Upkeep;
use end_to_end::weed::SeaweedFs;
use end_to_end::{judge, pages};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const WRITERS: usize = 8;
/// Of each writer and each kind, unless `EDGE_WRITES` says otherwise.
const WRITES: u64 = 50;
const READERS: usize = 2;

/// Each step of the counter leaves a row, and each row is counted: in the same transaction, by
/// triggers, so that whoever reads one without the other has read a torn state.
const SCHEMA: &str = "
    CREATE TABLE counter (n INTEGER NOT NULL, token TEXT);
    INSERT INTO counter VALUES (0, NULL);
    CREATE TABLE steps (n INTEGER PRIMARY KEY, token TEXT UNIQUE NOT NULL);
    CREATE TRIGGER step AFTER UPDATE ON counter BEGIN INSERT INTO steps VALUES (new.n, new.token); END;
    CREATE TABLE log (token TEXT UNIQUE NOT NULL, filler TEXT);
    CREATE TABLE logged (n INTEGER NOT NULL);
    INSERT INTO logged VALUES (0);
    CREATE TRIGGER count AFTER INSERT ON log BEGIN UPDATE logged SET n = n + 1; END;";

const INCREMENT: &str = "UPDATE counter SET n = n + 1, token = ?";
const INSERT: &str = "INSERT INTO log VALUES (?, hex(randomblob(200)))";

fn writes() -> Result<u64> {
    match std::env::var("EDGE_WRITES") {
        Ok(count) => count.parse().context("EDGE_WRITES"),
        Err(_) => Ok(WRITES),
    }
}

/// Writes until it is there for certain: refused it is said again, and when nobody knows whether it
/// took effect, it is looked for first.
fn write(client: &Client, sql: &str, token: &str) -> Result<()> {
    let table = if sql == INCREMENT { "steps" } else { "log" };
    let look = format!("SELECT 1 FROM {table} WHERE token = ?");
    let start = Instant::now();
    loop {
        ensure!(start.elapsed() < LIMIT, "{token} was refused for {LIMIT:?}");
        let Err(SqlError { code, message }) = client.execute(sql, &[json!(token)])? else {
            return Ok(());
        };
        match code.as_str() {
            "SQLITE_BUSY" => {}
            "COMMIT_OUTCOME_UNKNOWN" => {
                let found = look_for(client, &look, token)?;
                if found {
                    return Ok(());
                }
            }
            // The store was away for longer than requests are tried again: nothing took effect.
            "SQLITE_IOERR" | "SQLITE_IOERR_READ" | "SQLITE_IOERR_FSYNC" | "SQLITE_IOERR_LOCK" => {}
            _ => anyhow::bail!("{token}: {code}: {message}"),
        }
    }
}

fn look_for(client: &Client, look: &str, token: &str) -> Result<bool> {
    let start = Instant::now();
    loop {
        match client.execute(look, &[json!(token)])? {
            Ok(rows) => return Ok(!rows.is_empty()),
            Err(error) => ensure!(start.elapsed() < LIMIT, "{token}: {error:?}"),
        }
    }
}

fn number(rows: &[Vec<Value>]) -> Result<i64> {
    let first = rows.first().and_then(|row| row.first());
    first.and_then(Value::as_i64).context("no number")
}

/// Reads one snapshot after the other; returns how many.
fn read(addr: SocketAddr, ended: &AtomicBool) -> Result<u64> {
    let client = Client::of(addr);
    let (mut seen, mut count) = ((0, 0), 0);
    while !ended.load(Ordering::Relaxed) {
        let found = client.snapshot(&[
            "SELECT n FROM counter",
            "SELECT count(*) FROM steps",
            "SELECT coalesce(max(n), 0) FROM steps",
            "SELECT n FROM logged",
            "SELECT count(*) FROM log",
        ]);
        // Bad weather may refuse a read; it never bends one.
        let Ok(found) = found else { continue };
        let numbers: Vec<i64> = found
            .iter()
            .map(|rows| number(rows))
            .collect::<Result<_>>()?;
        let [counter, steps, last, logged, log] = numbers[..] else {
            anyhow::bail!("{numbers:?}");
        };
        ensure!(
            counter == steps && steps == last && logged == log,
            "a torn read: {numbers:?}"
        );
        ensure!(
            counter >= seen.0 && log >= seen.1,
            "went back from {seen:?}: {numbers:?}"
        );
        seen = (counter, log);
        count += 1;
    }
    Ok(count)
}

fn tokens(client: &Client, table: &str) -> Result<BTreeSet<String>> {
    let rows = client.rows(&format!("SELECT token FROM {table}"))?;
    let token = |row: Vec<Value>| row[0].as_str().map(str::to_owned).context("no token");
    rows.into_iter().map(token).collect()
}

/// Eight processes write at once while others read; `replica` is how they reach the store.
fn many_writers(scene: &Scene, replica: &Replica) -> Result<()> {
    let flags = ["-instances", "2"];
    let edges: Vec<Edge> = (0..WRITERS)
        .map(|_| Edge::start(scene, replica, &flags))
        .collect::<Result<_>>()?;
    let reader = edges[0].client();
    let limit = Instant::now();
    while reader.sequence(SCHEMA).is_err() && reader.rows("SELECT n FROM logged").is_err() {
        ensure!(limit.elapsed() < LIMIT, "the schema cannot be made");
    }
    let (ended, count) = (AtomicBool::new(false), writes()?);
    std::thread::scope(|scope| {
        let writers: Vec<_> = edges
            .iter()
            .enumerate()
            .map(|(number, edge)| {
                let client = edge.client();
                scope.spawn(move || -> Result<()> {
                    for at in 0..count {
                        write(&client, INCREMENT, &format!("{number}-{at}"))?;
                        write(&client, INSERT, &format!("{number}-{at}"))?;
                    }
                    Ok(())
                })
            })
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|number| {
                let (addr, ended) = (edges[number * 3].addr, &ended);
                scope.spawn(move || read(addr, ended))
            })
            .collect();
        let written: Vec<Result<()>> = writers.into_iter().map(join).collect();
        ended.store(true, Ordering::Relaxed);
        let read: Vec<Result<u64>> = readers.into_iter().map(join).collect();
        written.into_iter().collect::<Result<()>>()?;
        for count in read {
            ensure!(count? > 0, "nobody read anything");
        }
        Ok(())
    })
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let joined = thread.join();
    joined.unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
}

/// Nothing is lost and nothing is there twice; both programs restore it, equal in every byte.
fn check(scene: &Scene, replica: &Replica) -> Result<()> {
    let edge = Edge::start(scene, replica, &["-read-only"])?;
    let (client, count) = (edge.client(), writes()?);
    let expected: BTreeSet<String> = (0..WRITERS)
        .flat_map(|number| (0..count).map(move |at| format!("{number}-{at}")))
        .collect();
    for table in ["steps", "log"] {
        let rows = number(&client.rows(&format!("SELECT count(*) FROM {table}"))?)?;
        ensure!(rows == expected.len() as i64, "{rows} rows in {table}");
        ensure!(tokens(&client, table)? == expected, "others in {table}");
    }
    let counter = number(&client.rows("SELECT n FROM counter")?)?;
    ensure!(counter == expected.len() as i64, "the counter is {counter}");
    let whole = client.rows("PRAGMA integrity_check")?;
    ensure!(whole == [[json!("ok")]], "{whole:?}");

    let restored = [Program::Seawall, Program::Litestream].map(|program| {
        let out = scene.fresh("restored.db");
        program.restore(scene, replica, &out)?;
        judge::check_integrity(&out)?;
        anyhow::Ok(out)
    });
    let [ours, theirs] = restored;
    let (ours, theirs) = (ours?, theirs?);
    pages::assert_same(&theirs, &ours)?;
    same_rows(scene, &client, &ours)
}

/// What the edge says of each table is what the restored file says.
fn same_rows(scene: &Scene, client: &Client, restored: &std::path::Path) -> Result<()> {
    for table in ["steps", "log", "counter", "logged"] {
        let select = format!("SELECT * FROM {table} ORDER BY 1");
        let file = sql(scene, restored, &select)?.rows;
        ensure!(client.rows(&select)? == file, "{table} differs");
    }
    Ok(())
}

#[test]
fn eight_instances_write_one_database_and_lose_nothing() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        many_writers(scene, &replica)?;
        check(scene, &replica)
    });
}

#[test]
fn eight_instances_lose_nothing_when_answers_are_lost_and_requests_fail() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let failing = Proxy::start(weed.store.s3)?;
        failing.set(Weather {
            one_in: 20,
            ..Weather::all(Fault::Status(503))
        });
        let losing = Proxy::start(failing.addr())?;
        losing.set(Weather {
            one_in: 20,
            only: Some("PUT"),
            ..Weather::all(Fault::LoseAnswer)
        });
        let replica = Replica::on_s3(weed.store);
        many_writers(scene, &replica.through(&losing))?;
        check(scene, &replica)
    });
}

/// How old what the edge reads may be.
const BOUND: Duration = Duration::from_secs(1);

/// The rows that are in the replica by now.
fn shipped(scene: &Scene, replica: &Replica) -> Result<i64> {
    let out = scene.fresh("shipped.db");
    Program::Seawall.restore(scene, replica, &out)?;
    let rows = sql(scene, &out, "SELECT count(*) FROM load")?.rows;
    number(&rows)
}

#[test]
fn an_edge_reads_what_a_sidecar_ships_while_it_goes_on() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let machine = scene.machine()?;
        sql(scene, &machine.db(), "PRAGMA journal_mode = WAL")?;
        let settings = Settings {
            sync_interval: Duration::from_millis(50),
            // Levels are merged and old objects deleted under the reader.
            global: Upkeep::forgetful().lines(),
            ..Settings::default()
        };
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        let load = Load::start(scene, &machine.db(), 5, 300)?;
        replica.wait_for_txid(3, LIMIT)?;
        let bound = format!("{}ms", BOUND.as_millis());
        let edge = Edge::start(scene, &replica, &["-read-only", "-freshness", &bound])?;
        let client = edge.client();
        for _ in 0..8 {
            let durable = shipped(scene, &replica)?;
            std::thread::sleep(BOUND);
            let found = client.snapshot(&["SELECT count(*), max(id) FROM load"])?;
            let row = &found[0][0];
            let count = row[0].as_i64().context("no count")?;
            ensure!(
                count >= durable,
                "{durable} rows were shipped, the edge has {count}"
            );
            ensure!(row[0] == row[1], "a row is missing: {row:?}");
            let refused = client.execute("DELETE FROM load", &[])?;
            ensure!(refused.is_err_and(|error| error.code.starts_with("SQLITE_READONLY")));
        }
        load.stop()?;
        sidecar.terminate(LIMIT)?.ok()?;
        std::thread::sleep(BOUND);
        let rows = "SELECT count(*), max(id) FROM load";
        let last = sql(scene, &machine.db(), rows)?.rows;
        ensure!(client.rows(rows)? == last);
        ensure!(client.rows("PRAGMA integrity_check")? == [[json!("ok")]]);
        Ok(())
    });
}
