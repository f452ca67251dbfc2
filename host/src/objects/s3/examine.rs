//! What a request to a store needs, one thing at a time, so that a person can be told which of
//! them is missing: the address, TLS, the clock, credentials, and then an ordinary store.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::DATE;
use reqwest::{Method, Url};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConnection, OtherError};

use super::super::limits::Patience;
use super::super::{S3Location, Store};
use super::chain::in_words;
use super::credentials::Source;
use super::env::Env;
use super::shared::Shared;
use super::trust::Trust;
use super::{Error, S3, region};
use s3_protocol::request::Request;
use s3_protocol::site::Site;
use s3_protocol::{Carrier, site_of, xml};

/// A person is waiting: what does not answer by then is a finding.
const WAIT: Duration = Duration::from_secs(8);

/// The store of one location, before anything is sent to it.
#[derive(Debug, Clone)]
pub struct Examination {
    location: S3Location,
    host: String,
    port: u16,
    https: bool,
    near: bool,
}

/// Why TLS does not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// Our own side cannot be set up, which [`Examination::open`] tells about.
    Setup,
    UnknownAuthority,
    /// The certificate is an authority's own, which no server may show.
    AuthorityItself,
    /// The certificate is for somebody else.
    WrongName,
    Expired,
    NotYetValid,
    /// What answers does not speak TLS.
    NoTls,
    Other(String),
}

/// Credentials that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Enough of the access key's id to recognise it.
    pub id: String,
    pub from: String,
    pub expiry: Option<SystemTime>,
}

impl Examination {
    /// Errors: [`Error::Invalid`] when the location makes no sense.
    pub fn new(location: S3Location) -> Result<Examination, Error> {
        let site: Site = site_of(&location)?;
        let region = location.region.clone().or(site.region());
        let url = site.url(region.as_deref().unwrap_or(region::FIRST), None, &[]);
        let parsed = Url::parse(&url).ok().and_then(|url| {
            let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
            Some((host, url.port_or_known_default()?))
        });
        let Some((host, port)) = parsed else {
            return Err(Error::Invalid(format!("{url} names no host")));
        };
        Ok(Examination {
            https: site.is_https(),
            near: site.is_near(),
            location,
            host,
            port,
        })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// On this machine or its private network.
    pub fn is_near(&self) -> bool {
        self.near
    }

    pub fn location(&self) -> &S3Location {
        &self.location
    }

    /// Shakes hands over TLS and hangs up. Blocks for seconds at most.
    pub fn shake_hands(&self, address: SocketAddr) -> Result<(), TlsFault> {
        let config = Trust::gather(&Env::Process)
            .and_then(|trust| trust.client_config(self.location.skip_verify))
            .map_err(|_| TlsFault::Setup)?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| TlsFault::Other(error.to_string()))?;
        let mut connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| TlsFault::Other(error.to_string()))?;
        let other = |error: io::Error| TlsFault::Other(error.to_string());
        let mut stream = TcpStream::connect_timeout(&address, WAIT).map_err(other)?;
        stream.set_read_timeout(Some(WAIT)).map_err(other)?;
        stream.set_write_timeout(Some(WAIT)).map_err(other)?;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut stream)
                .map_err(|error| tls_fault(&error))?;
        }
        Ok(())
    }

    /// Errors: as [`Store::open`], and when AWS_CA_BUNDLE cannot be used.
    pub fn open(&self) -> Result<Opened, Error> {
        let shared = Shared::default();
        let location = self.location.clone();
        let s3 = S3::open_in(location, &Env::Process, Patience::BRIEF, &shared)?;
        Ok(Opened(s3))
    }

    /// Which of the places that are looked through has the credentials, by the rules of
    /// [`Source::choose`].
    fn origin(&self, source: &Source) -> String {
        if let Some(id) = &self.location.access_key_id {
            let variables = ["LITESTREAM_ACCESS_KEY_ID", "OSS_ACCESS_KEY_ID"];
            let mut same = variables
                .iter()
                .filter(|name| Env::Process.get(name).as_ref() == Some(id));
            // The config may have got it from there, too.
            return match same.next() {
                Some(name) => format!("{name} or the config"),
                None => "the config".to_owned(),
            };
        }
        if matches!(source, Source::Renewed(_)) {
            return "AWS's chain: profile files, web identity, the container's or the machine's \
                    metadata"
                .to_owned();
        }
        let pairs = [
            ("AWS_ACCESS_KEY_ID", "LITESTREAM_ACCESS_KEY_ID"),
            ("AWS_SECRET_ACCESS_KEY", "LITESTREAM_SECRET_ACCESS_KEY"),
        ];
        let used = pairs.map(|(aws, litestream)| match Env::Process.get(aws) {
            Some(_) => aws,
            None => litestream,
        });
        format!("{} and {}", used[0], used[1])
    }
}

/// A store that gives up early.
#[derive(Debug, Clone)]
pub struct Opened(S3);

impl Opened {
    pub fn store(&self) -> Store {
        Store::from(self.0.clone())
    }

    /// How far the store's clock is ahead of this machine's, in seconds; `None` when it does not
    /// say. Sends one request without a signature.
    ///
    /// Errors: a text, when no answer comes.
    pub async fn clock_ahead_seconds(&self) -> Result<Option<i64>, String> {
        let wire = &self.0.carrier;
        let region = wire.region.known();
        let region = region.as_deref().unwrap_or(region::FIRST);
        let url = wire.site.url(region, None, &[]);
        let began = jiff::Timestamp::now();
        let answer = wire
            .client
            .request(Method::HEAD, url)
            .timeout(WAIT)
            .send()
            .await
            .map_err(|error| in_words(&error))?;
        let took = jiff::Timestamp::now().duration_since(began);
        let date = answer.headers().get(DATE);
        let date = date.and_then(|date| date.to_str().ok());
        let now = began + took / 2;
        Ok(date.and_then(|date| s3_protocol::answer::seconds_from(now, date)))
    }

    /// Errors: a text that says where was looked.
    pub async fn credentials(&self, examined: &Examination) -> Result<Found, String> {
        let source = &self.0.carrier.credentials;
        let found = source.get().await.map_err(|error| error.text)?;
        Ok(Found {
            id: recognisable(found.access_key_id()),
            from: examined.origin(source),
            expiry: found.expiry(),
        })
    }

    /// The region that requests are signed for, as far as it is known by now.
    pub fn region(&self) -> Option<String> {
        self.0.carrier.region.known()
    }

    /// Does the bucket keep what is overwritten and deleted? `None`: it does not say.
    pub async fn keeps_versions(&self) -> Option<bool> {
        let request = Request::of_bucket(Method::GET, vec![("versioning", String::new())]);
        let answer = self.0.carrier.call(&request).await.ok()?;
        xml::keeps_versions(&answer.body)
    }
}

/// The first characters of a long id: the id is no secret, but nobody needs all of it.
fn recognisable(id: &str) -> String {
    let shown: String = id.chars().take(4).collect();
    if id.chars().count() > 8 {
        format!("{shown}…")
    } else {
        id.to_owned()
    }
}

fn tls_fault(error: &io::Error) -> TlsFault {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => TlsFault::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFault::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFault::NotYetValid
            }
            CertificateError::Other(why) if is_about_authority(why) => TlsFault::AuthorityItself,
            other => TlsFault::Other(format!("the certificate is not valid: {other:?}")),
        },
        Some(rustls::Error::InvalidMessage(_)) => TlsFault::NoTls,
        Some(other) => TlsFault::Other(other.to_string()),
        None => TlsFault::Other(error.to_string()),
    }
}

/// What the checker of certificates says has no type that is known here, only a name.
fn is_about_authority(why: &OtherError) -> bool {
    format!("{why:?}").contains("CaUsedAsEndEntity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(endpoint: Option<&str>, bucket: &str) -> (String, u16, bool) {
        let mut location = S3Location::new(bucket, "p");
        location.endpoint = endpoint.map(str::to_owned);
        let examined = Examination::new(location).unwrap();
        (
            examined.host().to_owned(),
            examined.port(),
            examined.is_https(),
        )
    }

    #[test]
    fn the_address_is_the_one_that_requests_go_to() {
        let aws = ("b.s3.us-east-1.amazonaws.com".to_owned(), 443, true);
        assert_eq!(examined(None, "b"), aws);
        let local = ("127.0.0.1".to_owned(), 9000, false);
        assert_eq!(examined(Some("127.0.0.1:9000"), "b"), local);
        let v6 = ("::1".to_owned(), 9000, false);
        assert_eq!(examined(Some("http://[::1]:9000"), "b"), v6);
    }

    #[test]
    fn an_id_is_recognised_by_its_beginning() {
        assert_eq!(recognisable("AKIAIOSFODNN7EXAMPLE"), "AKIA…");
        assert_eq!(recognisable("minio"), "minio");
    }
}
