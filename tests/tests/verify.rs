//! Damage in a replica is noticed before anybody needs it: within one interval while it is
//! replicated, by log, metrics and page, and by hand.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use end_to_end::browser::{Browser, Look};
use end_to_end::generations::Generation;
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::{Scene, scene};
use end_to_end::shell::sql;
use end_to_end::stock::{SOME_ROWS, shipped, shipped_to};
use end_to_end::wait_for;
use end_to_end::weed::SeaweedFs;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(2);
/// What a proof itself and a busy machine take.
const SLACK: Duration = Duration::from_secs(4);
/// How long requests are tried again before they are given up.
const OUTAGE: Duration = Duration::from_secs(120);
const ERROR: i32 = 1;
const NOTHING: i32 = 5;
const DAMAGED: i32 = 6;

/// What `status -json` says of verifying.
fn status(scene: &Scene, replica: &Replica, config: &str) -> Result<Value> {
    let mut command = Program::Seawall.command(replica)?;
    command.args(["status", "-json", "-config", config]);
    let output = command.current_dir(scene.dir()).output()?;
    ensure!(output.status.success(), "{output:?}");
    let mut databases: Value = serde_json::from_slice(&output.stdout)?;
    Ok(databases[0]["verify"].take())
}

/// What the metrics say of verifying.
struct Metrics {
    ok: f64,
    /// Unix seconds.
    last_success: f64,
    last_attempt: f64,
}

impl Metrics {
    /// None: not all of them are there yet.
    fn read(addr: SocketAddr) -> Result<Option<Self>> {
        let url = format!("http://{addr}/metrics");
        let text = ureq::get(url).call()?.body_mut().read_to_string()?;
        let number = |name: &str| -> Option<f64> {
            let start = format!("seawall_verify_{name}{{");
            let line = text.lines().find(|line| line.starts_with(&start))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        let all = || {
            Some(Self {
                ok: number("ok")?,
                last_success: number("last_success_timestamp_seconds")?,
                last_attempt: number("last_attempt_timestamp_seconds")?,
            })
        };
        Ok(all())
    }

    /// When they say so.
    fn saying(addr: SocketAddr, limit: Duration, is_so: impl Fn(&Self) -> bool) -> Result<Self> {
        wait_for(
            "the metrics",
            limit,
            || Ok(Self::read(addr)?.filter(&is_so)),
        )
    }
}

/// Breaks the replica: what to write where, or nothing.
type Breakage = Vec<(String, Option<Vec<u8>>)>;

fn breakages(replica: &Replica, stranger: &Replica) -> Result<Vec<(&'static str, Breakage)>> {
    let keys: Vec<String> = replica.level(0)?.into_iter().map(|(_, key)| key).collect();
    let [_, second, third, newest] = keys.as_slice() else {
        anyhow::bail!("not four objects: {keys:?}");
    };
    let get = |key: &String| replica.objects.get(key);
    let mut flipped = get(second)?;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    let (_, snapshot) = replica.level(9)?.remove(0);
    let of_another = stranger.objects.get(third)?;
    let exchanged = vec![
        (second.clone(), Some(get(third)?)),
        (third.clone(), Some(get(second)?)),
    ];
    Ok(vec![
        ("a flipped bit", vec![(second.clone(), Some(flipped))]),
        ("a missing object", vec![(third.clone(), None)]),
        ("the newest object missing", vec![(newest.clone(), None)]),
        ("the snapshot missing", vec![(snapshot, None)]),
        ("two objects exchanged", exchanged),
        (
            "an object of another database",
            vec![(third.clone(), Some(of_another))],
        ),
    ])
}

#[test]
fn damage_is_noticed_within_one_interval() {
    scene(|scene| {
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let (_other, stranger) = shipped(scene)?;
        let socket = scene.dir().join("s.sock");
        let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let settings = Settings {
            sync_interval: Duration::from_millis(100),
            global: vec![
                format!("verify: {{interval: {}s}}", INTERVAL.as_secs()),
                format!("socket: {{enabled: true, path: {}}}", socket.display()),
                format!("addr: {addr}"),
                // Nothing changes in the replica while it is broken.
                "levels: []".into(),
            ],
            ..Settings::default()
        };
        let config = scene.fresh("config.yml");
        fs::write(&config, replica.config(&machine.db(), &settings))?;
        let config_text = config.display().to_string();
        let sidecar = Program::Seawall.replicate_with(scene, &replica, &config)?;
        replica.wait_for_txid(1, LIMIT)?;
        for txid in 2..=4 {
            let more = "UPDATE t SET body = randomblob(3000) WHERE id % 5 = 0";
            sql(scene, &machine.db(), more)?;
            replica.wait_for_txid(txid, LIMIT)?;
        }
        let sound_at_4 = || -> Result<Option<()>> {
            let verify = status(scene, &replica, &config_text)?;
            let newest = &verify["last_success"]["txid"];
            Ok((verify["sound"] == true && *newest == 4).then_some(()))
        };
        wait_for("a first proof", LIMIT, sound_at_4)?;
        let mut browser = Browser::open(scene.dir(), addr, Look::default())?;
        browser.wait_for_title("All well", LIMIT)?;

        for (what, breakage) in breakages(&replica, &stranger)? {
            let mut kept = Vec::new();
            for (key, body) in &breakage {
                kept.push((key, replica.objects.get(key)?));
                match body {
                    Some(body) => replica.objects.put(key, body)?,
                    None => replica.objects.delete(key)?,
                }
            }
            let began = Instant::now();
            let said = sidecar.said()?.len();
            let (key, _) = &breakage[0];
            let told = wait_for(what, INTERVAL + SLACK, || {
                let log = sidecar.said()?.split_off(said);
                let is_told = |line: &&str| {
                    line.contains("ERROR the replica is damaged") && line.contains(key)
                };
                Ok(log.lines().find(is_told).map(str::to_owned))
            });
            let told = told.with_context(|| format!("the log does not name {key}"))?;
            println!(
                "{what}: after {:.1} s: {told}",
                began.elapsed().as_secs_f64()
            );
            let verify = wait_for("the status", SLACK, || {
                let verify = status(scene, &replica, &config_text)?;
                Ok((verify["sound"] == false).then_some(verify))
            })?;
            let error = verify["last_failure"]["error"].as_str().unwrap_or_default();
            ensure!(error.contains(key.as_str()), "{what}: {verify}");
            let shown = Metrics::saying(addr, SLACK, |metrics| metrics.ok == 0.0)?;
            browser.wait_for_title("Unproven", SLACK)?;
            let (took, why) = (began.elapsed(), browser.field("why")?);
            ensure!(why.contains(key.as_str()), "{what}: the page says {why:?}");
            ensure!(took < INTERVAL + SLACK, "{what}: shown after {took:?}");
            // It stays so, and the last success where it was.
            let later = Metrics::saying(addr, INTERVAL + SLACK, |metrics| {
                metrics.last_attempt > shown.last_attempt
            })?;
            ensure!(later.ok == 0.0 && later.last_success == shown.last_success);
            for (key, body) in kept {
                replica.objects.put(key, &body)?;
            }
            let again =
                || Ok((status(scene, &replica, &config_text)?["sound"] == true).then_some(()));
            wait_for("it to be sound again", INTERVAL + SLACK, again)?;
            let mended = Metrics::saying(addr, SLACK, |metrics| metrics.ok == 1.0)?;
            ensure!(mended.last_success > shown.last_success);
            browser.wait_for_title("All well", SLACK)?;
        }
        browser.close()?;
        let outcome = sidecar.terminate(LIMIT)?.ok()?;
        outcome.says("INFO the replica is sound again")?;
        let left = machine.contents()?;
        ensure!(left.len() <= 4, "left behind: {left:?}");
        Ok(())
    });
}

#[test]
fn a_store_that_is_away_makes_no_damaged_replica() {
    scene(|scene| {
        let weed = SeaweedFs::start()?;
        let proxy = Proxy::start(weed.store.s3)?;
        let replica = Replica::on_s3(weed.store).through(&proxy);
        let machine = shipped_to(scene, &replica)?;
        let settings = Settings {
            global: vec![format!("verify: {{interval: {}s}}", INTERVAL.as_secs())],
            ..Settings::default()
        };
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        let says = |text: &str| Ok(sidecar.said()?.contains(text).then_some(()));
        wait_for("a first proof", LIMIT, || says("the replica is sound"))?;
        proxy.set(Weather::all(Fault::Away));
        let told = || says("could not be checked");
        wait_for("an outage to be told", OUTAGE, told)?;
        let by_hand = Program::Seawall.run(scene, &replica, &["verify", &replica.url()])?;
        by_hand.expect(ERROR)?.says("could not be checked")?;
        ensure!(!sidecar.said()?.contains("the replica is damaged"));
        Ok(())
    });
}

#[test]
fn by_hand_a_sound_replica_is_told_from_a_damaged_one() {
    scene(|scene| {
        let (_machine, replica) = shipped(scene)?;
        let url = replica.url();
        let verify = || Program::Seawall.run(scene, &replica, &["verify", &url]);
        verify()?.ok()?.says("sound")?.says("0000000000000004")?;
        let (_, key) = replica.level(0)?.remove(2);
        let body = replica.objects.get(&key)?;
        let mut flipped = body.clone();
        flipped[150] ^= 1;
        replica.objects.put(&key, &flipped)?;
        verify()?.expect(DAMAGED)?.says(&key)?;
        replica.objects.delete(&key)?;
        verify()?
            .expect(DAMAGED)?
            .says("0000000000000003 is missing")?;
        replica.objects.put(&key, &body)?;
        verify()?.ok()?;
        let nothing = Replica::in_files(&scene.fresh("nothing"));
        Program::Seawall
            .run(scene, &nothing, &["verify", &nothing.url()])?
            .expect(NOTHING)?;
        Ok(())
    });
}

#[test]
fn what_litestream_wrote_is_verified_too() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let settings = Settings {
            sync_interval: Duration::from_millis(100),
            global: vec![
                "levels: [{interval: 1s}]".into(),
                "snapshot: {interval: 2s, retention: 1h}".into(),
            ],
            ..Settings::default()
        };
        let peer = Program::Litestream.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        for round in 0..8 {
            let more = "UPDATE t SET body = randomblob(3000) WHERE id % 5 = 0";
            sql(scene, &machine.db(), more)?;
            replica.wait_for_txid(round + 2, LIMIT)?;
            std::thread::sleep(Duration::from_millis(500));
        }
        peer.terminate(LIMIT)?;
        let verify = || Program::Seawall.run(scene, &replica, &["verify", &replica.url()]);
        println!("{}", verify()?.ok()?.output);
        ensure!(!replica.level(1)?.is_empty() && !replica.level(9)?.is_empty());
        let (_, key) = replica.level(1)?.remove(1);
        let mut flipped = replica.objects.get(&key)?;
        flipped[150] ^= 1;
        replica.objects.put(&key, &flipped)?;
        verify()?.expect(DAMAGED)?.says(&key)?;
        Ok(())
    });
}

#[test]
fn of_a_backup_of_0_3_the_newest_state_is_restored_and_checked() {
    scene(|scene| {
        let replica = Replica::in_files(&scene.fresh("replica"));
        let mut backup = Generation::begin(scene, &replica.objects, "0123456789abcdef", 4096)?;
        backup.segment()?;
        let verify = || Program::Seawall.run(scene, &replica, &["verify", &replica.url()]);
        verify()?.ok()?.says("0123456789abcdef")?;
        let listing = replica.objects.list()?;
        let segment = listing.into_keys().find(|key| key.contains("/wal/"));
        let segment = segment.context("no segment")?;
        replica.objects.put(&segment, b"nothing of the kind")?;
        verify()?.expect(DAMAGED)?.says(&segment)?;
        Ok(())
    });
}
