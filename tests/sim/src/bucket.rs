//! A simulated store: requests take time, fail, lose their answers, and arrive late.

use crate::dice::Dice;
use crate::machine::Process;
use crate::time::Clock;
use crate::weather::Weather;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// As S3.
const KEYS_PER_LISTING: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    NotFound(String),
    PreconditionFailed(String),
    Throttled(String),
    Denied(String),
    Unavailable(String),
    UnknownOutcome(String),
    Invalid(String),
    /// Whoever asked is dead.
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    None,
    IfAbsent,
    IfMatch(String),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub size: u64,
    pub modified_ms: u64,
}

#[derive(Clone)]
pub struct Object {
    pub body: Arc<Vec<u8>>,
    pub etag: String,
    pub modified_us: u64,
}

enum Effect {
    Put {
        key: String,
        body: Arc<Vec<u8>>,
        condition: Condition,
    },
    Delete(Vec<String>),
}

struct Arrival {
    due_us: u64,
    number: u64,
    effect: Effect,
    /// Who must be alive then: what was already on its way arrives without him.
    sender: Option<Process>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    /// When each object was deleted, and what it was.
    deleted: BTreeMap<String, (u64, Object)>,
    arrivals: Vec<Arrival>,
    answers: BTreeMap<u64, Result<String, Error>>,
    uploads: BTreeMap<u64, BTreeMap<u32, (u64, Vec<u8>)>>,
    numbers: u64,
    requests: u64,
    faults: u64,
}

/// A handle: clones are the same bucket.
#[derive(Clone)]
pub struct Bucket {
    state: Arc<Mutex<State>>,
    weather: Arc<Mutex<Weather>>,
    clock: Clock,
    dice: Dice,
}

/// What becomes of one request.
enum Luck {
    Answered,
    Fails(Error),
    /// The answer is lost; the effect comes after so long, or never.
    Lost(Option<u64>),
}

impl Bucket {
    pub fn new(clock: Clock, dice: Dice) -> Bucket {
        Bucket {
            state: Arc::default(),
            weather: Arc::new(Mutex::new(Weather::calm())),
            clock,
            dice,
        }
    }

    /// A copy as it is now, in calm weather, that nobody else changes.
    pub fn frozen(&self) -> Bucket {
        let state = State {
            objects: self.objects(),
            ..State::default()
        };
        Bucket {
            state: Arc::new(Mutex::new(state)),
            weather: Arc::new(Mutex::new(Weather::calm())),
            clock: self.clock.clone(),
            dice: self.dice.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(self.clock.now_us(), &self.weather());
        state
    }

    pub fn weather(&self) -> Weather {
        let weather = self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        weather.clone()
    }

    pub fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        // What has arrived by now arrived in the old weather.
        drop(self.state());
        change(&mut self.weather.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn objects(&self) -> BTreeMap<String, Object> {
        self.state().objects.clone()
    }

    /// Requests so far, and those of them that failed or lost their answer.
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.requests, state.faults)
    }

    /// Something is under way whose sender does not wait for it any more.
    pub fn expects_late(&self) -> bool {
        !self.state().arrivals.is_empty()
    }

    fn luck(&self, changes: bool) -> (Luck, u64) {
        let weather = self.weather();
        let dice = &self.dice;
        let latency = dice.between(weather.latency_us.0, weather.latency_us.1);
        let text = || "the simulated store".to_owned();
        let luck = if weather.down {
            Luck::Fails(Error::Unavailable(text()))
        } else if weather.denied {
            Luck::Fails(Error::Denied(text()))
        } else if dice.happens(weather.unavailable) {
            Luck::Fails(Error::Unavailable(text()))
        } else if dice.happens(weather.throttled) {
            Luck::Fails(Error::Throttled(text()))
        } else if changes && dice.happens(weather.lost) {
            Luck::Lost(if dice.happens(0.4) {
                None
            } else if dice.happens(weather.late) {
                Some(dice.between(0, weather.late_us))
            } else {
                Some(latency / 2)
            })
        } else {
            Luck::Answered
        };
        let mut state = self.state();
        state.requests += 1;
        state.faults += u64::from(!matches!(luck, Luck::Answered));
        (luck, latency)
    }

    /// Waits half of a request's time, looks, waits the other half.
    async fn ask<T>(
        &self,
        by: &Process,
        look: impl FnOnce(&State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        by.step().map_err(|_| Error::Dead)?;
        let (luck, latency) = self.luck(false);
        self.clock.sleep_us(latency / 2).await;
        let answer = match luck {
            Luck::Fails(error) => Err(error),
            _ => look(&self.state()),
        };
        self.clock.sleep_us(latency / 2).await;
        by.step().map_err(|_| Error::Dead)?;
        answer
    }

    async fn change(&self, by: &Process, what: &str, effect: Effect) -> Result<String, Error> {
        by.step().map_err(|_| Error::Dead)?;
        let (luck, latency) = self.luck(true);
        let arrives_after = match &luck {
            Luck::Answered => Some(latency / 2),
            Luck::Fails(_) => None,
            Luck::Lost(arrives) => *arrives,
        };
        let on_its_way = self.dice.happens(0.5);
        let number = {
            let mut state = self.state();
            state.numbers += 1;
            let number = state.numbers;
            if let Some(after) = arrives_after {
                state.arrivals.push(Arrival {
                    due_us: self.clock.now_us() + after,
                    number,
                    effect,
                    sender: (!on_its_way).then(|| by.clone()),
                });
            }
            number
        };
        self.clock.sleep_us(latency).await;
        by.step().map_err(|_| Error::Dead)?;
        let answer = self.state().answers.remove(&number);
        match luck {
            Luck::Fails(error) => Err(error),
            Luck::Lost(_) => Err(Error::UnknownOutcome(what.to_owned())),
            Luck::Answered => answer.unwrap_or(Err(Error::Dead)),
        }
    }

    pub async fn get(
        &self,
        by: &Process,
        key: &str,
        range: Option<(u64, u64)>,
    ) -> Result<Vec<u8>, Error> {
        self.ask(by, |state| {
            let object = state.objects.get(key);
            let body = &object.ok_or_else(|| Error::NotFound(key.to_owned()))?.body;
            let Some((offset, length)) = range else {
                return Ok(body.to_vec());
            };
            let size = body.len() as u64;
            if offset >= size {
                return Err(Error::Invalid(format!("{key}: byte {offset} of {size}")));
            }
            let end = size.min(offset + length);
            Ok(body[offset as usize..end as usize].to_vec())
        })
        .await
    }

    pub async fn put(
        &self,
        by: &Process,
        key: &str,
        body: Vec<u8>,
        condition: Condition,
    ) -> Result<String, Error> {
        let effect = Effect::Put {
            key: key.to_owned(),
            body: Arc::new(body),
            condition,
        };
        self.change(by, key, effect).await
    }

    /// Keys and whether more follow.
    pub async fn list(
        &self,
        by: &Process,
        prefix: &str,
        start_after: Option<&str>,
    ) -> Result<(Vec<Entry>, bool), Error> {
        let weather = self.weather();
        let stale = self.dice.happens(weather.stale);
        let age = self.dice.between(0, weather.stale_us);
        let as_of = self.clock.now_us() - if stale { age } else { 0 };
        self.ask(by, |state| {
            let mut seen = BTreeMap::new();
            for (key, (deleted_us, object)) in &state.deleted {
                if *deleted_us > as_of && stale {
                    seen.insert(key, object);
                }
            }
            seen.extend(&state.objects);
            let wanted = |(key, object): &(&String, &Object)| {
                key.starts_with(prefix)
                    && start_after.is_none_or(|after| key.as_str() > after)
                    && (!stale || object.modified_us <= as_of)
            };
            let mut matching = seen.into_iter().filter(wanted);
            let entry = |(key, object): (&String, &Object)| Entry {
                key: key.clone(),
                size: object.body.len() as u64,
                modified_ms: object.modified_us / 1000,
            };
            let entries = matching
                .by_ref()
                .take(KEYS_PER_LISTING)
                .map(entry)
                .collect();
            Ok((entries, matching.next().is_some()))
        })
        .await
    }

    /// Returns what was not deleted.
    pub async fn delete(&self, by: &Process, keys: Vec<String>) -> Result<(), Error> {
        let what = keys.first().cloned().unwrap_or_default();
        let done = self.change(by, &what, Effect::Delete(keys)).await;
        done.map(drop)
    }

    pub async fn start_upload(&self, by: &Process) -> Result<u64, Error> {
        self.ask(by, |_| Ok(())).await?;
        let mut state = self.state();
        state.numbers += 1;
        let number = state.numbers;
        state.uploads.insert(number, BTreeMap::new());
        Ok(number)
    }

    pub async fn part(
        &self,
        by: &Process,
        upload: u64,
        number: u32,
        offset: u64,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        self.ask(by, |_| Ok(())).await?;
        let mut state = self.state();
        let parts = state.uploads.get_mut(&upload);
        let gone = || Error::NotFound("no such upload".to_owned());
        parts.ok_or_else(gone)?.insert(number, (offset, body));
        Ok(())
    }

    pub async fn complete(
        &self,
        by: &Process,
        upload: u64,
        key: &str,
        condition: Condition,
    ) -> Result<String, Error> {
        let parts = self.state().uploads.get(&upload).cloned();
        let mut body = Vec::new();
        for (offset, part) in parts.unwrap_or_default().into_values() {
            if offset != body.len() as u64 {
                return Err(Error::Invalid(format!("{key}: a part at byte {offset}")));
            }
            body.extend(part);
        }
        self.put(by, key, body, condition).await
    }

    pub fn abort(&self, upload: u64) {
        self.state().uploads.remove(&upload);
    }
}

impl State {
    /// What has arrived by now takes effect, in the order of its arrival.
    fn settle(&mut self, now_us: u64, weather: &Weather) {
        loop {
            let due = self.arrivals.iter().enumerate();
            let due = due.filter(|(_, arrival)| arrival.due_us <= now_us);
            let first = due.min_by_key(|(_, arrival)| (arrival.due_us, arrival.number));
            let Some((index, _)) = first else {
                return;
            };
            let arrival = self.arrivals.remove(index);
            let cut = arrival.sender.is_some_and(|sender| !sender.is_alive());
            if cut {
                continue;
            }
            let answer = match arrival.effect {
                Effect::Put {
                    key,
                    body,
                    condition,
                } => self.take(arrival.due_us, key, body, &condition, weather),
                Effect::Delete(keys) => {
                    if !weather.deletes_do_nothing {
                        for key in keys {
                            if let Some(object) = self.objects.remove(&key) {
                                self.deleted.insert(key, (arrival.due_us, object));
                            }
                        }
                    }
                    Ok(String::new())
                }
            };
            self.answers.insert(arrival.number, answer);
        }
    }

    fn take(
        &mut self,
        at_us: u64,
        key: String,
        body: Arc<Vec<u8>>,
        condition: &Condition,
        weather: &Weather,
    ) -> Result<String, Error> {
        let there = self.objects.get(&key).map(|object| &object.etag);
        let met = match condition {
            _ if weather.ignores_conditions => true,
            Condition::None => true,
            Condition::IfAbsent => there.is_none(),
            Condition::IfMatch(etag) => there == Some(etag),
        };
        if !met {
            return Err(Error::PreconditionFailed(key));
        }
        self.numbers += 1;
        let etag = format!("\"{}\"", self.numbers);
        let object = Object {
            body,
            etag: etag.clone(),
            modified_us: at_us,
        };
        self.objects.insert(key, object);
        Ok(etag)
    }
}
