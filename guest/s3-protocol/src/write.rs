//! Writing an object in one request, and the headers that say under which condition and how.

use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};

use crate::failure::{Failure, Kind};
use crate::request::{Answer, Effect, Request};
use crate::{Bucket, Carrier, Error};
use crate::{Condition, Encryption, S3Location};

type Header = (&'static str, String);

/// Headers that the configuration wants on every object.
pub struct ObjectHeaders {
    new: Vec<Header>,
    /// A customer's own key must be shown to read the object, and with each part.
    key: Vec<Header>,
}

impl ObjectHeaders {
    /// Errors: [`Error::Invalid`] for an encryption key that is not base64.
    pub fn new(location: &S3Location) -> Result<ObjectHeaders, Error> {
        let mut new = Vec::new();
        let mut key = Vec::new();
        if let Some(class) = &location.storage_class {
            new.push(("x-amz-storage-class", class.clone()));
        }
        match &location.encryption {
            None => {}
            Some(Encryption::Kms { key_id }) => {
                new.push(("x-amz-server-side-encryption", "aws:kms".to_owned()));
                new.push((
                    "x-amz-server-side-encryption-aws-kms-key-id",
                    key_id.clone(),
                ));
            }
            Some(Encryption::Customer {
                algorithm,
                key_base64,
            }) => {
                let secret = BASE64_STANDARD.decode(key_base64.reveal()).map_err(|_| {
                    Error::Invalid(
                        "`sse-customer-key` is not base64: encode the key's bytes".into(),
                    )
                })?;
                let of_key = |header, value: &str| (header, value.to_owned());
                key = vec![
                    of_key("x-amz-server-side-encryption-customer-algorithm", algorithm),
                    of_key(
                        "x-amz-server-side-encryption-customer-key",
                        key_base64.reveal(),
                    ),
                    of_key(
                        "x-amz-server-side-encryption-customer-key-md5",
                        &BASE64_STANDARD.encode(Md5::digest(&secret)),
                    ),
                ];
            }
        }
        Ok(ObjectHeaders { new, key })
    }

    pub fn for_reading(&self) -> Vec<Header> {
        self.key.clone()
    }

    /// For a new object, which keeps the time as metadata under the peer's name for it.
    ///
    /// Errors: [`Error::Invalid`] for a time that no calendar has.
    pub fn for_writing(&self, created_ms: u64) -> Result<Vec<Header>, Error> {
        let mut headers = vec![
            ("content-type", "application/octet-stream".to_owned()),
            ("x-amz-meta-litestream-timestamp", rfc3339(created_ms)?),
        ];
        headers.extend(self.new.iter().chain(&self.key).cloned());
        Ok(headers)
    }
}

impl std::fmt::Debug for ObjectHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The customer's key is among them.
        f.debug_struct("ObjectHeaders")
            .field("new", &self.new)
            .finish_non_exhaustive()
    }
}

fn rfc3339(unix_ms: u64) -> Result<String, Error> {
    i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map(|time| time.to_string())
        .ok_or_else(|| Error::Invalid(format!("the time {unix_ms} ms after 1970 is out of range")))
}

/// How the store wants to see the ETag of `If-Match`. Older Ceph compares it without its quotes.
#[derive(Debug, Default)]
pub struct EtagForm(AtomicU8);

const UNKNOWN: u8 = 0;
const AS_GIVEN: u8 = 1;
const BARE: u8 = 2;

impl<C: Carrier> Bucket<C> {
    pub async fn put(
        &self,
        key: &str,
        body: Bytes,
        condition: Condition,
        created_ms: u64,
    ) -> Result<String, Error> {
        let key = self.full_key(key);
        let mut request = Request::of_object(Method::PUT, &key);
        request.effect = Effect::Visible;
        request.headers = self.object_headers.for_writing(created_ms)?;
        request.body = body;
        let answer = self
            .call_if(request, &condition)
            .await
            .map_err(|failure| failure.into_error(Effect::Visible))?;
        answer.header("etag").map(str::to_owned).ok_or_else(|| {
            Error::Invalid(format!(
                "PUT s3://{}/{key}: the store took the object but told no ETag",
                self.carrier.site().bucket()
            ))
        })
    }

    /// Sends a request under a condition.
    pub(super) async fn call_if(
        &self,
        request: Request<'_>,
        condition: &Condition,
    ) -> Result<Answer, Failure> {
        let with = |name, value: &str| {
            let mut request = request.clone();
            request.headers.push((name, value.to_owned()));
            request
        };
        match condition {
            Condition::None => self.carrier.call(&request).await,
            Condition::IfAbsent => self.carrier.call(&with("if-none-match", "*")).await,
            Condition::IfMatch(etag) => {
                let form = &self.etag_form.0;
                let bare = etag.trim_matches('"');
                if form.load(Ordering::Relaxed) == BARE {
                    return self.carrier.call(&with("if-match", bare)).await;
                }
                let answer = self.carrier.call(&with("if-match", etag)).await;
                let refused = |answer: &Result<Answer, Failure>| {
                    answer.as_ref().is_err_and(|failure| {
                        failure.kind == Kind::PreconditionFailed && !failure.doubt
                    })
                };
                if answer.is_ok() {
                    form.store(AS_GIVEN, Ordering::Relaxed);
                } else if refused(&answer) && form.load(Ordering::Relaxed) == UNKNOWN {
                    // Either the object has changed, or this store compares bare ETags.
                    let second = self.carrier.call(&with("if-match", bare)).await;
                    if second.is_ok() {
                        form.store(BARE, Ordering::Relaxed);
                    }
                    return second;
                }
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn times_are_written_as_the_peer_writes_them() {
        // RFC3339Nano leaves out zeros at the end.
        assert_eq!(rfc3339(1_700_000_000_000).unwrap(), "2023-11-14T22:13:20Z");
        assert_eq!(
            rfc3339(1_700_000_000_120).unwrap(),
            "2023-11-14T22:13:20.12Z"
        );
        assert!(rfc3339(u64::MAX).is_err());
    }

    #[test]
    fn a_customers_key_goes_with_reads_and_writes_and_is_never_printed() {
        let mut location = S3Location::new("b", "");
        location.encryption = Some(Encryption::Customer {
            algorithm: "AES256".into(),
            key_base64: Secret::new("aHVzaA=="),
        });
        let headers = ObjectHeaders::new(&location).unwrap();
        assert_eq!(headers.for_reading().len(), 3);
        assert_eq!(headers.for_writing(0).unwrap().len(), 5);
        assert!(!format!("{headers:?}").contains("aHVzaA"));
    }
}
