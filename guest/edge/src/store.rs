//! The store, as far as the running call may wait for it.

use engine::ports::{ByteRange, Condition, ObjectError, Objects, Page};
use objects::seawall::objects::store::Upload;
use std::cell::Cell;

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(true) };
}

/// Runs a call that the caller may not be kept waiting for: it gets what is in memory, or an error.
pub fn without_waiting<T>(call: impl FnOnce() -> T) -> T {
    MAY_WAIT.set(false);
    let answer = call();
    MAY_WAIT.set(true);
    answer
}

pub struct Store;

fn check() -> Result<(), ObjectError> {
    match MAY_WAIT.get() {
        true => Ok(()),
        false => Err(ObjectError::Unavailable(
            "this function may not wait for the store; call the async one of the same name"
                .to_owned(),
        )),
    }
}

impl Objects for Store {
    type Upload = Upload;

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Vec<u8>, ObjectError> {
        check()?;
        objects::Store.get(key, range).await
    }

    async fn put(
        &self,
        key: &str,
        body: Vec<u8>,
        condition: Condition,
        created_ms: u64,
    ) -> Result<String, ObjectError> {
        check()?;
        objects::Store.put(key, body, condition, created_ms).await
    }

    async fn upload(&self, key: &str, created_ms: u64) -> Result<Upload, ObjectError> {
        check()?;
        objects::Store.upload(key, created_ms).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Page, ObjectError> {
        check()?;
        objects::Store.list(prefix, start_after).await
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<(String, ObjectError)>, ObjectError> {
        check()?;
        objects::Store.delete(keys).await
    }
}
