//! Answers the component's import `seawall:objects/store`.

use super::bindings::seawall::objects::store as wit;
use crate::objects::{Condition, Error, Range, Store, Upload};
use crate::verify::Pace;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime::component::{Accessor, HasSelf, Resource, ResourceTable};

/// What an instance may touch of a store, and its uploads.
pub struct Access {
    store: Store,
    /// How fast the store is read; None: as fast as it can be.
    pub pace: Option<Arc<Pace>>,
    table: ResourceTable,
}

impl Access {
    pub fn new(store: Store) -> Access {
        Access {
            store,
            pace: None,
            table: ResourceTable::new(),
        }
    }
}

/// An upload in the guest's hands. Parts of it may be under way while it is used again.
pub type SharedUpload = Arc<Upload>;

fn failure(error: Error) -> wit::Error {
    match error {
        Error::NotFound(text) => wit::Error::NotFound(text),
        Error::PreconditionFailed(text) => wit::Error::PreconditionFailed(text),
        Error::Throttled(text) => wit::Error::Throttled(text),
        Error::Denied(text) => wit::Error::Denied(text),
        Error::Unavailable(text) => wit::Error::Unavailable(text),
        Error::UnknownOutcome(text) => wit::Error::UnknownOutcome(text),
        Error::Invalid(text) => wit::Error::Invalid(text),
    }
}

fn condition(condition: wit::Condition) -> Condition {
    match condition {
        wit::Condition::None => Condition::None,
        wit::Condition::IfAbsent => Condition::IfAbsent,
        wit::Condition::IfMatch(etag) => Condition::IfMatch(etag),
    }
}

type Answer<T> = wasmtime::Result<Result<T, wit::Error>>;

fn store<T>(accessor: &Accessor<T, HasSelf<Access>>) -> Store {
    accessor.with(|mut access| access.get().store.clone())
}

fn upload<T>(
    accessor: &Accessor<T, HasSelf<Access>>,
    upload: &Resource<SharedUpload>,
) -> wasmtime::Result<SharedUpload> {
    accessor.with(|mut access| Ok(Arc::clone(access.get().table.get(upload)?)))
}

impl<T: Send> wit::HostWithStore<T> for HasSelf<Access> {
    async fn get(
        accessor: &Accessor<T, Self>,
        key: String,
        range: Option<wit::Range>,
    ) -> Answer<Vec<u8>> {
        let range = range.map(|range| Range {
            offset: range.offset,
            length: range.length,
        });
        let pace = accessor.with(|mut access| access.get().pace.clone());
        if let Some(pace) = &pace {
            pace.begin().await;
        }
        let body = store(accessor).get(&key, range).await;
        if let (Some(pace), Ok(body)) = (&pace, &body) {
            pace.spend(body.len()).await;
        }
        Ok(body.map(Vec::from).map_err(failure))
    }

    async fn put(
        accessor: &Accessor<T, Self>,
        key: String,
        body: Vec<u8>,
        when: wit::Condition,
        created_ms: u64,
    ) -> Answer<String> {
        let store = store(accessor);
        let outcome = store.put(&key, Bytes::from(body), condition(when), created_ms);
        Ok(outcome.await.map_err(failure))
    }

    async fn list(
        accessor: &Accessor<T, Self>,
        prefix: String,
        start_after: Option<String>,
    ) -> Answer<wit::Listing> {
        let store = store(accessor);
        let listing = store.list(&prefix, start_after.as_deref()).await;
        Ok(listing.map_err(failure).map(|listing| wit::Listing {
            truncated: listing.truncated,
            entries: listing
                .entries
                .into_iter()
                .map(|entry| wit::Entry {
                    key: entry.key,
                    size: entry.size,
                    modified_ms: entry.modified_ms,
                })
                .collect(),
        }))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        keys: Vec<String>,
    ) -> Answer<Vec<wit::FailedDelete>> {
        let failed = store(accessor).delete(&keys).await;
        Ok(failed.map_err(failure).map(|failed| {
            failed
                .into_iter()
                .map(|(key, reason)| wit::FailedDelete {
                    key,
                    reason: failure(reason),
                })
                .collect()
        }))
    }
}

impl<T: Send> wit::HostUploadWithStore<T> for HasSelf<Access> {
    async fn start(
        accessor: &Accessor<T, Self>,
        key: String,
        created_ms: u64,
    ) -> Answer<Resource<SharedUpload>> {
        match store(accessor).start_upload(&key, created_ms).await {
            Ok(upload) => {
                accessor.with(|mut access| Ok(Ok(access.get().table.push(Arc::new(upload))?)))
            }
            Err(error) => Ok(Err(failure(error))),
        }
    }

    async fn part(
        accessor: &Accessor<T, Self>,
        this: Resource<SharedUpload>,
        number: u32,
        offset: u64,
        body: Vec<u8>,
    ) -> Answer<()> {
        let upload = upload(accessor, &this)?;
        let outcome = upload.part(number, offset, Bytes::from(body)).await;
        Ok(outcome.map_err(failure))
    }

    async fn complete(
        accessor: &Accessor<T, Self>,
        this: Resource<SharedUpload>,
        when: wit::Condition,
    ) -> Answer<String> {
        let upload = upload(accessor, &this)?;
        Ok(upload.complete(condition(when)).await.map_err(failure))
    }

    async fn abort(
        accessor: &Accessor<T, Self>,
        this: Resource<SharedUpload>,
    ) -> wasmtime::Result<()> {
        upload(accessor, &this)?.abort().await;
        Ok(())
    }
}

impl wit::HostUpload for Access {
    fn drop(&mut self, upload: Resource<SharedUpload>) -> wasmtime::Result<()> {
        // The last owner's drop aborts what was not completed.
        self.table.delete(upload)?;
        Ok(())
    }
}

impl wit::Host for Access {}
