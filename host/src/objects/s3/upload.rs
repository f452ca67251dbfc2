//! An object sent in parts. Nothing is visible before the parts are put together, and that
//! request carries the condition.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quick_xml::escape::escape;
use reqwest::Method;

use super::super::Condition;
use super::super::parts::Parts;
use super::failure::Failure;
use super::leftovers;
use super::request::{Effect, Request};
use super::xml::{self, CompleteMultipartUploadResult, InitiateMultipartUploadResult};
use super::{Error, S3};

/// Aborted in the background when dropped without `complete`.
#[derive(Debug)]
pub struct Upload(Arc<Unfinished>);

#[derive(Debug)]
struct Unfinished {
    s3: S3,
    key: String,
    id: String,
    /// The ETag of each part.
    parts: Mutex<Parts<String>>,
    /// Completed or aborted.
    over: AtomicBool,
    /// A completion ended without an answer: it may have taken effect.
    doubt: AtomicBool,
}

impl S3 {
    pub async fn start_upload(&self, key: &str, created_ms: u64) -> Result<Upload, Error> {
        if !self.0.cleaned.swap(true, Ordering::Relaxed) {
            tokio::spawn(leftovers::abort_old_uploads(self.clone()));
        }
        let key = self.full_key(key);
        let mut request = Request::of_object(Method::POST, &key);
        request.query = vec![("uploads", String::new())];
        request.headers = self.0.object_headers.for_writing(created_ms)?;
        // Done twice it leaves an empty upload behind, which is aborted as a leftover some day.
        let begun = self.0.wire.call(&request).await.and_then(|answer| {
            xml::read::<InitiateMultipartUploadResult>(
                "InitiateMultipartUploadResult",
                &answer.body,
            )
            .map_err(|text| Failure::senseless(format!("{}: {text}", self.0.wire.name(&request))))
        });
        let begun = begun.map_err(|failure| failure.into_error(Effect::Repeatable))?;
        Ok(Upload(Arc::new(Unfinished {
            s3: self.clone(),
            key,
            id: begun.upload_id,
            parts: Mutex::default(),
            over: AtomicBool::new(false),
            doubt: AtomicBool::new(false),
        })))
    }
}

impl Upload {
    pub async fn part(&self, number: u32, offset: u64, body: Bytes) -> Result<(), Error> {
        let Unfinished { s3, key, .. } = &*self.0;
        self.0.check_not_over()?;
        let bytes = body.len() as u64;
        let mut request = Request::of_object(Method::PUT, key);
        request.query = vec![
            ("partNumber", number.to_string()),
            ("uploadId", self.0.id.clone()),
        ];
        request.headers = s3.0.object_headers.for_reading();
        request.body = body;
        let answer =
            s3.0.wire
                .call(&request)
                .await
                .map_err(|failure| self.0.gone(failure).into_error(Effect::Repeatable))?;
        let etag = answer.header("etag").map(str::to_owned).ok_or_else(|| {
            Error::Invalid(format!(
                "{}: the answer tells no ETag",
                s3.0.wire.name(&request)
            ))
        })?;
        self.0.parts().insert(number, offset, bytes, etag);
        Ok(())
    }

    pub async fn complete(&self, condition: Condition) -> Result<String, Error> {
        let Unfinished {
            s3,
            key,
            doubt,
            over,
            ..
        } = &*self.0;
        self.0.check_not_over()?;
        let mut request = Request::of_object(Method::POST, key);
        request.query = vec![("uploadId", self.0.id.clone())];
        request.headers = s3.0.object_headers.for_reading();
        request
            .headers
            .push(("content-type", "application/xml".to_owned()));
        request.body = completion(&self.0.parts())?;
        request.effect = Effect::Visible;
        request.patience = Some(s3.0.wire.patience.for_completion());
        let name = s3.0.wire.name(&request);
        let completed = s3.call_if(request, &condition).await.and_then(|answer| {
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
                Err(self.0.gone(failure).into_error(Effect::Visible))
            }
        }
    }

    pub async fn abort(&self) {
        if !self.0.over.swap(true, Ordering::Relaxed) {
            abort_upload(&self.0.s3, &self.0.key, &self.0.id).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.0.over.swap(true, Ordering::Relaxed) {
            return;
        }
        let unfinished = self.0.clone();
        // Without a runtime the program is about to end: the upload is aborted as a leftover.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                abort_upload(&unfinished.s3, &unfinished.key, &unfinished.id).await;
            });
        }
    }
}

impl Unfinished {
    fn parts(&self) -> std::sync::MutexGuard<'_, Parts<String>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
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
            kind: super::failure::Kind::Unavailable,
            ..failure
        }
    }
}

/// Aborts an upload; what cannot be aborted now is found as a leftover later.
pub async fn abort_upload(s3: &S3, key: &str, id: &str) {
    let mut request = Request::of_object(Method::DELETE, key);
    request.query = vec![("uploadId", id.to_owned())];
    match s3.0.wire.call(&request).await {
        Ok(_) => tracing::debug!(key, "aborted an upload"),
        Err(failure) => tracing::debug!(key, why = failure.text, "an upload was not aborted"),
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
