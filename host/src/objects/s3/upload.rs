//! An upload that ends with its process: what is dropped unfinished is aborted.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::wire::Wire;
use super::{Error, S3, leftovers};

/// Aborted in the background when dropped without `complete`.
#[derive(Debug)]
pub struct Upload(Arc<s3_protocol::Upload<Wire>>);

impl S3 {
    pub async fn start_upload(&self, key: &str, created_ms: u64) -> Result<Upload, Error> {
        if !self.cleaned.swap(true, Ordering::Relaxed) {
            tokio::spawn(leftovers::abort_old_uploads(self.clone()));
        }
        let upload = self.bucket.start_upload(key, created_ms).await?;
        Ok(Upload(Arc::new(upload)))
    }
}

impl Deref for Upload {
    type Target = s3_protocol::Upload<Wire>;

    fn deref(&self) -> &s3_protocol::Upload<Wire> {
        &self.0
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.0.is_over() {
            return;
        }
        let unfinished = Arc::clone(&self.0);
        // Without a runtime the program is about to end: the upload is aborted as a leftover.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { unfinished.abort().await });
        }
    }
}
