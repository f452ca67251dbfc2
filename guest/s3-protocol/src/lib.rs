//! The protocol of S3: requests and what their answers mean, over whatever carries them.
//!
//! A [`Bucket`] knows what to ask and how to read it; its [`Carrier`] signs, sends, waits and tries
//! again. Seawall's own host has one of reqwest, the component for other hosts one of `wasi:http`.

pub mod answer;
mod delete;
pub mod escape;
pub mod failure;
pub mod keys;
pub mod limits;
mod list;
mod location;
mod operation;
mod order;
pub mod parts;
pub mod provider;
pub mod request;
pub mod retry;
pub mod sign;
pub mod site;
pub mod upload;
mod write;
pub mod xml;

use bytes::Bytes;
use failure::{Failure, Kind};
use http::{Method, StatusCode};
use limits::{GET_BYTES, Patience};
pub use location::{Encryption, S3Location, Secret};
pub use operation::{Operation, Trouble};
use request::{Answer, Effect, Request};
use site::Site;
use std::future::Future;
use std::sync::atomic::AtomicBool;
pub use upload::Upload;
use write::{EtagForm, ObjectHeaders};

/// Why a request did not do what was asked. The text is for people and names the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not found: {0}")]
    NotFound(String),
    #[error("precondition failed: {0}")]
    PreconditionFailed(String),
    #[error("throttled: {0}")]
    Throttled(String),
    #[error("access denied: {0}")]
    Denied(String),
    /// The request did certainly not take effect.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A `put` may or may not have taken effect.
    #[error("the answer never came: {0}")]
    UnknownOutcome(String),
    #[error("{0}")]
    Invalid(String),
}

/// Bytes `offset .. offset + length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub offset: u64,
    pub length: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    None,
    IfAbsent,
    IfMatch(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub size: u64,
    /// Unix time, milliseconds.
    pub modified_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    pub truncated: bool,
}

/// Sends requests.
pub trait Carrier {
    /// The answer to a request, which is tried again as far as that is of use.
    ///
    /// Errors: the last try's failure; its `doubt` is that of all tries together.
    fn call(&self, request: &Request<'_>) -> impl Future<Output = Result<Answer, Failure>>;

    fn site(&self) -> &Site;

    /// With a request that says nothing else.
    fn patience(&self) -> Patience;
}

/// A prefix of a bucket.
#[derive(Debug)]
pub struct Bucket<C> {
    pub carrier: C,
    /// What stands before our keys: the path and a slash.
    prefix: String,
    object_headers: ObjectHeaders,
    deletes_are_sure: bool,
    order: list::SeenOrder,
    etag_form: EtagForm,
    /// The store has no DeleteObjects.
    deletes_singly: AtomicBool,
}

/// Errors: [`Error::Invalid`] when the location makes no sense. Sends nothing and reads no
/// credentials.
pub fn check(location: &S3Location) -> Result<(), Error> {
    site_of(location)?;
    ObjectHeaders::new(location).map(|_| ())
}

/// Errors: as [`check`].
pub fn site_of(location: &S3Location) -> Result<Site, Error> {
    check_path(&location.path)?;
    let endpoint = location.endpoint.as_deref();
    let site = Site::new(&location.bucket, endpoint, location.force_path_style)?;
    let customers_key = matches!(location.encryption, Some(Encryption::Customer { .. }));
    if customers_key && !site.is_https() && !site.is_near() {
        return Err(Error::Invalid(format!(
            "sse-customer-key would be sent to {} without TLS; use https",
            site.name()
        )));
    }
    Ok(site)
}

impl<C: Carrier> Bucket<C> {
    /// Errors: as [`check`].
    pub fn new(location: &S3Location, carrier: C) -> Result<Bucket<C>, Error> {
        Ok(Bucket {
            prefix: format!("{}/", location.path),
            object_headers: ObjectHeaders::new(location)?,
            deletes_are_sure: carrier.site().provider().deletes_are_sure,
            order: list::SeenOrder::default(),
            etag_form: EtagForm::default(),
            deletes_singly: AtomicBool::new(false),
            carrier,
        })
    }

    /// What stands before our keys.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A request in words: `PUT s3://bucket/key`.
    fn name(&self, request: &Request<'_>) -> String {
        request.name(self.carrier.site().bucket())
    }

    pub async fn get(&self, key: &str, range: Option<Range>) -> Result<Bytes, Error> {
        let key = self.full_key(key);
        let mut request = Request::of_object(Method::GET, &key);
        request.answer_bytes = GET_BYTES;
        request.headers.extend(self.object_headers.for_reading());
        if let Some(Range { offset, length }) = range {
            request
                .headers
                .push(("range", format!("bytes={offset}-{}", offset + (length - 1))));
        }
        let answer = self.carrier.call(&request).await.and_then(|answer| {
            only_range(answer, range).map_err(|text| {
                let name = self.name(&request);
                Failure::certain(Kind::Invalid, format!("{name}: {text}"))
            })
        });
        answer.map_err(|failure| failure.into_error(Effect::Repeatable))
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// URLs cannot name such parts: they are taken out on the way.
fn check_path(path: &str) -> Result<(), Error> {
    if path.split('/').any(|part| part == "." || part == "..") {
        return Err(Error::Invalid(format!(
            "the replica's path {path:?} has a part `.` or `..`, which cannot be asked for by HTTP"
        )));
    }
    Ok(())
}

/// The bytes that were asked for. A store may answer with the whole object instead.
fn only_range(answer: Answer, range: Option<Range>) -> Result<Bytes, String> {
    let Some(Range { offset, length }) = range else {
        return Ok(answer.body);
    };
    if answer.status == StatusCode::PARTIAL_CONTENT {
        let begins = answer.header("content-range").and_then(first_byte);
        if begins.is_some_and(|begins| begins != offset) || answer.body.len() as u64 > length {
            return Err(format!(
                "the answer is not the range of {length} bytes from {offset} on"
            ));
        }
        return Ok(answer.body);
    }
    let size = answer.body.len() as u64;
    if offset >= size {
        return Err(format!(
            "the range begins at byte {offset}, but the object has {size} bytes"
        ));
    }
    let end = size.min(offset + length);
    Ok(answer.body.slice(offset as usize..end as usize))
}

/// The first number of `bytes 10-19/200`.
fn first_byte(content_range: &str) -> Option<u64> {
    content_range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}
