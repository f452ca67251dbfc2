//! What a program asks of the store, and what it keeps there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::bucket::Objects;
use crate::now_ms;
use crate::proxy::Exchange;

/// Requests by kind, and bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Requests {
    pub put: usize,
    pub list: usize,
    pub get: usize,
    pub head: usize,
    pub delete: usize,
    /// Of uploads in parts: their beginnings and ends.
    pub other: usize,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

impl Requests {
    pub fn of<'a>(log: impl IntoIterator<Item = &'a Exchange>) -> Self {
        let mut sum = Self::default();
        for seen in log {
            *match (seen.method.as_str(), seen.target.as_str()) {
                ("PUT", _) => &mut sum.put,
                ("GET", target) if is_list(target) => &mut sum.list,
                ("GET", _) => &mut sum.get,
                ("HEAD", _) => &mut sum.head,
                ("DELETE", _) => &mut sum.delete,
                ("POST", target) if has_key(target, "delete") => &mut sum.delete,
                _ => &mut sum.other,
            } += 1;
            sum.bytes_up += seen.sent;
            sum.bytes_down += seen.received;
        }
        sum
    }

    pub fn all(&self) -> usize {
        self.put + self.list + self.get + self.head + self.delete + self.other
    }
}

fn is_list(target: &str) -> bool {
    has_key(target, "list-type") || has_key(target, "prefix") || has_key(target, "uploads")
}

fn has_key(target: &str, key: &str) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut keys = query.split('&').map(|pair| pair.split('=').next());
    keys.any(|found| found == Some(key))
}

/// What lies in the bucket at one time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    pub at_ms: f64,
    pub bytes: u64,
    pub objects: usize,
}

/// What lay in the bucket over time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Stored {
    pub max_bytes: u64,
    /// Over time: what a month of it is paid for.
    pub mean_bytes: u64,
    pub end_bytes: u64,
    pub max_objects: usize,
    pub end_objects: usize,
}

impl Stored {
    pub fn of(samples: &[Sample]) -> Self {
        let bytes = || samples.iter().map(|sample| sample.bytes);
        let objects = || samples.iter().map(|sample| sample.objects);
        let count = samples.len().max(1) as u64;
        Self {
            max_bytes: bytes().max().unwrap_or(0),
            mean_bytes: bytes().sum::<u64>() / count,
            end_bytes: bytes().next_back().unwrap_or(0),
            max_objects: objects().max().unwrap_or(0),
            end_objects: objects().next_back().unwrap_or(0),
        }
    }
}

const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Looks at a prefix again and again, past the proxy.
pub struct Watch {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Watch {
    pub fn start(objects: Objects) -> Self {
        let (samples, stop) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let (found, stopped) = (Arc::clone(&samples), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            loop {
                let last = stopped.load(Ordering::Relaxed);
                let listing = objects.list()?;
                let sample = Sample {
                    at_ms: now_ms(),
                    bytes: listing.values().sum(),
                    objects: listing.len(),
                };
                found
                    .lock()
                    .expect("no thread panics with the lock")
                    .push(sample);
                if last {
                    return Ok(());
                }
                std::thread::sleep(SAMPLE_EVERY);
            }
        });
        Self {
            samples,
            stop,
            thread,
        }
    }

    /// Looks once more, and tells all that was seen.
    pub fn stop(self) -> Result<Vec<Sample>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the watch panicked"))??;
        let samples = self.samples.lock().expect("no thread panics with the lock");
        Ok(samples.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str) -> Exchange {
        Exchange {
            method: method.into(),
            target: target.into(),
            status: Some(200),
            sent: 10,
            received: 1,
            began: 0.0,
            ended: 0.0,
            opening: Vec::new(),
        }
    }

    #[test]
    fn each_kind_of_request_is_counted_as_what_it_is() {
        let log = [
            request("PUT", "/b/p/0000/1-1.ltx?x-id=PutObject"),
            request("PUT", "/b/p/0009/1-9.ltx?partNumber=1&uploadId=x"),
            request("GET", "/b?list-type=2&prefix=p%2F0000%2F"),
            request("GET", "/b/p/0000/1-1.ltx"),
            request("HEAD", "/b/p/0000/1-1.ltx"),
            request("POST", "/b?delete="),
            request("POST", "/b/?delete"),
            request("DELETE", "/b/p/probe"),
            request("POST", "/b/p/0009/1-9.ltx?uploads"),
        ];
        let sum = Requests::of(&log);
        let counts = (sum.put, sum.list, sum.get, sum.head, sum.delete, sum.other);
        assert_eq!(counts, (2, 1, 1, 1, 3, 1));
        assert_eq!((sum.all(), sum.bytes_up, sum.bytes_down), (9, 90, 9));
    }

    #[test]
    fn what_is_stored_has_a_maximum_a_mean_and_an_end() {
        let at = |bytes, objects| Sample {
            at_ms: 0.0,
            bytes,
            objects,
        };
        let stored = Stored::of(&[at(10, 1), at(50, 5), at(30, 2)]);
        assert_eq!(
            (stored.max_bytes, stored.mean_bytes, stored.end_bytes),
            (50, 30, 30)
        );
        assert_eq!((stored.max_objects, stored.end_objects), (5, 2));
        assert_eq!(Stored::of(&[]).max_bytes, 0);
    }
}
