//! The pictures of the page in `docs/images`: a wiki that is written to, and one outage of its store.
//!
//!   screenshots [--minutes N]
//!
//! Nothing in them is made up: what the chart shows has happened in the N minutes (20) before.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::browser::{Browser, Look};
use end_to_end::program::Program;
use end_to_end::proxy::{Fault, Proxy, Weather};
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::Scene;
use end_to_end::shell::Load;
use end_to_end::weed::SeaweedFs;
use end_to_end::workload;

const LIMIT: Duration = Duration::from_secs(60);
const SEED: u64 = 1;
const HOUR: Duration = Duration::from_secs(3600);
const OUTAGE: Duration = Duration::from_secs(48);
/// A picture is for a README.
const PICTURE_MAX_BYTES: u64 = 150_000;

const LOOKS: [(&str, Look); 3] = [
    ("status-light.png", look(false, 1080)),
    ("status-dark.png", look(true, 1080)),
    ("status-phone.png", look(false, 360)),
];

const fn look(dark: bool, width: u32) -> Look {
    let time_zone = "Asia/Tokyo";
    Look {
        dark,
        width,
        time_zone,
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let minutes = match words.as_slice() {
        [] => 20,
        [flag, number] if flag == "--minutes" => number.parse().context("--minutes")?,
        _ => bail!("usage: screenshots [--minutes N]"),
    };
    let dir = tempfile::TempDir::with_prefix("screenshots-")?;
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    fs::create_dir_all(&images)?;
    take(
        &Scene::in_dir(dir.path()),
        Duration::from_secs(60 * minutes),
        &images,
    )
}

fn take(scene: &Scene, length: Duration, images: &Path) -> Result<()> {
    let weed = SeaweedFs::start()?;
    let proxy = Proxy::start(weed.store.s3)?;
    let replica = Replica::on_s3(weed.store).through(&proxy);
    let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let db = scene.dir().join("notes.db");
    workload::create(&db, SEED)?;
    let settings = Settings {
        global: vec![format!("addr: {addr}"), "verify: {interval: 5m}".to_owned()],
        ..Settings::default()
    };
    proxy.set(Weather::near());
    let sidecar = Program::Seawall.replicate(scene, &db, &replica, &settings)?;
    let began = Instant::now();
    // The hour is cut off, not compressed.
    let load = Load::hour(scene, &db, SEED, HOUR.as_secs())?;
    // Nobody notices an outage while nobody types.
    let typing = workload::hour(SEED, HOUR).into_iter().map(|event| event.at);
    let outage = typing.into_iter().find(|at| *at > length.mul_f64(0.6));
    std::thread::sleep(outage.context("somebody types later")?);
    proxy.set(Weather::all(Fault::Away));
    std::thread::sleep(OUTAGE);
    proxy.set(Weather::near());
    std::thread::sleep(length.saturating_sub(began.elapsed()));
    for (name, look) in LOOKS {
        let mut browser = Browser::open(scene.dir(), addr, look)?;
        browser.wait_for_title("All well", LIMIT)?;
        browser.shoot(&images.join(name))?;
        shrink(&images.join(name))?;
        browser.close()?;
        let bytes = fs::metadata(images.join(name))?.len();
        println!("docs/images/{name}: {bytes} bytes");
        ensure!(bytes < PICTURE_MAX_BYTES, "{name} is too large");
    }
    load.kill()?;
    sidecar.terminate(LIMIT)?.ok()?;
    Ok(())
}

/// Few colours are enough for text and lines.
fn shrink(picture: &Path) -> Result<()> {
    let mut pngquant = Command::new("pngquant");
    pngquant.args(["--force", "--strip", "--output"]);
    let status = pngquant.arg(picture).arg(picture).status();
    let status = status.context("pngquant: run scripts/setup pictures")?;
    ensure!(status.success(), "pngquant: {status}");
    Ok(())
}
