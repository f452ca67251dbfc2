//! Bad weather between the program under test and the store: a proxy that delays, refuses, cuts
//! and forgets, and that keeps a log of every request.

mod connection;
mod http;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Result;
use rand::RngExt;

/// How often a hanging request looks whether the weather has changed.
const HANG_POLL: Duration = Duration::from_millis(50);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// The connection is closed before a byte is read.
    Away,
    /// The request never reaches the store and is never answered.
    Hang,
    /// The store answers with this status and does nothing.
    Status(u16),
    /// The connection breaks in the middle of the request's body.
    CutRequest,
    /// The connection breaks in the middle of the answer's body.
    CutAnswer,
    /// The store does what it is asked for, but the answer is lost.
    LoseAnswer,
}

/// What the proxy does from now on.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Time on the way to the store, in milliseconds.
    pub before_ms: Option<Range<u64>>,
    /// Time on the way back, when the store has done its work.
    pub after_ms: Option<Range<u64>>,
    pub fault: Option<Fault>,
    /// The fault hits only requests of this method.
    pub only: Option<&'static str>,
    /// The fault hits one request in so many; 0 and 1 mean all.
    pub one_in: u32,
}

impl Weather {
    /// Every request meets this fault.
    pub fn all(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// The round trip of a store in the same region: about 30 ms for a PUT.
    pub fn near() -> Self {
        Self {
            before_ms: Some(5..20),
            after_ms: Some(5..20),
            ..Self::default()
        }
    }

    fn fault_for(&self, method: &str) -> Option<Fault> {
        let hit = self.only.is_none_or(|only| only == method)
            && (self.one_in < 2 || rand::rng().random_range(0..self.one_in) == 0);
        self.fault.filter(|_| hit)
    }
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The store's answer or the proxy's own; `None` when the client got none.
    pub status: Option<u16>,
    /// Body bytes from the client.
    pub sent: u64,
    /// Body bytes to the client.
    pub received: u64,
    /// Wall-clock milliseconds when the request's head was read, and when all was over.
    pub began: f64,
    pub ended: f64,
    /// The first bytes of the request's body: enough for an LTX header.
    pub opening: Vec<u8>,
}

impl Exchange {
    /// A PUT (or a part of one) of an LTX object of this level.
    pub fn puts_level(&self, level: u8) -> bool {
        self.method == "PUT" && self.target.contains(&format!("/{level:04x}/"))
    }
}

struct Shared {
    store: SocketAddr,
    weather: Mutex<Weather>,
    log: Mutex<Vec<Exchange>>,
    closed: AtomicBool,
}

impl Shared {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().expect("no thread panics with the lock")
    }

    fn log(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.log.lock().expect("no thread panics with the lock")
    }
}

/// A running proxy; closes when dropped.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy in front of `store`, in fair weather.
    pub fn start(store: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            store,
            weather: Mutex::default(),
            log: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        let acceptor = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if acceptor.closed.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&acceptor);
                std::thread::spawn(move || connection::serve(&client, &shared));
            }
        });
        Ok(Self { addr, shared })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the weather for every request from now on.
    pub fn set(&self, weather: Weather) {
        *self.shared.weather() = weather;
    }

    /// All requests that are over.
    pub fn log(&self) -> Vec<Exchange> {
        self.shared.log().clone()
    }

    pub fn clear_log(&self) {
        self.shared.log().clear();
    }

    /// How many requests of this method are over.
    pub fn count(&self, method: &str) -> usize {
        let log = self.shared.log();
        log.iter().filter(|seen| seen.method == method).count()
    }

    /// Body bytes that came from the client since the log was cleared.
    pub fn uploaded(&self) -> u64 {
        self.shared.log().iter().map(|seen| seen.sent).sum()
    }

    /// Body bytes that went to the client since the log was cleared.
    pub fn downloaded(&self) -> u64 {
        self.shared.log().iter().map(|seen| seen.received).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the acceptor; when that fails there is nobody to wake.
        let _ = std::net::TcpStream::connect_timeout(&self.addr, Duration::from_secs(1));
    }
}
