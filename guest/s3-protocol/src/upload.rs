//! An object sent in parts. Nothing is visible before the parts are put together, and that
//! request carries the condition.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use quick_xml::escape::escape;

use crate::failure::{Failure, Kind};
use crate::parts::Parts;
use crate::request::{Effect, Request};
use crate::xml::{self, CompleteMultipartUploadResult, InitiateMultipartUploadResult};
use crate::{Bucket, Carrier, Condition, Error};

/// To be completed or aborted.
#[derive(Debug)]
pub struct Upload<C> {
    bucket: Arc<Bucket<C>>,
    key: String,
    id: String,
    /// The ETag of each part.
    parts: Mutex<Parts<String>>,
    /// Completed or aborted.
    over: AtomicBool,
    /// A completion ended without an answer: it may have taken effect.
    doubt: AtomicBool,
}

impl<C: Carrier> Bucket<C> {
    pub async fn start_upload(
        self: &Arc<Self>,
        key: &str,
        created_ms: u64,
    ) -> Result<Upload<C>, Error> {
        let key = self.full_key(key);
        let mut request = Request::of_object(Method::POST, &key);
        request.query = vec![("uploads", String::new())];
        request.headers = self.object_headers.for_writing(created_ms)?;
        // Done twice it leaves an empty upload behind, which is aborted as a leftover some day.
        let begun = self.carrier.call(&request).await.and_then(|answer| {
            xml::read::<InitiateMultipartUploadResult>(
                "InitiateMultipartUploadResult",
                &answer.body,
            )
            .map_err(|text| Failure::senseless(format!("{}: {text}", self.name(&request))))
        });
        let begun = begun.map_err(|failure| failure.into_error(Effect::Repeatable))?;
        Ok(Upload {
            bucket: Arc::clone(self),
            key,
            id: begun.upload_id,
            parts: Mutex::default(),
            over: AtomicBool::new(false),
            doubt: AtomicBool::new(false),
        })
    }

    /// Aborts an upload; what cannot be aborted now is found as a leftover later.
    pub async fn abort_upload(&self, key: &str, id: &str) {
        let mut request = Request::of_object(Method::DELETE, key);
        request.query = vec![("uploadId", id.to_owned())];
        match self.carrier.call(&request).await {
            Ok(_) => tracing::debug!(key, "aborted an upload"),
            Err(failure) => tracing::debug!(key, why = failure.text, "an upload was not aborted"),
        }
    }
}

impl<C: Carrier> Upload<C> {
    pub async fn part(&self, number: u32, offset: u64, body: Bytes) -> Result<(), Error> {
        let Upload { bucket, key, .. } = self;
        self.check_not_over()?;
        let bytes = body.len() as u64;
        let mut request = Request::of_object(Method::PUT, key);
        request.query = vec![
            ("partNumber", number.to_string()),
            ("uploadId", self.id.clone()),
        ];
        request.headers = bucket.object_headers.for_reading();
        request.body = body;
        let answer = bucket
            .carrier
            .call(&request)
            .await
            .map_err(|failure| self.gone(failure).into_error(Effect::Repeatable))?;
        let etag = answer.header("etag").map(str::to_owned).ok_or_else(|| {
            Error::Invalid(format!(
                "{}: the answer tells no ETag",
                bucket.name(&request)
            ))
        })?;
        self.parts().insert(number, offset, bytes, etag);
        Ok(())
    }

    pub async fn complete(&self, condition: Condition) -> Result<String, Error> {
        let Upload {
            bucket,
            key,
            doubt,
            over,
            ..
        } = self;
        self.check_not_over()?;
        let mut request = Request::of_object(Method::POST, key);
        request.query = vec![("uploadId", self.id.clone())];
        request.headers = bucket.object_headers.for_reading();
        request
            .headers
            .push(("content-type", "application/xml".to_owned()));
        request.body = completion(&self.parts())?;
        request.effect = Effect::Visible;
        request.patience = Some(bucket.carrier.patience().for_completion());
        let name = bucket.name(&request);
        let completed = bucket
            .call_if(request, &condition)
            .await
            .and_then(|answer| {
                xml::read::<CompleteMultipartUploadResult>(
                    "CompleteMultipartUploadResult",
                    &answer.body,
                )
                .map_err(|text| Failure::senseless(format!("{name}: {text}")))
            });
        match completed {
            Ok(completed) => {
                over.store(true, Ordering::Relaxed);
                Ok(completed.etag)
            }
            Err(mut failure) => {
                failure.doubt |= doubt.load(Ordering::Relaxed);
                doubt.store(failure.doubt, Ordering::Relaxed);
                Err(self.gone(failure).into_error(Effect::Visible))
            }
        }
    }

    pub async fn abort(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            self.bucket.abort_upload(&self.key, &self.id).await;
        }
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, Parts<String>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completed or aborted.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn check_not_over(&self) -> Result<(), Error> {
        if self.over.load(Ordering::Relaxed) {
            return Err(Error::Invalid(format!(
                "the upload of {} is over already",
                self.key
            )));
        }
        Ok(())
    }

    /// An upload that the store does not know any more is no missing object.
    fn gone(&self, failure: Failure) -> Failure {
        if failure.code != "NoSuchUpload" {
            return failure;
        }
        let text = format!("{}; the upload is gone: begin it again", failure.text);
        Failure {
            text,
            kind: Kind::Unavailable,
            ..failure
        }
    }
}

fn completion(parts: &Parts<String>) -> Result<Bytes, Error> {
    let mut body =
        String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (number, etag) in parts.in_order()? {
        body.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>",
            escape(etag)
        ));
    }
    body.push_str("</CompleteMultipartUpload>");
    Ok(body.into())
}
