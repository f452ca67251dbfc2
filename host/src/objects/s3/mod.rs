//! Objects in a bucket of S3 or of a store that speaks its language.

mod body;
mod chain;
mod credentials;
mod delete;
mod env;
mod escape;
mod examine;
mod failure;
mod leftovers;
mod list;
mod order;
mod provider;
mod region;
mod request;
mod retry;
mod shared;
mod sign;
mod site;
mod trust;
mod upload;
mod wire;
mod write;
mod xml;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Method, StatusCode};
use tokio::sync::OnceCell;

use super::limits::{
    GET_BYTES, HTTP2_CONNECTION_WINDOW, HTTP2_PING, HTTP2_STREAM_WINDOW, IDLE_CONNECTION,
    IDLE_CONNECTIONS, Patience,
};
use super::{Encryption, Error, Range, S3Location};
use env::Env;
pub use examine::{Examination, Found, Opened, TlsFault};
use failure::{Failure, Kind};
use region::Region;
use request::{Answer, Effect, Request};
pub use shared::Shared;
use shared::Transport;
use site::Site;
use trust::Trust;
pub use upload::Upload;
use wire::Wire;
use write::{EtagForm, ObjectHeaders};

const USER_AGENT: &str = concat!("seawall/", env!("CARGO_PKG_VERSION"));

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct S3(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    wire: Wire,
    /// What stands before our keys: the path and a slash.
    prefix: String,
    object_headers: ObjectHeaders,
    deletes_are_sure: bool,
    order: list::SeenOrder,
    etag_form: EtagForm,
    /// The store has no DeleteObjects.
    deletes_singly: AtomicBool,
    /// Leftover uploads were looked for.
    cleaned: AtomicBool,
}

/// Errors: [`Error::Invalid`] when the location makes no sense. Sends nothing and reads no
/// credentials.
pub fn check(location: &S3Location) -> Result<(), Error> {
    site_of(location)?;
    ObjectHeaders::new(location).map(|_| ())
}

fn site_of(location: &S3Location) -> Result<Site, Error> {
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

impl S3 {
    /// Sends nothing yet.
    ///
    /// Errors: [`Error::Invalid`] when the location makes no sense.
    pub fn open(location: S3Location, shared: &Shared) -> Result<S3, Error> {
        S3::open_in(location, &Env::Process, Patience::USUAL, shared)
    }

    #[cfg(test)]
    fn open_with(location: S3Location, env: &Env, patience: Patience) -> Result<S3, Error> {
        S3::open_in(location, env, patience, &Shared::default())
    }

    fn open_in(
        location: S3Location,
        env: &Env,
        patience: Patience,
        shared: &Shared,
    ) -> Result<S3, Error> {
        let site = site_of(&location)?;
        let provider = site.provider();
        let region = location
            .region
            .clone()
            .filter(|region| !region.is_empty())
            .or(site.region());
        let credentials = shared.credentials(&location, env, region.clone())?;
        let transport = Transport {
            https: site.is_https(),
            skip_verify: location.skip_verify,
        };
        let wire = Wire {
            client: shared.client(transport, || client(transport, env, patience))?,
            turns: shared.requests(),
            meter: shared.meter(),
            region: Region::new(region),
            looked_up: OnceCell::new(),
            credentials,
            sign_payload: location.sign_payload || provider.signed_payload_only,
            content_md5: location.content_md5 && provider.content_md5,
            extra_header: provider.extra_header,
            patience,
            site,
        };
        Ok(S3(Arc::new(Inner {
            wire,
            prefix: format!("{}/", location.path),
            object_headers: ObjectHeaders::new(&location)?,
            deletes_are_sure: provider.deletes_are_sure,
            order: list::SeenOrder::default(),
            etag_form: EtagForm::default(),
            deletes_singly: AtomicBool::new(false),
            cleaned: AtomicBool::new(false),
        })))
    }

    pub async fn get(&self, key: &str, range: Option<Range>) -> Result<Bytes, Error> {
        let key = self.full_key(key);
        let mut request = Request::of_object(Method::GET, &key);
        request.answer_bytes = GET_BYTES;
        request.headers.extend(self.0.object_headers.for_reading());
        if let Some(Range { offset, length }) = range {
            request
                .headers
                .push(("range", format!("bytes={offset}-{}", offset + (length - 1))));
        }
        let answer = self.0.wire.call(&request).await.and_then(|answer| {
            only_range(answer, range).map_err(|text| {
                let name = self.0.wire.name(&request);
                Failure::certain(Kind::Invalid, format!("{name}: {text}"))
            })
        });
        answer.map_err(|failure| failure.into_error(Effect::Repeatable))
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.0.prefix)
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

/// A client for what is no store and believes whom our stores' clients believe.
///
/// Errors: [`Error::Invalid`] when `AWS_CA_BUNDLE` names no usable file.
pub fn web_client(timeout: Duration) -> Result<Client, Error> {
    let trust = Trust::gather(&Env::Process)?;
    Client::builder()
        .tls_backend_preconfigured(trust.client_config(false)?)
        .user_agent(USER_AGENT)
        .timeout(timeout)
        .build()
        .map_err(|error| not_set_up(&error))
}

fn not_set_up(error: &reqwest::Error) -> Error {
    Error::Invalid(format!("HTTP cannot be set up: {}", chain::in_words(error)))
}

fn client(transport: Transport, env: &Env, patience: Patience) -> Result<Client, Error> {
    let trust = if transport.https {
        Trust::gather(env)?
    } else {
        Trust::default()
    };
    Client::builder()
        .tls_backend_preconfigured(trust.client_config(transport.skip_verify)?)
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(patience.connect)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .http2_keep_alive_interval(HTTP2_PING)
        .http2_keep_alive_timeout(HTTP2_PING)
        .build()
        .map_err(|error| not_set_up(&error))
}

#[cfg(test)]
mod tests;
