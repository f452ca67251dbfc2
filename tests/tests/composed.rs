//! The component with its own store in it, under a host that is not ours: `wasmtime serve`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use end_to_end::edge::{Client, Edge};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::Replica;
use end_to_end::scene::scene;
use end_to_end::weed::SeaweedFs;
use end_to_end::{judge, pages};
use serde_json::{Value, json};

const OPEN: [(&str, &str); 1] = [("SEAWALL_OPEN", "true")];

fn number(client: &Client, sql: &str) -> Result<i64> {
    let rows = client.rows(sql)?;
    let first = rows.first().and_then(|row| row.first());
    first.and_then(Value::as_i64).context("no number")
}

#[test]
fn what_it_writes_every_program_restores_and_every_host_reads() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let edge = Edge::composed(scene, &replica, &OPEN)?;
        let client = edge.client();
        client.sequence("CREATE TABLE t (n INTEGER PRIMARY KEY, b)")?;
        // Several objects, one of which is large enough to be read in parts.
        client.sequence(
            "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 2000)
             INSERT INTO t SELECT i, randomblob(1000) FROM r",
        )?;
        for n in 0..20 {
            let sql = format!("UPDATE t SET b = randomblob(1000) WHERE n % 20 = {n}");
            client.sequence(&sql)?;
        }
        let [ours, theirs] = [Program::Seawall, Program::Litestream].map(|program| {
            let out = scene.fresh("restored.db");
            program.restore(scene, &replica, &out)?;
            judge::check_integrity(&out)?;
            anyhow::Ok(out)
        });
        pages::assert_same(&theirs?, &ours?)?;
        // A new process of either host begins with nothing.
        let sum = "SELECT sum(n) FROM t WHERE length(b) = 1000";
        for other in [
            Edge::composed(scene, &replica, &OPEN)?,
            Edge::start(scene, &replica, &[])?,
        ] {
            ensure!(number(&other.client(), sum)? == 2_001_000);
            other
                .client()
                .rows("UPDATE t SET b = zeroblob(1000) WHERE n = 1")?;
            ensure!(number(&client, sum)? == 2_001_000);
        }
        Ok(())
    });
}

#[test]
fn two_hosts_write_one_database() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let edges = [
            Edge::composed(scene, &replica, &OPEN)?,
            Edge::composed(scene, &replica, &OPEN)?,
            Edge::start(scene, &replica, &[])?,
        ];
        let client = edges[0].client();
        client.sequence("CREATE TABLE counter (n); INSERT INTO counter VALUES (0)")?;
        let count_up = |client: Client| -> Result<i64> {
            let mut done = 0;
            while done < 40 {
                match client.execute("UPDATE counter SET n = n + 1", &[])? {
                    Ok(_) => done += 1,
                    Err(error) => ensure!(error.code == "SQLITE_BUSY", "{error:?}"),
                }
            }
            Ok(done)
        };
        std::thread::scope(|scope| {
            let writers = edges.iter().map(Edge::client);
            let writers: Vec<_> = writers
                .map(|client| scope.spawn(move || count_up(client)))
                .collect();
            for writer in writers {
                let done = writer.join().map_err(|_| anyhow::anyhow!("a panic"))??;
                ensure!(done == 40);
            }
            Ok(())
        })?;
        ensure!(number(&client, "SELECT n FROM counter")? == 120);
        Ok(())
    });
}

#[test]
fn a_lost_answer_is_found_out_and_a_store_that_is_away_is_told() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let replica = Replica::on_s3(weed.store);
        let edge = Edge::composed(scene, &replica.through(&proxy), &OPEN)?;
        let client = edge.client();
        client.sequence("CREATE TABLE t (n); INSERT INTO t VALUES (0)")?;
        proxy.set(Weather {
            one_in: 2,
            only: Some("PUT"),
            ..Weather::all(Fault::LoseAnswer)
        });
        for n in 1..=20 {
            client.rows(&format!("INSERT INTO t VALUES ({n})"))?;
        }
        proxy.set(Weather::all(Fault::Status(503)));
        let refused = client.execute("INSERT INTO t VALUES (21)", &[])?;
        let refused = refused.err().context("written without a store")?;
        ensure!(refused.code.starts_with("SQLITE_IOERR"), "{refused:?}");
        ensure!(refused.message.contains("s3://"), "{refused:?}");
        proxy.set(Weather::default());
        ensure!(number(&client, "SELECT count(*) FROM t")? == 21);
        let distinct = number(&edge.client(), "SELECT count(DISTINCT n) FROM t")?;
        ensure!(distinct == 21, "{distinct} of 21");
        Ok(())
    });
}

#[test]
fn what_is_not_said_or_wrong_is_named() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let asks = |variables: &[(&str, &str)]| -> Result<String> {
            let edge = Edge::composed(scene, &replica, variables)?;
            let answer = edge.client().execute("SELECT 1 FROM sqlite_schema", &[])?;
            let error = answer.err().context("answered")?;
            Ok(format!("{}: {}", error.code, error.message))
        };
        let wrong_key = [OPEN[0], ("AWS_SECRET_ACCESS_KEY", "another")];
        let said = asks(&wrong_key)?;
        ensure!(said.contains("the secret key does not belong"), "{said}");
        ensure!(!said.contains("another"), "{said}");
        let no_bucket = [OPEN[0], ("SEAWALL_BUCKET", "nobodys")];
        let said = asks(&no_bucket)?;
        ensure!(said.contains("there is no bucket \"nobodys\""), "{said}");
        Ok(())
    });
}

#[test]
fn without_a_token_nobody_comes_in() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let closed = Edge::composed(scene, &replica, &[])?;
        let status = |edge: &Edge, token: Option<&str>| -> Result<u16> {
            let url = format!("http://{}/status", edge.addr);
            let mut request = ureq::get(url).config().http_status_as_error(false).build();
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            Ok(request.call()?.status().as_u16())
        };
        ensure!(status(&closed, None)? == 503);
        let edge = Edge::composed(scene, &replica, &[("SEAWALL_TOKEN", "open sesame")])?;
        ensure!(status(&edge, None)? == 401);
        ensure!(status(&edge, Some("wrong"))? == 401);
        ensure!(status(&edge, Some("open sesame"))? == 200);
        Ok(())
    });
}

/// The timeout of a whole statement is for people, not for machines that are busy.
#[test]
fn a_silent_store_is_given_up() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let replica = Replica::on_s3(weed.store);
        let edge = Edge::composed(scene, &replica.through(&proxy), &OPEN)?;
        let client = edge.client();
        client.sequence("CREATE TABLE t (n)")?;
        proxy.set(Weather::all(Fault::Hang));
        let answer = client.execute("SELECT * FROM t", &[])?;
        ensure!(answer.is_err(), "{answer:?}");
        proxy.set(Weather::default());
        // Requests that hung are let go by the proxy only now.
        std::thread::sleep(Duration::from_millis(200));
        ensure!(client.rows("SELECT count(*) FROM t")? == [[json!(0)]]);
        Ok(())
    });
}
