//! Sends signed requests through the host's HTTP client.

use aws_credential_types::Credentials;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, Full};
use s3_protocol::failure::{Failure, Kind};
use s3_protocol::limits::{Patience, time_to_move};
use s3_protocol::request::{Answer, Request};
use s3_protocol::retry::{Next, Tries};
use s3_protocol::sign::{Checksums, Signer, signed_headers};
use s3_protocol::site::Site;
use s3_protocol::{Carrier, answer};
use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, RequestOptions};
use wasip3::http_compat::{
    IncomingResponseBody, RequestOptionsExtension, http_from_wasi_response, http_into_wasi_request,
};
use wasip3::random::random::get_random_u64;

/// The region is corrected once by what a refusal says.
const CORRECTIONS: u32 = 2;

/// Where AWS's oldest region answers for the buckets of all of them.
const FIRST_REGION: &str = "us-east-1";

pub struct Wire {
    site: Site,
    region: RefCell<String>,
    credentials: Credentials,
    sign_payload: bool,
    content_md5: bool,
    /// Sent with every request.
    extra_header: Option<(&'static str, &'static str)>,
}

impl Wire {
    pub fn new(site: Site, region: Option<String>, credentials: Credentials) -> Wire {
        let provider = site.provider();
        let region = region.or_else(|| site.region());
        Wire {
            region: RefCell::new(region.unwrap_or_else(|| FIRST_REGION.to_owned())),
            credentials,
            sign_payload: true,
            content_md5: provider.content_md5,
            extra_header: provider.extra_header,
            site,
        }
    }

    /// True: the next try goes elsewhere.
    fn learn(&self, failure: &Failure) -> bool {
        let found = failure
            .region
            .as_deref()
            .filter(|_| failure.is_about_region());
        let Some(found) = found.filter(|found| !found.is_empty()) else {
            return false;
        };
        let news = *self.region.borrow() != found;
        if news {
            found.clone_into(&mut self.region.borrow_mut());
        }
        news
    }

    async fn attempt(
        &self,
        request: &Request<'_>,
        checksums: &Checksums,
        patience: &Patience,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let message = self.message(request, checksums, patience)?;
        let message = http_into_wasi_request(message)
            .map_err(|error| Failure::certain(Kind::Invalid, format!("{error:?}")))?;
        let response = client::send(message).await.map_err(not_answered)?;
        let response = http_from_wasi_response(response).map_err(not_answered)?;
        let (parts, body) = response.into_parts();
        let limit = answer::limit(request, parts.status);
        let expected = parts.headers.get(CONTENT_LENGTH);
        let expected = expected.and_then(|length| length.to_str().ok()?.parse().ok());
        let deadline = deadline + time_to_move(expected.unwrap_or(0).min(limit));
        let body = read(body, limit, deadline).await;
        let (status, headers) = (parts.status, parts.headers);
        answer::settle(request, &self.site, status, headers, body, now())
    }

    /// The request, signed.
    fn message(
        &self,
        request: &Request<'_>,
        checksums: &Checksums,
        patience: &Patience,
    ) -> Result<http::Request<Full<Bytes>>, Failure> {
        let invalid = |text: String| Failure::certain(Kind::Invalid, text);
        let region = self.region.borrow().clone();
        let url = self.site.url(&region, request.key, &request.query);
        let signer = Signer {
            credentials: &self.credentials,
            region: &region,
            now: SystemTime::now(),
        };
        let mut headers = request.headers.clone();
        let extra = self.extra_header;
        headers.extend(extra.map(|(name, value)| (name, value.to_owned())));
        let method = request.method.as_str();
        let mut headers =
            signed_headers(&signer, method, &url, &headers, checksums).map_err(invalid)?;
        if matches!(method, "PUT" | "POST") {
            // Without it the body would be sent in chunks, which S3 refuses.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        }
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = url
            .parse()
            .map_err(|error| invalid(format!("{url}: {error}")))?;
        *message.headers_mut() = headers;
        message
            .extensions_mut()
            .insert(RequestOptionsExtension(options(patience, request)));
        Ok(message)
    }
}

impl Carrier for Wire {
    async fn call(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let patience = request.patience.unwrap_or(Patience::USUAL);
        let checksums = Checksums::of(&request.body, self.sign_payload, self.content_md5);
        let mut tries = Tries::new(patience, request.body.len() as u64, Instant::now());
        let mut corrections = 0;
        loop {
            let deadline = *tries.deadline();
            let tried = self.attempt(request, &checksums, &patience, deadline);
            let failure = match tried.await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if corrections < CORRECTIONS && self.learn(&failure) {
                corrections += 1;
                continue;
            }
            match tries.next(failure, Instant::now(), luck()) {
                Next::TryAfter(wait) => monotonic_clock::wait_for(nanoseconds(wait)).await,
                Next::GiveUp(failure) => {
                    let name = request.name(self.site.bucket());
                    let text = format!("{name}: {}", failure.text);
                    return Err(Failure { text, ..failure });
                }
            }
        }
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn patience(&self) -> Patience {
        Patience::USUAL
    }
}

/// Evenly distributed over 0..1.
fn luck() -> f64 {
    (get_random_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn now() -> jiff::Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis() as i64);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}

/// What the host waits for. One that takes no such wish has limits of its own.
fn options(patience: &Patience, request: &Request<'_>) -> RequestOptions {
    let options = RequestOptions::new();
    let moving = time_to_move(request.body.len() as u64);
    let _ = options.set_connect_timeout(Some(nanoseconds(patience.connect)));
    let _ = options.set_first_byte_timeout(Some(nanoseconds(patience.first_byte + moving)));
    let _ = options.set_between_bytes_timeout(Some(nanoseconds(patience.stall)));
    options
}

async fn read(
    mut body: IncomingResponseBody,
    limit: u64,
    deadline: Instant,
) -> Result<Bytes, Failure> {
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |error: ErrorCode| {
            Failure::unanswered(format!("the answer broke off: {}", in_words(&error)))
        };
        let Ok(piece) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        if gathered.len() as u64 + piece.len() as u64 > limit {
            let text = format!("the answer is longer than {limit} bytes");
            return Err(Failure::senseless(text));
        }
        if Instant::now() > deadline {
            return Err(Failure::unanswered("the answer did not arrive in time"));
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(gathered.freeze())
}

/// What is known of a request that was not answered.
fn not_answered(error: ErrorCode) -> Failure {
    let text = in_words(&error);
    match error {
        // Nothing was sent.
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::ConnectionTimeout => Failure::unsent(text),
        ErrorCode::HttpRequestDenied => Failure::certain(
            Kind::Invalid,
            "the host does not let this component send requests there: allow the endpoint",
        ),
        ErrorCode::DestinationIpProhibited | ErrorCode::DestinationIpUnroutable => {
            Failure::certain(Kind::Invalid, text)
        }
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError => {
            Failure::certain(Kind::Unavailable, text)
        }
        _ => Failure::unanswered(text),
    }
}

fn in_words(error: &ErrorCode) -> String {
    match error {
        ErrorCode::InternalError(Some(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}
