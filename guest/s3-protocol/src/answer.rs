//! What comes back: a yes with its bytes, or what a refusal means.

use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, HeaderMap, RETRY_AFTER};
use http::{Method, StatusCode};

use crate::failure::{Failure, Refusal, from_refusal, of_code};
use crate::limits::ERROR_BYTES;
use crate::request::{Answer, Request};
use crate::retry::retry_after;
use crate::site::Site;
use crate::xml::ErrorDocument;

/// Of the body of an answer with this status, as much is taken.
pub fn limit(request: &Request<'_>, status: StatusCode) -> u64 {
    match status.is_success() {
        true => request.answer_bytes,
        false => ERROR_BYTES,
    }
}

/// What an answer means that arrived; `body` may have broken off.
pub fn settle(
    request: &Request<'_>,
    site: &Site,
    status: StatusCode,
    headers: HeaderMap,
    body: Result<Bytes, Failure>,
    now: jiff::Timestamp,
) -> Result<Answer, Failure> {
    if status.is_success() {
        let body = body?;
        // S3 answers a POST with 200 before it knows how it ends.
        let refused = request.method == Method::POST;
        if let Some(document) = refused.then(|| ErrorDocument::read(&body)).flatten() {
            return Err(of_code(&document.code, &document.message));
        }
        return Ok(Answer {
            status,
            headers,
            body,
        });
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let wait: Option<Duration> = text(RETRY_AFTER.as_str()).and_then(|text| retry_after(text, now));
    Err(from_refusal(
        request,
        &Refusal {
            status,
            // The status alone tells enough when the rest does not arrive.
            body: &body.unwrap_or_default(),
            retry_after: wait,
            region: text("x-amz-bucket-region").map(str::to_owned),
            clock_ahead_seconds: text(DATE.as_str()).and_then(|date| seconds_from(now, date)),
            bucket: site.bucket(),
            site: &site.name(),
        },
    ))
}

/// How far the store's clock is ahead of `now`.
pub fn seconds_from(now: jiff::Timestamp, date: &str) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .ok()?;
    Some(theirs.as_second() - now.as_second())
}
