//! Whether a store honours conditional writes is found out once for all databases in it.

use crate::objects::Location;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What one process knows of its stores. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Probes(Arc<Mutex<HashMap<String, Known>>>);

/// Locked while somebody finds out; true: the store honours them.
pub type Known = Arc<tokio::sync::Mutex<bool>>;

impl Probes {
    pub fn of(&self, location: &Location) -> Known {
        let store = match location {
            Location::S3(s3) => format!(
                "{} {}",
                s3.endpoint.as_deref().unwrap_or_default(),
                s3.bucket_name()
            ),
            // Each directory may be on a file system of its own, and costs next to nothing.
            Location::Directory { .. } => location.identity(),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(store).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::S3Location;

    fn known(probes: &Probes, bucket: &str, path: &str) -> Known {
        probes.of(&S3Location::new(bucket, path).into())
    }

    #[test]
    fn the_prefixes_of_a_bucket_are_one_store() {
        let probes = Probes::default();
        let first = known(&probes, "bucket", "a");
        assert!(Arc::ptr_eq(&first, &known(&probes, "bucket", "b")));
        assert!(!Arc::ptr_eq(&first, &known(&probes, "other", "a")));
    }
}
