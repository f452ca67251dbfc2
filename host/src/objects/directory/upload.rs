//! An object written in parts: a temporary file until it is complete.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::failure::{blocking, blocking_write, told};
use super::temp::Temp;
use super::{Condition, Error, Inner, etag_of};
use s3_protocol::parts::Parts;

#[derive(Debug)]
pub struct Upload {
    inner: Arc<Inner>,
    path: PathBuf,
    created_ms: u64,
    parts: Mutex<Parts<()>>,
    /// `None` once completed or aborted.
    temp: Mutex<Option<Arc<Temp>>>,
}

impl Upload {
    pub(super) fn new(inner: Arc<Inner>, temp: Temp, path: PathBuf, created_ms: u64) -> Upload {
        let temp = Mutex::new(Some(Arc::new(temp)));
        Upload {
            inner,
            path,
            created_ms,
            parts: Mutex::default(),
            temp,
        }
    }

    pub async fn part(&self, number: u32, offset: u64, body: Bytes) -> Result<(), Error> {
        let temp = self.temp()?;
        let bytes = body.len() as u64;
        blocking(move || {
            temp.file()
                .write_all_at(&body, offset)
                .map_err(told("write", temp.path()))
        })
        .await?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(number, offset, bytes, ());
        Ok(())
    }

    pub async fn complete(&self, condition: Condition) -> Result<String, Error> {
        self.parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .in_order()?;
        let temp = self.temp()?;
        let (inner, path, created_ms) = (self.inner.clone(), self.path.clone(), self.created_ms);
        let etag = blocking_write(&self.path, move || {
            let etag = etag_of(temp.file(), temp.path())?;
            inner.publish(&temp, &path, &condition, created_ms)?;
            Ok(etag)
        })
        .await?;
        self.abort().await;
        Ok(etag)
    }

    /// Forgets the temporary file, which removes it when the last part under way has ended.
    pub async fn abort(&self) {
        self.temp
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn temp(&self) -> Result<Arc<Temp>, Error> {
        let temp = self.temp.lock().unwrap_or_else(PoisonError::into_inner);
        temp.clone().ok_or_else(|| {
            Error::Invalid(format!(
                "the upload of {} is over already",
                self.path.display()
            ))
        })
    }
}
