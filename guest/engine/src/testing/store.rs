//! A store in memory that counts, delays and fails as told.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use crate::ports::{ByteRange, Condition, Entry, ObjectError, Objects, Page, Upload};

/// As S3.
const KEYS_PER_LISTING: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Get,
    Put,
    Upload,
    List,
    Delete,
}

/// A request as it reaches the store. `key` is the prefix of a listing, and the first key of a
/// deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub operation: Operation,
    pub key: String,
    pub range: Option<ByteRange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request has no effect.
    Refused(ObjectError),
    /// It has its effect, and still answers with this.
    Lost(ObjectError),
}

type Hook = Box<dyn FnMut(&MemoryStore, &Call) -> Option<Fault>>;

/// A handle: clones share the store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    objects: RefCell<BTreeMap<String, Stored>>,
    calls: RefCell<Vec<Call>>,
    hook: RefCell<Option<Hook>>,
    versions: Cell<u64>,
    clock: Cell<Option<u64>>,
    keys_per_listing: Cell<Option<usize>>,
    /// State of the random numbers that delays are drawn from; zero for no delays.
    latency: Cell<u64>,
    hold: Cell<u64>,
    in_flight: Cell<usize>,
    most_in_flight: Cell<usize>,
    abandoned: Cell<usize>,
}

#[derive(Clone)]
struct Stored {
    body: Vec<u8>,
    etag: String,
    modified_ms: u64,
}

impl MemoryStore {
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Answers come out of order from now on, as the seed says.
    pub fn shuffle_answers(&self, seed: u64) {
        self.inner.latency.set(seed | 1);
    }

    /// Every answer takes as long from now on: as many polls of its future.
    pub fn hold_answers(&self, polls: u64) {
        self.inner.hold.set(polls);
    }

    /// What the store says when it takes an object; without, it counts them.
    pub fn set_clock(&self, now_ms: u64) {
        self.inner.clock.set(Some(now_ms));
    }

    pub fn set_keys_per_listing(&self, keys: usize) {
        self.inner.keys_per_listing.set(Some(keys));
    }

    /// Called before each request takes effect; it may also change the store.
    pub fn before_each(&self, hook: impl FnMut(&MemoryStore, &Call) -> Option<Fault> + 'static) {
        self.inner.hook.replace(Some(Box::new(hook)));
    }

    pub fn insert(&self, key: &str, body: Vec<u8>) -> String {
        let version = self.inner.versions.get() + 1;
        self.inner.versions.set(version);
        let etag = format!("\"{version}\"");
        let stored = Stored {
            body,
            etag: etag.clone(),
            modified_ms: self.inner.clock.get().unwrap_or(version),
        };
        self.inner
            .objects
            .borrow_mut()
            .insert(key.to_owned(), stored);
        etag
    }

    pub fn remove(&self, key: &str) -> bool {
        self.inner.objects.borrow_mut().remove(key).is_some()
    }

    pub fn body(&self, key: &str) -> Option<Vec<u8>> {
        let objects = self.inner.objects.borrow();
        objects.get(key).map(|stored| stored.body.clone())
    }

    pub fn keys(&self) -> Vec<String> {
        self.inner.objects.borrow().keys().cloned().collect()
    }

    /// Every request so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.borrow().clone()
    }

    pub fn count(&self, operation: Operation) -> usize {
        let calls = self.inner.calls.borrow();
        calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    }

    /// The most requests that were ever under way at the same time.
    pub fn most_in_flight(&self) -> usize {
        self.inner.most_in_flight.get()
    }

    /// Requests that are under way now.
    pub fn in_flight(&self) -> usize {
        self.inner.in_flight.get()
    }

    /// Requests whose caller did not wait for the answer.
    pub fn abandoned(&self) -> usize {
        self.inner.abandoned.get()
    }

    async fn request<T>(
        &self,
        operation: Operation,
        key: &str,
        range: Option<ByteRange>,
        effect: impl FnOnce() -> Result<T, ObjectError>,
    ) -> Result<T, ObjectError> {
        let mut guard = InFlight::begin(&self.inner);
        let call = Call {
            operation,
            key: key.to_owned(),
            range,
        };
        self.inner.calls.borrow_mut().push(call.clone());
        self.delay().await;
        guard.answered = true;
        let hook = self.inner.hook.take();
        let fault = hook.and_then(|mut hook| {
            let fault = hook(self, &call);
            self.inner.hook.replace(Some(hook));
            fault
        });
        match fault {
            Some(Fault::Refused(error)) => Err(error),
            Some(Fault::Lost(error)) => {
                let _ = effect();
                Err(error)
            }
            None => effect(),
        }
    }

    fn delay(&self) -> impl Future<Output = ()> {
        let mut seed = self.inner.latency.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.inner.latency.set(seed);
        let mut left = seed % 8 + self.inner.hold.get();
        poll_fn(move |context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn put_if(
        &self,
        key: &str,
        body: Vec<u8>,
        condition: &Condition,
    ) -> Result<String, ObjectError> {
        let objects = self.inner.objects.borrow();
        let there = objects.get(key).map(|stored| stored.etag.clone());
        drop(objects);
        let met = match condition {
            Condition::None => true,
            Condition::IfAbsent => there.is_none(),
            Condition::IfMatch(etag) => there.as_ref() == Some(etag),
        };
        if met {
            Ok(self.insert(key, body))
        } else {
            Err(ObjectError::PreconditionFailed(key.to_owned()))
        }
    }
}

struct InFlight<'a> {
    inner: &'a Inner,
    answered: bool,
}

impl<'a> InFlight<'a> {
    fn begin(inner: &'a Inner) -> InFlight<'a> {
        let now = inner.in_flight.get() + 1;
        inner.in_flight.set(now);
        inner
            .most_in_flight
            .set(inner.most_in_flight.get().max(now));
        InFlight {
            inner,
            answered: false,
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let inner = self.inner;
        inner.in_flight.set(inner.in_flight.get() - 1);
        if !self.answered {
            inner.abandoned.set(inner.abandoned.get() + 1);
        }
    }
}

impl Objects for MemoryStore {
    type Upload = MemoryUpload;

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Vec<u8>, ObjectError> {
        let effect = || {
            let body = self
                .body(key)
                .ok_or_else(|| ObjectError::NotFound(key.to_owned()))?;
            let Some(range) = range else {
                return Ok(body);
            };
            let size = body.len() as u64;
            if range.offset >= size {
                let told = format!("{key}: byte {} of {size}", range.offset);
                return Err(ObjectError::Invalid(told));
            }
            let end = size.min(range.offset + range.length);
            Ok(body[range.offset as usize..end as usize].to_vec())
        };
        self.request(Operation::Get, key, range, effect).await
    }

    async fn put(
        &self,
        key: &str,
        body: Vec<u8>,
        condition: Condition,
        _created_ms: u64,
    ) -> Result<String, ObjectError> {
        let effect = || self.put_if(key, body, &condition);
        self.request(Operation::Put, key, None, effect).await
    }

    async fn upload(&self, key: &str, _created_ms: u64) -> Result<MemoryUpload, ObjectError> {
        let effect = || {
            Ok(MemoryUpload {
                store: self.clone(),
                key: key.to_owned(),
                parts: RefCell::default(),
            })
        };
        self.request(Operation::Upload, key, None, effect).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Page, ObjectError> {
        let effect = || {
            let objects = self.inner.objects.borrow();
            let mut matching = objects.iter().filter(|(key, _)| {
                key.starts_with(prefix) && start_after.is_none_or(|after| key.as_str() > after)
            });
            let limit = self.inner.keys_per_listing.get();
            let entry = |(key, stored): (&String, &Stored)| Entry {
                key: key.clone(),
                size: stored.body.len() as u64,
                modified_ms: stored.modified_ms,
            };
            let entries = matching
                .by_ref()
                .take(limit.unwrap_or(KEYS_PER_LISTING))
                .map(entry)
                .collect();
            Ok(Page {
                entries,
                truncated: matching.next().is_some(),
            })
        };
        self.request(Operation::List, prefix, None, effect).await
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<(String, ObjectError)>, ObjectError> {
        let effect = || {
            for key in keys {
                self.remove(key);
            }
            Ok(Vec::new())
        };
        let first = keys.first().map_or("", String::as_str);
        self.request(Operation::Delete, first, None, effect).await
    }
}

pub struct MemoryUpload {
    store: MemoryStore,
    key: String,
    parts: RefCell<BTreeMap<u32, (u64, Vec<u8>)>>,
}

impl Upload for MemoryUpload {
    async fn part(&self, number: u32, offset: u64, body: Vec<u8>) -> Result<(), ObjectError> {
        let effect = || {
            self.parts.borrow_mut().insert(number, (offset, body));
            Ok(())
        };
        let store = &self.store;
        store
            .request(Operation::Upload, &self.key, None, effect)
            .await
    }

    async fn complete(self, condition: Condition) -> Result<String, ObjectError> {
        let effect = || {
            let mut whole = Vec::new();
            for (offset, body) in self.parts.borrow().values() {
                if *offset != whole.len() as u64 {
                    let told = format!("{}: a part at {offset}, not {}", self.key, whole.len());
                    return Err(ObjectError::Invalid(told));
                }
                whole.extend_from_slice(body);
            }
            self.store.put_if(&self.key, whole, &condition)
        };
        let store = self.store.clone();
        store
            .request(Operation::Upload, &self.key, None, effect)
            .await
    }

    async fn abort(self) {}
}
