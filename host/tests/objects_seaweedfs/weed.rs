//! A SeaweedFS server of the test's own, on ports of its own, gone when the test is over.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use seawall::objects::{Condition, S3Location, Secret, Store};

/// From the start of the server to its first bucket: 4 s, and more where others work too.
const START: Duration = Duration::from_secs(120);

pub const BUCKET: &str = "seawall-test";

const IDENTITIES: &str = r#"{"identities":[
    {"name":"admin","credentials":[{"accessKey":"AK","secretKey":"SK"}],
     "actions":["Admin","Read","Write","List","Tagging"]},
    {"name":"reader","credentials":[{"accessKey":"RAK","secretKey":"RSK"}],
     "actions":["Read","List"]}]}"#;

pub struct Weed {
    server: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Weed {
    /// Starts the server and makes its bucket.
    pub async fn start() -> Weed {
        let directory = tempfile::tempdir().unwrap();
        let port = eight_free_ports();
        let server = spawn(directory.path(), port);
        let weed = Weed {
            server,
            port,
            _directory: directory,
        };
        weed.make_bucket().await;
        weed
    }

    pub fn location(&self, path: &str) -> S3Location {
        let mut location = S3Location::new(BUCKET, path);
        location.endpoint = Some(format!("127.0.0.1:{}", self.port));
        location.access_key_id = Some("AK".into());
        location.secret_access_key = Some(Secret::new("SK"));
        location
    }

    pub async fn store(&self, path: &str) -> Store {
        Store::open(self.location(path).into()).await.unwrap()
    }

    /// The headers of a stored object, as the file server behind the S3 interface has them.
    pub fn headers(&self, key: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port + 5)).unwrap();
        let request = format!("HEAD /buckets/{BUCKET}/{key} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The first put of an administrator makes the bucket.
    async fn make_bucket(&self) {
        let store = self.store("start").await;
        let began = Instant::now();
        loop {
            match store.put("up", Bytes::new(), Condition::None, 0).await {
                Ok(_) => return,
                Err(error) if began.elapsed() > START => panic!("SeaweedFS is not up: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        // It takes 15 s to end in order, and has nothing to keep.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn spawn(directory: &Path, port: u16) -> Child {
    let identities = directory.join("s3.json");
    std::fs::write(&identities, IDENTITIES).unwrap();
    let log = std::fs::File::create(directory.join("log")).unwrap();
    Command::new(program())
        .arg("server")
        .arg(format!("-dir={}", directory.display()))
        .arg(format!("-s3.config={}", identities.display()))
        .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
        .args([
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ])
        .args(["-volume.max=100", "-master.volumeSizeLimitMB=1024"])
        .arg(format!("-s3.port={port}"))
        .arg(format!("-master.port={}", port + 1))
        .arg(format!("-master.port.grpc={}", port + 2))
        .arg(format!("-volume.port={}", port + 3))
        .arg(format!("-volume.port.grpc={}", port + 4))
        .arg(format!("-filer.port={}", port + 5))
        .arg(format!("-filer.port.grpc={}", port + 6))
        .arg(format!("-s3.port.grpc={}", port + 7))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| {
            panic!("`weed` cannot be started ({error}): run scripts/setup test")
        })
}

/// The server that scripts/setup installs into the target directory.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let installed = test.ancestors().map(|dir| dir.join("tools/bin/weed"));
    let mut installed = installed.filter(|path| path.exists());
    installed.next().unwrap_or_else(|| "weed".into())
}

fn eight_free_ports() -> u16 {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..100)
        .map(|_| 20_000 + 8 * (rand::random::<u16>() % 1_000))
        .find(|&first| (first..first + 8).all(free))
        .expect("eight free ports in a row")
}
