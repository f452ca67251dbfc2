//! The S3 client against a server that misbehaves as it is told to.

mod delete;
mod get;
mod list;
mod put;
mod region;
mod server;
mod tls;
mod upload;

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::objects::limits::GET_BYTES;
use crate::objects::{Condition, Range, Secret};
use server::{Act, Server};

/// Everything a hundred times faster than usual.
const QUICK: Patience = Patience {
    connect: Duration::from_millis(200),
    first_byte: Duration::from_millis(300),
    silent: Duration::from_millis(100),
    stall: Duration::from_millis(300),
    call: Duration::from_secs(3),
    tries: 4,
    wait_first: Duration::from_millis(5),
    wait_first_throttled: Duration::from_millis(10),
    wait_most: Duration::from_millis(50),
};

fn location(port: u16) -> S3Location {
    let mut location = S3Location::new("bkt", "db");
    location.endpoint = Some(format!("http://127.0.0.1:{port}"));
    location.access_key_id = Some("AK".into());
    location.secret_access_key = Some(Secret::new("SK"));
    location
}

fn open(location: S3Location) -> S3 {
    S3::open_with(location, &Env::of(&[]), QUICK).unwrap()
}

/// A server that does one thing for each request, and a client of it.
async fn scripted(script: impl IntoIterator<Item = Act>) -> (Server, S3) {
    let server = Server::start(script).await;
    let s3 = open(location(server.port));
    (server, s3)
}

async fn put_if_absent(s3: &S3) -> Result<String, Error> {
    s3.put(
        "k",
        Bytes::from_static(b"body"),
        Condition::IfAbsent,
        1_700_000_000_120,
    )
    .await
}

fn refusal(status: u16, code: &str) -> Act {
    Act::answer(
        status,
        &format!("<Error><Code>{code}</Code><Message>Because.</Message></Error>"),
    )
}

fn stored() -> Act {
    Act::answer(200, "").with("ETag", "\"e\"")
}
