//! The exported store: objects below the prefix, each key looked at before it is used.

use crate::Component;
use crate::carrier::Wire;
use crate::exports::seawall::objects::store::{
    Condition, Entry, Error, FailedDelete, Guest, GuestUpload, Listing, Range, Upload,
};
use crate::said;
use s3_protocol::{Bucket, keys, parts, site_of};
use std::sync::Arc;

thread_local! {
    static BUCKET: Result<Arc<Bucket<Wire>>, s3_protocol::Error> = open();
}

fn open() -> Result<Arc<Bucket<Wire>>, s3_protocol::Error> {
    let location = said::location()?;
    let wire = Wire::new(
        site_of(&location)?,
        location.region.clone(),
        said::credentials()?,
    );
    Ok(Arc::new(Bucket::new(&location, wire)?))
}

fn bucket() -> Result<Arc<Bucket<Wire>>, s3_protocol::Error> {
    BUCKET.with(Clone::clone)
}

impl From<s3_protocol::Error> for Error {
    fn from(error: s3_protocol::Error) -> Error {
        use s3_protocol::Error as E;
        match error {
            E::NotFound(text) => Error::NotFound(text),
            E::PreconditionFailed(text) => Error::PreconditionFailed(text),
            E::Throttled(text) => Error::Throttled(text),
            E::Denied(text) => Error::Denied(text),
            E::Unavailable(text) => Error::Unavailable(text),
            E::UnknownOutcome(text) => Error::UnknownOutcome(text),
            E::Invalid(text) => Error::Invalid(text),
        }
    }
}

impl From<Condition> for s3_protocol::Condition {
    fn from(condition: Condition) -> s3_protocol::Condition {
        match condition {
            Condition::None => s3_protocol::Condition::None,
            Condition::IfAbsent => s3_protocol::Condition::IfAbsent,
            Condition::IfMatch(etag) => s3_protocol::Condition::IfMatch(etag),
        }
    }
}

fn checked(range: Option<Range>) -> Result<Option<s3_protocol::Range>, Error> {
    let Some(Range { offset, length }) = range else {
        return Ok(None);
    };
    if length == 0 || offset.checked_add(length).is_none() {
        let text = format!("a range of {length} bytes from {offset} on cannot be read");
        return Err(Error::Invalid(text));
    }
    Ok(Some(s3_protocol::Range { offset, length }))
}

impl Guest for Component {
    type Upload = Unfinished;

    async fn get(key: String, range: Option<Range>) -> Result<Vec<u8>, Error> {
        keys::check_key(&key)?;
        let range = checked(range)?;
        Ok(bucket()?.get(&key, range).await?.into())
    }

    async fn put(
        key: String,
        body: Vec<u8>,
        condition: Condition,
        created_ms: u64,
    ) -> Result<String, Error> {
        keys::check_key(&key)?;
        let (body, condition) = (body.into(), condition.into());
        Ok(bucket()?.put(&key, body, condition, created_ms).await?)
    }

    async fn list(prefix: String, start_after: Option<String>) -> Result<Listing, Error> {
        keys::check_prefix(&prefix)?;
        let listing = bucket()?.list(&prefix, start_after.as_deref()).await?;
        let entries = listing.entries.into_iter().map(|entry| Entry {
            key: entry.key,
            size: entry.size,
            modified_ms: entry.modified_ms,
        });
        Ok(Listing {
            entries: entries.collect(),
            truncated: listing.truncated,
        })
    }

    async fn delete(keys: Vec<String>) -> Result<Vec<FailedDelete>, Error> {
        keys.iter().try_for_each(|key| keys::check_key(key))?;
        let failed = bucket()?.delete(&keys).await?.into_iter();
        let failed = failed.map(|(key, reason)| FailedDelete {
            key,
            reason: reason.into(),
        });
        Ok(failed.collect())
    }
}

/// Dropped without an end, it is found and aborted as a leftover some day: nothing can be sent from
/// here.
pub struct Unfinished(s3_protocol::Upload<Wire>);

impl GuestUpload for Unfinished {
    async fn start(key: String, created_ms: u64) -> Result<Upload, Error> {
        keys::check_key(&key)?;
        let upload = bucket()?.start_upload(&key, created_ms).await?;
        Ok(Upload::new(Unfinished(upload)))
    }

    async fn part(&self, number: u32, offset: u64, body: Vec<u8>) -> Result<(), Error> {
        parts::check_number(number)?;
        Ok(self.0.part(number, offset, body.into()).await?)
    }

    async fn complete(&self, condition: Condition) -> Result<String, Error> {
        Ok(self.0.complete(condition.into()).await?)
    }

    async fn abort(&self) {
        self.0.abort().await;
    }
}
