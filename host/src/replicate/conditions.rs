//! Whether stores honour conditional writes: found out once for each bucket, whatever the number of
//! databases in it. Asking takes about a dozen requests.

use crate::component::wit;
use crate::objects::Location;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// What is known of all stores of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Conditions(Arc<Mutex<HashMap<String, Store>>>);

/// What is known of one store.
pub type Store = Arc<OnceCell<bool>>;

impl Conditions {
    /// Directories may lie in different file systems and cost no requests: each is asked.
    pub fn of(&self, location: &Location) -> Store {
        let Location::S3(s3) = location else {
            return Store::default();
        };
        let endpoint = s3.endpoint.as_deref().unwrap_or_default();
        let place = format!("{endpoint} {}", s3.bucket);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(place).or_default())
    }
}

/// Asks, unless somebody has or is about to. What failed is not known, and asked again.
pub async fn find_out(
    store: Store,
    ask: impl Future<Output = wasmtime::Result<Result<bool, wit::Error>>>,
) -> wasmtime::Result<Result<bool, wit::Error>> {
    let found = store.get_or_try_init(async || ask.await.map_err(Err)?.map_err(Ok));
    match found.await {
        Ok(honoured) => Ok(Ok(*honoured)),
        Err(Ok(error)) => Ok(Err(error)),
        Err(Err(failure)) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::S3Location;

    #[tokio::test]
    async fn a_bucket_is_asked_once_and_again_only_when_that_failed() {
        let conditions = Conditions::default();
        let at = |bucket: &str, path: &str| conditions.of(&S3Location::new(bucket, path).into());
        let away = async { Ok(Err(wit::Error::Store("away".to_owned()))) };
        assert!(find_out(at("b", "one"), away).await.unwrap().is_err());
        let yes = find_out(at("b", "two"), async { Ok(Ok(true)) }).await;
        assert!(matches!(yes, Ok(Ok(true))));
        let not_asked = async { Ok(Ok(false)) };
        let known = find_out(at("b", "three"), not_asked).await;
        assert!(matches!(known, Ok(Ok(true))));
        let other = find_out(at("c", "one"), async { Ok(Ok(false)) }).await;
        assert!(matches!(other, Ok(Ok(false))));
    }
}
