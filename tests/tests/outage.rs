//! A store that is away: told within two seconds, once, and that it is back, once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::process::{Running, alarms};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::Shell;
use end_to_end::stalls::Stalls;
use end_to_end::wait_for;
use end_to_end::weed::SeaweedFs;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
/// The log's promise.
const LOG: Duration = Duration::from_secs(2);
/// What a test program that looks every 20 ms and a loaded machine add to it.
const SLACK: Duration = Duration::from_millis(500);

struct Play {
    proxy: Proxy,
    sidecar: Running,
    app: Shell,
    addr: String,
    _weed: SeaweedFs,
}

impl Play {
    /// A database that is current, its store behind a proxy.
    fn begin(scene: &Scene) -> Result<Play> {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let replica = Replica::on_s3(weed.store).through(&proxy);
        let machine = scene.machine()?;
        let settings = Settings {
            sync_interval: Duration::from_millis(200),
            global: vec!["addr: 127.0.0.1:0".into(), "logging: {level: debug}".into()],
            ..Settings::default()
        };
        let mut app = Shell::open(scene, &machine.db())?;
        app.run("PRAGMA journal_mode = wal; CREATE TABLE notes (text TEXT)")?;
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        let addr = wait_for("the address", LIMIT, || {
            let said = sidecar.said()?;
            let rest = said.split_once("status: http://").map(|(_, rest)| rest);
            Ok(rest.and_then(|rest| Some(rest.split_once('/')?.0.to_owned())))
        })?;
        let mut play = Play {
            proxy,
            sidecar,
            app,
            addr,
            _weed: weed,
        };
        play.note()?;
        play.wait_until_current()?;
        // Its answers, which may take this server seconds, would say that the store is there.
        wait_for("the end of the look at conditional writes", LIMIT, || {
            let said = play.sidecar.said()?;
            Ok(said.contains("honours conditional writes").then_some(()))
        })?;
        Ok(play)
    }

    fn note(&mut self) -> Result<()> {
        self.app.run("INSERT INTO notes VALUES ('x')")?;
        Ok(())
    }

    fn status(&self) -> Result<Value> {
        let url = format!("http://{}/status.json", self.addr);
        let text = ureq::get(url).call()?.body_mut().read_to_string()?;
        let mut status: Value = serde_json::from_str(&text)?;
        // Just after its start the program has not looked at its databases yet.
        Ok(status["databases"]
            .get_mut(0)
            .map_or(Value::Null, Value::take))
    }

    fn wait_until_current(&self) -> Result<()> {
        wait_for("a current replica", LIMIT, || {
            let now = self.status()?;
            let current = now["lag_bytes"] == 0 && now["durable_txid"].as_u64() > Some(0);
            Ok((current && now["lag_seconds"] == 0.0).then_some(()))
        })
    }

    fn errors(&self) -> Result<usize> {
        let said = self.sidecar.said()?;
        Ok(alarms(&said).filter(|line| line.contains("ERROR")).count())
    }
}

fn is_told_once_and_over_once(fault: Fault) {
    scene(|scene| {
        let mut play = Play::begin(scene)?;
        play.proxy.set(Weather::all(fault));
        play.note()?;
        let (began, stalls) = (Instant::now(), Stalls::watch());
        wait_for("the line", LIMIT, || Ok((play.errors()? > 0).then_some(())))?;
        let told = began.elapsed();
        let lost = stalls.lost();
        println!("told after {told:?}, of which the machine stood still for {lost:?}");
        ensure!(told < LOG + SLACK + lost, "told only after {told:?}");
        let now = play.status()?;
        ensure!(now["error"].is_string(), "no error in {now}");
        ensure!(now["lag_bytes"].as_u64() > Some(0), "no lag in {now}");
        let counted = now["store_errors"].as_object().context("no object")?;
        ensure!(!counted.is_empty(), "no store error in {now}");

        // Longer than one call tries.
        std::thread::sleep(Duration::from_secs(30));
        ensure!(play.errors()? == 1, "{}", play.sidecar.said()?);
        play.proxy.set(Weather::default());
        play.wait_until_current()?;
        let now = play.status()?;
        ensure!(now["error"].is_null(), "{now}");
        let first = now["recent_errors"].get(0).context("no error is kept")?;
        ensure!(first["recovered_at"].is_string(), "{now}");
        let outcome = play.sidecar.terminate(LIMIT)?.ok()?;
        for text in ["not shipping", "recovered; nothing was lost"] {
            let times = outcome.output.matches(text).count();
            ensure!(times == 1, "{text} {times} times in:\n{}", outcome.output);
        }
        Ok(())
    });
}

#[test]
fn a_store_that_cannot_be_reached_is_told_within_two_seconds_and_once() {
    is_told_once_and_over_once(Fault::Away);
}

#[test]
fn a_store_that_answers_500_is_told_within_two_seconds_and_once() {
    is_told_once_and_over_once(Fault::Status(500));
}

#[test]
fn a_store_that_is_silent_is_told_while_it_is_waited_for() {
    scene(|scene| {
        let mut play = Play::begin(scene)?;
        play.proxy.set(Weather::all(Fault::Hang));
        play.note()?;
        let began = Instant::now();
        wait_for("the line", LIMIT, || Ok((play.errors()? > 0).then_some(())))?;
        let told = began.elapsed();
        ensure!(told < Duration::from_secs(8), "told only after {told:?}");
        ensure!(play.sidecar.said()?.contains("no answer for"), "no reason");
        play.proxy.set(Weather::default());
        play.wait_until_current()?;
        let outcome = play.sidecar.terminate(LIMIT)?.ok()?;
        outcome.says("recovered; nothing was lost")?;
        Ok(())
    });
}

#[test]
fn a_blip_is_not_worth_a_line() {
    scene(|scene| {
        let mut play = Play::begin(scene)?;
        play.proxy.set(Weather::all(Fault::Status(500)));
        play.note()?;
        wait_for("a failed try", LIMIT, || {
            let counted = play.status()?["store_errors"].take();
            Ok(counted
                .as_object()
                .filter(|kinds| !kinds.is_empty())
                .map(drop))
        })?;
        play.proxy.set(Weather::default());
        play.wait_until_current()?;
        play.sidecar.terminate(LIMIT)?.ok()?.without_alarms()?;
        Ok(())
    });
}
