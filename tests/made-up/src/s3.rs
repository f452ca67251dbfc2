//! Whatever a store answers: a result or an error, never more than was asked for.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use futures::executor::block_on;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3_protocol::failure::Failure;
use s3_protocol::limits::Patience;
use s3_protocol::request::{Answer, Request};
use s3_protocol::site::Site;
use s3_protocol::{Bucket, Carrier, Condition, Range, S3Location, answer, site_of};
use std::sync::{Arc, Mutex, PoisonError};

const NAMES: [&str; 8] = [
    "etag",
    "server",
    "content-range",
    "content-length",
    "retry-after",
    "date",
    "x-amz-bucket-region",
    "last-modified",
];

const STATUS: [u16; 12] = [200, 204, 206, 301, 400, 403, 404, 409, 412, 429, 500, 503];

#[derive(Debug, Arbitrary)]
struct Said {
    status: u8,
    headers: Vec<(u8, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

/// Gives the answers one after the other, and then none.
struct Script {
    site: Site,
    answers: Mutex<Vec<Said>>,
}

impl Carrier for Script {
    async fn call(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let next = self
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let Some(said) = next else {
            return Err(Failure::unanswered("nothing more"));
        };
        let status = STATUS[usize::from(said.status) % STATUS.len()];
        let status = StatusCode::from_u16(status).expect("a status");
        let mut headers = HeaderMap::new();
        for (name, value) in said.headers {
            let name = HeaderName::from_static(NAMES[usize::from(name) % NAMES.len()]);
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        let body = said.body.ok_or_else(|| Failure::unanswered("broken off"));
        let body = body.map(|mut body| {
            body.truncate(answer::limit(request, status) as usize);
            Bytes::from(body)
        });
        let now = jiff::Timestamp::UNIX_EPOCH;
        answer::settle(request, &self.site, status, headers, body, now)
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn patience(&self) -> Patience {
        Patience::USUAL
    }
}

pub fn run(data: &[u8]) {
    let Ok(input) = <(u8, Vec<Said>)>::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let (operation, answers) = input;
    let location = S3Location {
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        ..S3Location::new("bucket", "path")
    };
    let site = site_of(&location).expect("a location");
    let answers = Mutex::new(answers);
    let bucket = Bucket::new(&location, Script { site, answers });
    let bucket = Arc::new(bucket.expect("a location"));
    let range = Range {
        offset: 5,
        length: 7,
    };
    match operation % 6 {
        0 => drop(block_on(bucket.list("ltx/0/", None))),
        1 => {
            if let Ok(listing) = block_on(bucket.list("ltx/", Some("ltx/0/5"))) {
                assert!(
                    listing
                        .entries
                        .is_sorted_by(|one, other| one.key < other.key)
                );
            }
        }
        2 => {
            if let Ok(bytes) = block_on(bucket.get("key", Some(range))) {
                assert!(bytes.len() as u64 <= range.length);
            }
        }
        3 => {
            let body = Bytes::from_static(b"body");
            drop(block_on(bucket.put("key", body, Condition::IfAbsent, 0)));
        }
        4 => {
            let keys = ["a".to_owned(), "b".to_owned()];
            drop(block_on(bucket.delete(&keys)));
        }
        _ => drop(block_on(bucket.start_upload("key", 0))),
    }
}
