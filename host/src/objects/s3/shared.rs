//! What the replicas of one process have in common: connections, credentials that must be found,
//! and how many requests are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Client;
use tokio::sync::Semaphore;

use super::super::Meter;
use super::super::limits::REQUESTS_IN_FLIGHT;
use super::chain::Chain;
use super::credentials::Source;
use super::env::Env;
use super::{Error, S3Location};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    inner: Arc<Inner>,
    meter: Meter,
}

#[derive(Debug)]
struct Inner {
    clients: Mutex<HashMap<Transport, Client>>,
    /// By the region in which tokens are asked for.
    credentials: Mutex<HashMap<Option<String>, Source>>,
    requests: Arc<Semaphore>,
}

/// What makes two clients differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transport {
    pub https: bool,
    /// Any certificate is accepted.
    pub skip_verify: bool,
}

impl Default for Shared {
    fn default() -> Shared {
        let inner = Inner {
            clients: Mutex::default(),
            credentials: Mutex::default(),
            requests: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT)),
        };
        Shared {
            inner: Arc::new(inner),
            meter: Meter::default(),
        }
    }
}

impl Shared {
    /// The same for stores whose requests are counted by `meter`.
    pub fn counted_by(&self, meter: Meter) -> Shared {
        Shared {
            inner: Arc::clone(&self.inner),
            meter,
        }
    }

    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The client for such connections. All users of one `Shared` have the same environment and
    /// patience.
    pub fn client(
        &self,
        transport: Transport,
        make: impl FnOnce() -> Result<Client, Error>,
    ) -> Result<Client, Error> {
        let mut clients = self
            .inner
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&transport) {
            return Ok(client.clone());
        }
        let client = make()?;
        clients.insert(transport, client.clone());
        Ok(client)
    }

    pub fn credentials(
        &self,
        location: &S3Location,
        env: &Env,
        region: Option<String>,
    ) -> Result<Source, Error> {
        let source = Source::choose(location, env, Chain::new(region.clone()))?;
        if matches!(source, Source::Fixed(_)) {
            return Ok(source);
        }
        let mut known = self
            .inner
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(region).or_insert(source).clone())
    }

    /// Turns to send a request.
    pub fn requests(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.requests)
    }
}
