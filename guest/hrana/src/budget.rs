//! What one request may still use, and what it works with.

use crate::error::{Error, RESPONSE_TOO_LARGE};
use crate::settings::Limits;
use engine::edge::{self, Connection, Database, Freshness, SqlError, Used};
use engine::ports::{Environment, Objects};
use engine::units::Txid;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// Lets time pass without blocking the instance.
pub trait Pause {
    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

impl<F: AsyncFn(Duration)> Pause for F {
    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self(time))
    }
}

/// The database, whatever the store.
pub trait Source {
    fn connect(&self) -> Result<Connection, SqlError>;
    /// The newest transaction that is known, and its age in milliseconds.
    fn known(&self) -> Option<(Txid, u64)>;
    fn freshness(&self) -> Freshness;
    fn cached(&self) -> Used;
}

impl<O: Objects + 'static> Source for Database<O> {
    fn connect(&self) -> Result<Connection, SqlError> {
        Database::connect_now(self)
    }

    fn known(&self) -> Option<(Txid, u64)> {
        self.edge().known()
    }

    fn freshness(&self) -> Freshness {
        let edge::Settings { freshness, .. } = self.edge().settings();
        *freshness
    }

    fn cached(&self) -> Used {
        self.edge().cached()
    }
}

/// One request's.
pub struct Turn<'a> {
    pub source: &'a dyn Source,
    pub limits: &'a Limits,
    environment: &'a dyn Environment,
    pause: &'a dyn Pause,
    ends: Instant,
    /// Bytes of rows in the answer.
    left: Cell<u64>,
}

/// Before the first new try; each further one waits up to twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl<'a> Turn<'a> {
    pub fn new(
        source: &'a dyn Source,
        limits: &'a Limits,
        environment: &'a dyn Environment,
        pause: &'a dyn Pause,
    ) -> Turn<'a> {
        Turn {
            source,
            limits,
            environment,
            pause,
            ends: Instant::now() + limits.request,
            left: Cell::new(limits.response),
        }
    }

    /// When a statement that begins now has to end.
    pub fn deadline(&self) -> Instant {
        self.ends.min(Instant::now() + self.limits.statement)
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    pub fn bytes_left(&self) -> u64 {
        self.left.get()
    }

    pub fn spend(&self, bytes: u64) -> Result<(), Error> {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.ok_or_else(|| self.too_large())?);
        Ok(())
    }

    pub fn too_large(&self) -> Error {
        let limit = self.limits.response;
        let text = format!("the answer is larger than the {limit} bytes that are allowed at once");
        Error::new(RESPONSE_TOO_LARGE, text)
    }

    /// A random while, so that those who got into each other's way do not meet again.
    pub async fn back_off(&self, tries: u32) {
        let longest = FIRST_PAUSE * 2u32.saturating_pow(tries.min(8));
        let longest = longest.min(LONGEST_PAUSE).as_micros() as u64;
        let while_ = self.environment.random() % (longest + 1);
        self.pause.pause(Duration::from_micros(while_)).await;
    }
}
