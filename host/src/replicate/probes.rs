//! Whether stores honour conditional writes: found out once for each bucket, whatever the number of
//! databases in it. Asking takes about a dozen requests.

use crate::component::wit;
use crate::objects::Location;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// What is known of all stores of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Probes(Arc<Mutex<HashMap<String, Known>>>);

/// What is known of one store: set, that it honours them.
pub type Known = Arc<OnceCell<()>>;

impl Probes {
    /// Directories may lie in different file systems and cost no requests: each is asked.
    pub fn of(&self, location: &Location) -> Known {
        let Location::S3(s3) = location else {
            return Known::default();
        };
        let endpoint = s3.endpoint.as_deref().unwrap_or_default();
        let place = format!("{endpoint} {}", s3.bucket_name());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(place).or_default())
    }
}

/// Asks, unless somebody has or is about to. Whatever is not a yes is asked again for each database:
/// one may insist on fencing where another does not.
pub async fn find_out(
    store: Known,
    ask: impl Future<Output = wasmtime::Result<Result<bool, wit::Error>>>,
) -> wasmtime::Result<Result<bool, wit::Error>> {
    let found = store.get_or_try_init(async || match ask.await {
        Ok(Ok(true)) => Ok(()),
        other => Err(other),
    });
    match found.await {
        Ok(()) => Ok(Ok(true)),
        Err(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::S3Location;

    #[tokio::test]
    async fn a_bucket_that_honours_them_is_asked_once() {
        let probes = Probes::default();
        let at = |bucket: &str, path: &str| probes.of(&S3Location::new(bucket, path).into());
        let away = async { Ok(Err(wit::Error::Store("away".to_owned()))) };
        assert!(find_out(at("b", "one"), away).await.unwrap().is_err());
        let no = find_out(at("b", "one"), async { Ok(Ok(false)) }).await;
        assert!(matches!(no, Ok(Ok(false))));
        let yes = find_out(at("b", "two"), async { Ok(Ok(true)) }).await;
        assert!(matches!(yes, Ok(Ok(true))));
        let not_asked = async { Ok(Ok(false)) };
        let known = find_out(at("b", "three"), not_asked).await;
        assert!(matches!(known, Ok(Ok(true))));
        let other = find_out(at("c", "one"), async { Ok(Ok(false)) }).await;
        assert!(matches!(other, Ok(Ok(false))));
    }
}
