//! Objects in a bucket of S3 or of a store that speaks its language.

mod body;
mod chain;
mod credentials;
mod env;
mod examine;
mod leftovers;
mod region;
mod shared;
mod trust;
mod upload;
mod wire;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reqwest::Client;
use s3_protocol::Bucket;
use tokio::sync::OnceCell;

use super::limits::{
    HTTP2_CONNECTION_WINDOW, HTTP2_PING, HTTP2_STREAM_WINDOW, IDLE_CONNECTION, IDLE_CONNECTIONS,
    Patience,
};
use super::{Error, S3Location};
use env::Env;
pub use examine::{Examination, Found, Opened, TlsFault};
use region::Region;
pub use shared::Shared;
use shared::Transport;
use trust::Trust;
pub use upload::Upload;
use wire::Wire;

const USER_AGENT: &str = concat!("seawall/", env!("CARGO_PKG_VERSION"));

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    bucket: Arc<Bucket<Wire>>,
    /// Leftover uploads were looked for.
    cleaned: Arc<AtomicBool>,
}

impl Deref for S3 {
    type Target = Bucket<Wire>;

    fn deref(&self) -> &Bucket<Wire> {
        &self.bucket
    }
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
        let site = s3_protocol::site_of(&location)?;
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
        Ok(S3 {
            bucket: Arc::new(Bucket::new(&location, wire)?),
            cleaned: Arc::default(),
        })
    }
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
