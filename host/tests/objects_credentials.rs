//! Credentials of AWS's chain: fetched, kept, renewed, or quickly not found.
//!
//! The chain reads the environment, so each test runs itself once more in a process whose
//! environment it has made.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use seawall::objects::{Condition, Error, S3Location, Store};

const IN_CHILD: &str = "SEAWALL_TEST_S3_PORT";

/// True in the child. In the parent, runs test `name` in a child with this environment.
fn is_child(name: &str, s3: &Fake, environment: &[(&str, &str)]) -> bool {
    if std::env::var(IN_CHILD).is_ok() {
        return true;
    }
    let home = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env_clear()
        .env("HOME", home.path())
        .env(IN_CHILD, s3.port.to_string())
        .envs(environment.iter().copied())
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in its child");
    false
}

/// Runs in the child.
fn put_twice() -> Vec<Result<String, Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut location = S3Location::new("bkt", "db");
        let port = std::env::var(IN_CHILD).unwrap();
        location.endpoint = Some(format!("http://127.0.0.1:{port}"));
        let store = Store::open(location.into()).await.unwrap();
        let put = async || store.put("k", Bytes::new(), Condition::IfAbsent, 0).await;
        vec![put().await, put().await]
    })
}

#[test]
fn a_containers_credentials_are_fetched_once_and_again_when_they_expire() {
    let fake = Fake::start();
    let uri = format!("http://127.0.0.1:{}/creds", fake.port);
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str())];
    let name = "a_containers_credentials_are_fetched_once_and_again_when_they_expire";
    if is_child(name, &fake, &environment) {
        let results = put_twice();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        return;
    }
    let seen = fake.seen();
    let order: Vec<&str> = seen
        .iter()
        .map(|head| &head[..head.find(' ').unwrap()])
        .collect();
    // The store refuses the first ones as expired.
    assert_eq!(order, ["GET", "PUT", "GET", "PUT", "PUT"], "{seen:#?}");
    assert!(seen[1].contains("Credential=KEY1/"), "{}", seen[1]);
    assert!(
        seen[1].contains("x-amz-security-token: TOKEN1"),
        "{}",
        seen[1]
    );
    assert!(seen[3].contains("Credential=KEY2/"), "{}", seen[3]);
    assert!(seen[4].contains("Credential=KEY2/"), "{}", seen[4]);
}

#[test]
fn without_any_credentials_it_says_soon_where_it_looked() {
    let fake = Fake::start();
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let metadata = format!("http://{nobody}");
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str())];
    if is_child(
        "without_any_credentials_it_says_soon_where_it_looked",
        &fake,
        &environment,
    ) {
        let began = Instant::now();
        for result in put_twice() {
            let Err(Error::Denied(text)) = result else {
                panic!("{result:?}")
            };
            println!("{text}");
            for source in [
                "LITESTREAM_*",
                "AWS_*",
                "profile",
                "web identity",
                "metadata",
            ] {
                assert!(text.contains(source), "{source}: {text}");
            }
        }
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        return;
    }
    assert_eq!(fake.seen(), Vec::<String>::new());
}

#[test]
fn a_metadata_server_that_says_nothing_does_not_hold_a_call_for_long() {
    let fake = Fake::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let metadata = format!("http://{}", silent.local_addr().unwrap());
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str())];
    let name = "a_metadata_server_that_says_nothing_does_not_hold_a_call_for_long";
    if is_child(name, &fake, &environment) {
        let began = Instant::now();
        let results = put_twice();
        let took = began.elapsed() / 2;
        println!("{took:?} a call: {results:?}");
        assert!(
            results
                .iter()
                .all(|result| matches!(result, Err(Error::Denied(_))))
        );
        assert!(took < Duration::from_secs(11), "{took:?}");
    }
}

/// Hands out credentials at `/creds`, each time others, and takes objects signed with the second.
struct Fake {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let theirs = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &theirs);
            }
        });
        Fake { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap() == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let asks_credentials = |head: &String| head.starts_with("GET /creds");
    let (status, body) = if asks_credentials(&head) {
        let round = 1 + seen
            .lock()
            .unwrap()
            .iter()
            .filter(|head| asks_credentials(head))
            .count();
        let body = format!(
            r#"{{"AccessKeyId":"KEY{round}","SecretAccessKey":"S","Token":"TOKEN{round}",
                "Expiration":"2099-01-01T00:00:00Z"}}"#
        );
        (200, body)
    } else if head.contains("Credential=KEY1/") {
        let body = "<Error><Code>ExpiredToken</Code><Message>Expired.</Message></Error>";
        (400, body.to_owned())
    } else {
        (200, String::new())
    };
    seen.lock().unwrap().push(head);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\netag: \"e\"\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}
