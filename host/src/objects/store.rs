//! The store that the component's import is answered with: S3 or a directory.

use bytes::Bytes;

use super::directory::{self, Directory};
use super::s3::{self, S3, Shared};
use super::{Condition, Error, Listing, Location, Meter, Operation, Range, keys};

/// Objects under one prefix. Cheap to clone; any number of calls may be in flight.
#[derive(Debug, Clone)]
pub struct Store(Kind);

#[derive(Debug, Clone)]
enum Kind {
    S3(S3),
    /// An operation counts as one request.
    Directory(Directory, Meter),
}

impl From<S3> for Store {
    fn from(s3: S3) -> Store {
        Store(Kind::S3(s3))
    }
}

impl Store {
    /// Sends no request and reads no credentials that are not needed yet.
    ///
    /// Errors: [`Error::Invalid`] when the location makes no sense.
    pub async fn open(location: Location) -> Result<Store, Error> {
        Store::open_shared(location, &Shared::default()).await
    }

    /// As [`Store::open`], with what it has in common with other stores.
    pub async fn open_shared(location: Location, shared: &Shared) -> Result<Store, Error> {
        Ok(Store(match location {
            Location::S3(location) => Kind::S3(S3::open(*location, shared)?),
            Location::Directory { path } => Kind::Directory(Directory::open(path)?, shared.meter()),
        }))
    }

    /// An object's bytes, all or a range of them. A range that reaches past the end is cut there.
    ///
    /// Errors: [`Error::Invalid`] for a range that is empty or begins past the end.
    pub async fn get(&self, key: &str, range: Option<Range>) -> Result<Bytes, Error> {
        keys::check_key(key)?;
        if let Some(range) = range {
            check_range(key, range)?;
        }
        match &self.0 {
            Kind::S3(s3) => s3.get(key, range).await,
            Kind::Directory(directory, meter) => {
                let read = meter.count(Operation::Get, directory.get(key, range));
                let bytes = read.await?;
                meter.received(Operation::Get, bytes.len() as u64);
                Ok(bytes)
            }
        }
    }

    /// Stores an object and returns its ETag.
    pub async fn put(
        &self,
        key: &str,
        body: Bytes,
        condition: Condition,
        created_ms: u64,
    ) -> Result<String, Error> {
        keys::check_key(key)?;
        match &self.0 {
            Kind::S3(s3) => s3.put(key, body, condition, created_ms).await,
            Kind::Directory(directory, meter) => {
                meter.sent(Operation::Put, body.len() as u64);
                let written = directory.put(key, body, condition, created_ms);
                meter.count(Operation::Put, written).await
            }
        }
    }

    /// The first of the keys that begin with `prefix` and come after `start_after`, in byte order.
    pub async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listing, Error> {
        keys::check_prefix(prefix)?;
        match &self.0 {
            Kind::S3(s3) => s3.list(prefix, start_after).await,
            Kind::Directory(directory, meter) => {
                let listed = directory.list(prefix, start_after);
                meter.count(Operation::List, listed).await
            }
        }
    }

    /// Deletes objects, absent ones too; returns those that are not deleted.
    pub async fn delete(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        keys.iter().try_for_each(|key| keys::check_key(key))?;
        match &self.0 {
            Kind::S3(s3) => s3.delete(keys).await,
            Kind::Directory(directory, meter) => {
                meter.count(Operation::Delete, directory.delete(keys)).await
            }
        }
    }

    /// Begins an object that is sent in parts. Nothing is visible before `complete`.
    pub async fn start_upload(&self, key: &str, created_ms: u64) -> Result<Upload, Error> {
        keys::check_key(key)?;
        Ok(Upload(match &self.0 {
            Kind::S3(s3) => UploadKind::S3(s3.start_upload(key, created_ms).await?),
            Kind::Directory(directory, meter) => {
                let started = directory.start_upload(key, created_ms);
                let upload = meter.count(Operation::Put, started).await?;
                UploadKind::Directory(upload, meter.clone())
            }
        }))
    }
}

/// An object that is sent in parts. Dropped without `complete`, it is aborted in the background.
#[derive(Debug)]
pub struct Upload(UploadKind);

#[derive(Debug)]
enum UploadKind {
    S3(s3::Upload),
    Directory(directory::Upload, Meter),
}

impl Upload {
    /// Part `number` (from 1 on), whose first byte is byte `offset` of the object. Several may
    /// be in flight at once.
    pub async fn part(&self, number: u32, offset: u64, body: Bytes) -> Result<(), Error> {
        s3_protocol::parts::check_number(number)?;
        match &self.0 {
            UploadKind::S3(upload) => upload.part(number, offset, body).await,
            UploadKind::Directory(upload, meter) => {
                meter.sent(Operation::Put, body.len() as u64);
                let written = upload.part(number, offset, body);
                meter.count(Operation::Put, written).await
            }
        }
    }

    /// Puts the parts together, if the condition holds, and returns the ETag.
    pub async fn complete(&self, condition: Condition) -> Result<String, Error> {
        match &self.0 {
            UploadKind::S3(upload) => upload.complete(condition).await,
            UploadKind::Directory(upload, meter) => {
                meter
                    .count(Operation::Put, upload.complete(condition))
                    .await
            }
        }
    }

    /// Leaves nothing behind, as far as the store lets itself be reached.
    pub async fn abort(&self) {
        match &self.0 {
            UploadKind::S3(upload) => upload.abort().await,
            UploadKind::Directory(upload, _) => upload.abort().await,
        }
    }
}

fn check_range(key: &str, range: Range) -> Result<(), Error> {
    if range.length == 0 {
        return Err(Error::Invalid(format!("a range of no bytes of {key}")));
    }
    if range.offset.checked_add(range.length).is_none() {
        return Err(Error::Invalid(format!(
            "a range of {key} that ends past 2^64"
        )));
    }
    Ok(())
}
