//! Counts what one database asks of its store: requests as they go over the wire, each try of
//! them, their bytes and failures; and knows whether requests fail at the moment.

use super::{Error, Operation, Trouble};
use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Seconds: upper bounds of the buckets of durations. S3 needs 10 to 100 ms for a small object.
pub const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counters: [Counters; 4],
    failing: Mutex<[Option<Failing>; 4]>,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    failures: [AtomicU64; 5],
    microseconds: AtomicU64,
    /// One for each bound, and one for what took longer.
    durations: [AtomicU64; BOUNDS.len() + 1],
}

/// Requests of a kind fail, and none has succeeded since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    pub since: Instant,
    /// Of the last try.
    pub text: String,
}

/// What was counted of one operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    pub requests: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// In the order of [`Trouble::ALL`].
    pub failures: [u64; 5],
    /// Of the tries that ended.
    pub seconds: f64,
    /// One for each of [`BOUNDS`], and one for what took longer.
    pub durations: [u64; BOUNDS.len() + 1],
}

impl Meter {
    /// A try begins.
    pub fn begins(&self, operation: Operation) {
        self.of(operation).requests.fetch_add(1, Relaxed);
    }

    pub fn sent(&self, operation: Operation, bytes: u64) {
        self.of(operation).sent.fetch_add(bytes, Relaxed);
    }

    pub fn received(&self, operation: Operation, bytes: u64) {
        self.of(operation).received.fetch_add(bytes, Relaxed);
    }

    /// A try that began is over.
    pub fn took(&self, operation: Operation, time: Duration) {
        let counters = self.of(operation);
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        counters.durations[bucket.unwrap_or(BOUNDS.len())].fetch_add(1, Relaxed);
        counters
            .microseconds
            .fetch_add(time.as_micros() as u64, Relaxed);
    }

    /// The store answered.
    pub fn works(&self, operation: Operation) {
        self.failing()[operation as usize] = None;
    }

    /// A try failed.
    pub fn fails(&self, operation: Operation, trouble: Trouble, text: &str) {
        self.of(operation).failures[trouble as usize].fetch_add(1, Relaxed);
        self.is_doubtful(operation, Duration::ZERO, text);
    }

    /// A try has failed or got no answer for so long.
    pub fn is_doubtful(&self, operation: Operation, silent: Duration, text: &str) {
        let failing = &mut self.failing()[operation as usize];
        let now = Instant::now();
        let since = match failing {
            Some(failing) => failing.since,
            None => now.checked_sub(silent).unwrap_or(now),
        };
        *failing = Some(Failing {
            since,
            text: text.to_owned(),
        });
    }

    /// Counts a whole call, where a call is one request.
    pub async fn count<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.begins(operation);
        let began = Instant::now();
        let outcome = call.await;
        self.took(operation, began.elapsed());
        match &outcome {
            Err(error) => match Trouble::of(error) {
                // Where nothing can be put is no place.
                None if operation == Operation::Put && matches!(error, Error::NotFound(_)) => {
                    self.fails(operation, Trouble::Unavailable, &error.to_string());
                }
                Some(trouble) => self.fails(operation, trouble, &error.to_string()),
                None => self.works(operation),
            },
            Ok(_) => self.works(operation),
        }
        outcome
    }

    /// Since when requests of this kind fail.
    pub fn trouble_of(&self, operation: Operation) -> Option<Failing> {
        self.failing()[operation as usize].clone()
    }

    /// The kind of requests that fails for the longest time.
    pub fn trouble(&self) -> Option<Failing> {
        let failing = self.failing();
        failing
            .iter()
            .flatten()
            .min_by_key(|failing| failing.since)
            .cloned()
    }

    pub fn counts(&self, operation: Operation) -> Counts {
        let counters = self.of(operation);
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        Counts {
            requests: load(&counters.requests),
            sent_bytes: load(&counters.sent),
            received_bytes: load(&counters.received),
            failures: array::from_fn(|index| load(&counters.failures[index])),
            seconds: Duration::from_micros(load(&counters.microseconds)).as_secs_f64(),
            durations: array::from_fn(|index| load(&counters.durations[index])),
        }
    }

    fn of(&self, operation: Operation) -> &Counters {
        &self.0.counters[operation as usize]
    }

    fn failing(&self) -> MutexGuard<'_, [Option<Failing>; 4]> {
        self.0
            .failing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fail_until_one_of_the_same_kind_works() {
        let meter = Meter::default();
        meter.fails(Operation::Put, Trouble::Unavailable, "first");
        let first = meter.trouble().unwrap();
        meter.works(Operation::Get);
        meter.fails(Operation::Put, Trouble::Throttled, "second");
        let second = meter.trouble().unwrap();
        assert_eq!((second.since, &*second.text), (first.since, "second"));
        assert_eq!(meter.counts(Operation::Put).failures, [1, 0, 1, 0, 0]);
        meter.works(Operation::Put);
        assert_eq!(meter.trouble(), None);
    }

    #[test]
    fn a_silent_store_is_in_trouble_since_the_silence_began() {
        let meter = Meter::default();
        meter.is_doubtful(Operation::Put, Duration::from_secs(5), "no answer");
        assert!(meter.trouble().unwrap().since.elapsed() >= Duration::from_secs(5));
        assert_eq!(meter.counts(Operation::Put).failures, [0; 5]);
    }

    #[test]
    fn each_duration_is_in_one_bucket() {
        let meter = Meter::default();
        for milliseconds in [0, 5, 6, 10_000, 10_001] {
            meter.took(Operation::Get, Duration::from_millis(milliseconds));
        }
        let counts = meter.counts(Operation::Get);
        assert_eq!(counts.durations, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert!((counts.seconds - 20.012).abs() < 1e-6);
    }

    #[tokio::test]
    async fn that_something_is_not_there_is_an_answer() {
        let meter = Meter::default();
        let absent = async { Err::<(), _>(Error::NotFound("x".into())) };
        let _ = meter.count(Operation::Get, absent).await;
        assert_eq!(meter.trouble(), None);
        let away = async { Err::<(), _>(Error::Unavailable("x".into())) };
        let _ = meter.count(Operation::Get, away).await;
        assert!(meter.trouble().is_some());
        assert_eq!(meter.counts(Operation::Get).requests, 2);
    }
}
