//! The engine's `Objects` over the import `seawall:objects/store`, for every component that has it.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    path: "../../wit/objects",
    world: "client",
});

use crate::seawall::objects::store;
use engine::ports::{ByteRange, Condition, Entry, ObjectError, Objects, Page, Upload};

pub struct Store;

fn error(error: store::Error) -> ObjectError {
    match error {
        store::Error::NotFound(text) => ObjectError::NotFound(text),
        store::Error::PreconditionFailed(text) => ObjectError::PreconditionFailed(text),
        store::Error::Throttled(text) => ObjectError::Throttled(text),
        store::Error::Denied(text) => ObjectError::Denied(text),
        store::Error::Unavailable(text) => ObjectError::Unavailable(text),
        store::Error::UnknownOutcome(text) => ObjectError::UnknownOutcome(text),
        store::Error::Invalid(text) => ObjectError::Invalid(text),
    }
}

fn condition(condition: Condition) -> store::Condition {
    match condition {
        Condition::None => store::Condition::None,
        Condition::IfAbsent => store::Condition::IfAbsent,
        Condition::IfMatch(etag) => store::Condition::IfMatch(etag),
    }
}

impl Objects for Store {
    type Upload = store::Upload;

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Vec<u8>, ObjectError> {
        let range = range.map(|range| store::Range {
            offset: range.offset,
            length: range.length,
        });
        store::get(key.to_owned(), range).await.map_err(error)
    }

    async fn put(
        &self,
        key: &str,
        body: Vec<u8>,
        when: Condition,
        created_ms: u64,
    ) -> Result<String, ObjectError> {
        store::put(key.to_owned(), body, condition(when), created_ms)
            .await
            .map_err(error)
    }

    async fn upload(&self, key: &str, created_ms: u64) -> Result<Self::Upload, ObjectError> {
        store::Upload::start(key.to_owned(), created_ms)
            .await
            .map_err(error)
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Page, ObjectError> {
        let listing = store::list(prefix.to_owned(), start_after.map(str::to_owned))
            .await
            .map_err(error)?;
        let entries = listing.entries.into_iter().map(|entry| Entry {
            key: entry.key,
            size: entry.size,
            modified_ms: entry.modified_ms,
        });
        Ok(Page {
            entries: entries.collect(),
            truncated: listing.truncated,
        })
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<(String, ObjectError)>, ObjectError> {
        let failed = store::delete(keys.to_vec()).await.map_err(error)?;
        Ok(failed
            .into_iter()
            .map(|failed| (failed.key, error(failed.reason)))
            .collect())
    }
}

impl Upload for store::Upload {
    async fn part(&self, number: u32, offset: u64, body: Vec<u8>) -> Result<(), ObjectError> {
        store::Upload::part(self, number, offset, body)
            .await
            .map_err(error)
    }

    async fn complete(self, when: Condition) -> Result<String, ObjectError> {
        store::Upload::complete(&self, condition(when))
            .await
            .map_err(error)
    }

    async fn abort(self) {
        store::Upload::abort(&self).await;
    }
}
