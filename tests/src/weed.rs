//! The S3 server of the tests: SeaweedFS, on ports of its own, with one bucket.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::RngExt;
use tempfile::TempDir;

use crate::process::Running;
use crate::{places, wait_for};

pub const ACCESS_KEY: &str = "seawall-tests";
pub const SECRET_KEY: &str = "not-a-secret";
pub const BUCKET: &str = "tests";

/// Names a server that `with-store` has started for all tests of a run.
pub const STORE_VARIABLE: &str = "TEST_STORE";

/// S3, master, volume and filer with one gRPC port each.
const PORTS: u16 = 8;

/// Where a running server listens.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    pub s3: SocketAddr,
    /// SeaweedFS's own file interface to the same objects: no signatures.
    pub filer: SocketAddr,
}

impl Store {
    fn at(port: u16) -> Self {
        Self {
            s3: SocketAddr::from(([127, 0, 0, 1], port)),
            filer: SocketAddr::from(([127, 0, 0, 1], port + 5)),
        }
    }
}

/// A server that ends with this value, unless `with-store` owns it.
pub struct SeaweedFs {
    pub store: Store,
    _own: Option<(Running, TempDir)>,
}

impl SeaweedFs {
    /// The server of this test run, or a new one.
    pub fn start() -> Result<Self> {
        if let Ok(port) = std::env::var(STORE_VARIABLE) {
            let store = Store::at(port.parse().context(STORE_VARIABLE)?);
            return Ok(Self { store, _own: None });
        }
        let dir = TempDir::with_prefix("weed-")?;
        let port = free_ports()?;
        let mut weed = launch(dir.path(), port)?;
        let store = Store::at(port);
        let limit = Duration::from_secs(60);
        let mut last = Ok(());
        let ready = wait_for("SeaweedFS to make a bucket", limit, || {
            anyhow::ensure!(weed.is_running()?, "SeaweedFS ended:\n{}", weed.said()?);
            last = make_bucket(store);
            Ok(last.is_ok().then_some(()))
        });
        if ready.is_err() {
            last?;
        }
        ready?;
        Ok(Self {
            store,
            _own: Some((weed, dir)),
        })
    }
}

fn launch(dir: &Path, port: u16) -> Result<Running> {
    let config = dir.join("s3.json");
    let identities = serde_json::json!({ "identities": [{
        "name": "tests",
        "credentials": [{ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY }],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }]});
    std::fs::write(&config, identities.to_string())?;
    let mut command = Command::new(places::tool("weed")?);
    command.current_dir(dir).arg("server");
    let ports = [
        ("s3.port", 0),
        ("master.port", 1),
        ("master.port.grpc", 2),
        ("volume.port", 3),
        ("volume.port.grpc", 4),
        ("filer.port", 5),
        ("filer.port.grpc", 6),
        ("s3.port.grpc", 7),
    ];
    for (flag, offset) in ports {
        command.arg(format!("-{flag}={}", port + offset));
    }
    command
        .arg(format!("-dir={}", dir.display()))
        .arg(format!("-s3.config={}", config.display()))
        .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
        .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
        .args(["-volume.max=100", "-master.volumeSizeLimitMB=1024"])
        .arg("-master.telemetry=false");
    Running::start("SeaweedFS", &mut command, &dir.join("weed.log"))
}

/// The S3 port answers seconds before a bucket can be written to: this is the proof.
fn make_bucket(store: Store) -> Result<()> {
    let filer = store.filer;
    match ureq::post(format!("http://{filer}/buckets/{BUCKET}/")).send_empty() {
        // An attempt before this one has made it.
        Err(ureq::Error::StatusCode(409)) => {}
        answer => drop(answer?),
    }
    let probe = format!("http://{filer}/buckets/{BUCKET}/probe");
    ureq::put(&probe).send(&b"x"[..])?;
    ureq::get(&probe).call()?;
    ureq::delete(&probe).call()?;
    let answer = ureq::get(format!("http://{}/", store.s3))
        .config()
        .http_status_as_error(false)
        .build()
        .call()?;
    anyhow::ensure!(answer.status().as_u16() < 500, "S3 is not ready");
    Ok(())
}

/// The first of [`PORTS`] free ports in a row, below the range that outgoing connections use.
fn free_ports() -> Result<u16> {
    for _ in 0..200 {
        let first: u16 = rand::rng().random_range(15_000..32_000);
        let all: Result<Vec<_>, _> = (first..first + PORTS)
            .map(|port| TcpListener::bind(("127.0.0.1", port)))
            .collect();
        if all.is_ok() {
            return Ok(first);
        }
    }
    anyhow::bail!("no {PORTS} free ports in a row")
}
