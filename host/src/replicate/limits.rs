//! What one process may use, for many databases.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Databases that are opened at once.
const OPENINGS: usize = 8;
/// Databases that are restored at once, each with several requests.
const RESTORES: usize = 4;

/// Replicas that are verified at once: nobody waits for them.
const PROOFS: usize = 1;

/// Shared by all databases.
#[derive(Debug, Clone)]
pub struct Limits {
    pub openings: Arc<Semaphore>,
    pub restores: Arc<Semaphore>,
    pub proofs: Arc<Semaphore>,
}

impl Limits {
    pub fn new() -> Limits {
        Limits {
            openings: Arc::new(Semaphore::new(OPENINGS)),
            restores: Arc::new(Semaphore::new(RESTORES)),
            proofs: Arc::new(Semaphore::new(PROOFS)),
        }
    }
}

/// Each database takes about five descriptors; the usual soft limit of 1024 is for programs that
/// use `select`.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}
