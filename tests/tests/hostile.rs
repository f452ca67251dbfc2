//! `seawall serve` among people who mean harm: each is refused with an error of its own, and the
//! process answers the next one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use end_to_end::edge::{Client, Edge, SqlError};
use end_to_end::replica::Replica;
use end_to_end::scene::{Scene, scene};
use serde_json::{Value, json};

fn replica(scene: &Scene) -> Replica {
    Replica::in_files(&scene.fresh("replica"))
}

fn refused(client: &Client, sql: &str) -> Result<SqlError> {
    let answer = client.execute(sql, &[])?;
    answer.err().with_context(|| format!("{sql} was done"))
}

fn is_well(client: &Client) -> Result<()> {
    ensure!(client.rows("SELECT count(*) FROM notes")? == [[json!(1)]]);
    Ok(())
}

const NOTES: &str = "CREATE TABLE notes (text); INSERT INTO notes VALUES ('kept')";

#[test]
fn sql_that_would_reach_beyond_the_database_or_break_the_way_to_the_store() {
    scene(|scene| {
        let edge = Edge::start(scene, &replica(scene), &[])?;
        let client = edge.client();
        client.sequence(NOTES)?;
        for (sql, code) in [
            ("ATTACH '/etc/passwd' AS other", "SQLITE_AUTH"),
            ("ATTACH 'file:other.db' AS other", "SQLITE_AUTH"),
            ("VACUUM INTO '/tmp/copy.db'", "SQLITE_AUTH"),
            ("PRAGMA journal_mode = WAL", "SQLITE_AUTH"),
            ("PRAGMA journal_mode = DELETE", "SQLITE_AUTH"),
            ("PRAGMA locking_mode = EXCLUSIVE", "SQLITE_AUTH"),
            ("PRAGMA synchronous = OFF", "SQLITE_AUTH"),
            ("PRAGMA page_size = 8192", "SQLITE_AUTH"),
            ("PRAGMA wal_checkpoint", "SQLITE_AUTH"),
            ("PRAGMA writable_schema = 1", "SQLITE_AUTH"),
            ("PRAGMA temp_store_directory = '/tmp'", "SQLITE_AUTH"),
            ("PRAGMA mmap_size = 1000000", "SQLITE_AUTH"),
            ("SELECT load_extension('x')", "SQLITE_"),
            ("UPDATE sqlite_schema SET sql = 'x'", "SQLITE_ERROR"),
            ("UPDATE sqlite_dbpage SET data = zeroblob(4096)", "SQLITE_"),
            ("SELECT readfile('/etc/passwd')", "SQLITE_ERROR"),
        ] {
            let error = refused(&client, sql)?;
            ensure!(error.code.starts_with(code), "{sql}: {error:?}");
        }
        is_well(&client)?;
        ensure!(client.rows("PRAGMA integrity_check")? == [[json!("ok")]]);
        Ok(())
    });
}

#[test]
fn statements_without_end() {
    scene(|scene| {
        let flags = ["-statement-timeout", "1s", "-instances", "2"];
        let edge = Edge::start(scene, &replica(scene), &flags)?;
        let client = edge.client();
        client.sequence(NOTES)?;
        let counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) ";
        let error = refused(&client, &format!("{counting} SELECT count(*) FROM n"))?;
        ensure!(error.code == "SQLITE_INTERRUPT", "{error:?}");
        is_well(&client)?;
        let error = refused(
            &client,
            &format!("{counting} INSERT INTO notes SELECT i FROM n"),
        )?;
        ensure!(error.code == "SQLITE_INTERRUPT", "{error:?}");
        is_well(&client)?;
        // One step of SQLite, within which it looks at no clock: the instance is given up. Others
        // answer meanwhile.
        let step = "SELECT instr(hex(zeroblob(20000000)), hex(zeroblob(5000000)) || '1')";
        std::thread::scope(|scope| -> Result<()> {
            let slow = scope.spawn(|| refused(&edge.client(), step));
            std::thread::sleep(Duration::from_millis(300));
            for _ in 0..20 {
                is_well(&client)?;
            }
            let error = slow.join().map_err(|_| anyhow::anyhow!("a panic"))??;
            ensure!(error.code == "INSTANCE_ENDED", "{error:?}");
            Ok(())
        })?;
        is_well(&client)
    });
}

#[test]
fn statements_that_want_all_the_memory() {
    scene(|scene| {
        let edge = Edge::start(scene, &replica(scene), &["-instances", "1"])?;
        let client = edge.client();
        client.sequence(NOTES)?;
        for sql in [
            "SELECT zeroblob(2000000000)",
            "SELECT length(hex(zeroblob(60000000)) || hex(zeroblob(60000000)))",
            "SELECT printf('%.2000000000c', 'x')",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
             SELECT count(*) FROM (SELECT DISTINCT randomblob(30000000) FROM n)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
             SELECT group_concat(hex(zeroblob(500))) FROM n",
        ] {
            let error = refused(&client, sql)?;
            let known = [
                "SQLITE_TOOBIG",
                "SQLITE_NOMEM",
                "SQLITE_INTERRUPT",
                "INSTANCE_ENDED",
            ];
            ensure!(known.contains(&error.code.as_str()), "{sql}: {error:?}");
            is_well(&client)?;
        }
        let peak = end_to_end::figures::Usage::of(edge.process.pid())?.peak_rss_mb;
        ensure!(peak < 1200.0, "the process had {peak:.0} MB");
        Ok(())
    });
}

#[test]
fn bodies_without_end() {
    scene(|scene| {
        let edge = Edge::start(scene, &replica(scene), &[])?;
        let client = edge.client();
        client.sequence(NOTES)?;
        // Announced, and not announced.
        for head in ["content-length: 1000000000", "transfer-encoding: chunked"] {
            let mut stream = TcpStream::connect(edge.addr)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            write!(
                stream,
                "POST /v3/pipeline HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n\r\n"
            )?;
            let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
            // Until it is told off, 1 GB at most.
            for _ in 0..16_000 {
                if stream.write_all(chunk.as_bytes()).is_err() {
                    break;
                }
            }
            let mut said = Vec::new();
            // It may have been cut off: what counts is that the others are served.
            let _ = stream.read_to_end(&mut said);
            let said = String::from_utf8_lossy(&said);
            ensure!(said.is_empty() || said.contains(" 413 "), "{said}");
            is_well(&client)?;
        }
        let deep = "[".repeat(1_000_000);
        for body in [deep.as_str(), "{\"requests\": 1}", "", "\u{0}"] {
            let url = format!("http://{}/v3/pipeline", edge.addr);
            let request = ureq::post(url).config().http_status_as_error(false).build();
            ensure!(request.send(body)?.status().as_u16() == 400, "{body:.20}");
        }
        let many = "SELECT 1;".repeat(100_000);
        let error = refused(&client, &many)?;
        ensure!(!error.code.is_empty(), "{error:?}");
        is_well(&client)
    });
}

#[test]
fn those_who_may_not_come_in_or_only_read() {
    scene(|scene| {
        let place = replica(scene);
        let (all, reading) = (scene.fresh("token"), scene.fresh("reading"));
        std::fs::write(&all, "open sesame\n")?;
        std::fs::write(&reading, "look only\n")?;
        let open = Edge::start(scene, &place, &[])?;
        open.client().sequence(NOTES)?;
        drop(open);
        let (all, reading) = (all.display().to_string(), reading.display().to_string());
        let flags = ["-token-file", &all, "-read-only-token-file", &reading];
        let edge = Edge::guarded(scene, &place, &flags)?;
        let ask = |token: Option<&str>, sql: &str| -> Result<(u16, Value)> {
            let body = json!({ "requests": [{ "type": "execute", "stmt": { "sql": sql } }] });
            let url = format!("http://{}/v3/pipeline", edge.addr);
            let mut request = ureq::post(url).config().http_status_as_error(false).build();
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = request.send(body.to_string())?;
            let status = answer.status().as_u16();
            Ok((
                status,
                serde_json::from_str(&answer.into_body().read_to_string()?)?,
            ))
        };
        let (read, write) = ("SELECT text FROM notes", "INSERT INTO notes VALUES ('x')");
        ensure!(ask(None, read)?.0 == 401);
        ensure!(ask(Some("open sesam"), read)?.0 == 401);
        ensure!(ask(Some(""), read)?.0 == 401);
        let (status, answer) = ask(Some("look only"), read)?;
        ensure!(
            status == 200 && answer["results"][0]["type"] == "ok",
            "{answer}"
        );
        for sql in [
            write,
            "BEGIN IMMEDIATE",
            "PRAGMA user_version = 3",
            "VACUUM",
            "CREATE TABLE x (y)",
        ] {
            let (status, answer) = ask(Some("look only"), sql)?;
            let error = &answer["results"][0]["error"];
            ensure!(
                status == 200 && error["code"] == "SQLITE_READONLY",
                "{sql}: {answer}"
            );
        }
        let (_, answer) = ask(Some("open sesame"), write)?;
        ensure!(answer["results"][0]["type"] == "ok", "{answer}");
        ensure!(
            !edge.process.said()?.contains("sesame"),
            "the log has the token"
        );
        Ok(())
    });
}

#[test]
fn what_was_acknowledged_outlives_kill_9() {
    scene(|scene| {
        let place = replica(scene);
        let mut acknowledged = Vec::new();
        for life in 0..3 {
            let edge = Edge::start(scene, &place, &[])?;
            let client = edge.client();
            if life == 0 {
                client.sequence("CREATE TABLE notes (text)")?;
            }
            let said = std::thread::scope(|scope| -> Result<Vec<String>> {
                let writer = scope.spawn(move || {
                    let mut said = Vec::new();
                    for number in 0.. {
                        let text = format!("{life}-{number}");
                        let sql = format!("INSERT INTO notes VALUES ('{text}')");
                        match client.execute(&sql, &[]) {
                            Ok(Ok(_)) => said.push(text),
                            _ => break,
                        }
                    }
                    said
                });
                std::thread::sleep(Duration::from_millis(700));
                edge.process.kill()?;
                writer.join().map_err(|_| anyhow::anyhow!("a panic"))
            })?;
            ensure!(!said.is_empty());
            acknowledged.extend(said);
        }
        let edge = Edge::start(scene, &place, &[])?;
        let found = edge.client().rows("SELECT text FROM notes")?;
        for text in &acknowledged {
            ensure!(found.contains(&vec![json!(text)]), "{text} is lost");
        }
        let distinct = edge
            .client()
            .rows("SELECT count(DISTINCT text) = count(*) FROM notes")?;
        ensure!(distinct == [[json!(1)]], "a note is there twice");
        Ok(())
    });
}
