//! The streams that clients may come back to, and the batons that lead there.

use crate::access::Access;
use crate::baton::{Baton, Signer};
use crate::error::Error;
use crate::settings::Limits;
use crate::stream::Stream;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub struct Streams {
    instance: u64,
    signer: Signer,
    places: RefCell<BTreeMap<u64, Place>>,
    next: Cell<u64>,
    limit: usize,
    idle_ms: u64,
}

struct Place {
    /// Of the next request.
    sequence: u64,
    state: State,
}

enum State {
    Idle {
        stream: Stream,
        since_ms: u64,
    },
    /// A request works on it.
    Busy,
    /// The same, and it is closed then: somebody else came with a used baton.
    Doomed,
}

pub enum Refused {
    Full(Error),
    Baton(Error),
}

impl Streams {
    pub fn new(instance: u64, signer: Signer, limits: &Limits) -> Streams {
        Streams {
            instance,
            signer,
            places: RefCell::default(),
            next: Cell::new(1),
            limit: limits.streams,
            idle_ms: limits.stream_idle.as_millis() as u64,
        }
    }

    pub fn open(&self) -> usize {
        self.places.borrow().len()
    }

    /// Closes what nobody came back to in time.
    pub fn sweep(&self, now_ms: u64) {
        let is_old = |place: &mut Place| match place.state {
            // A clock that was put back makes nothing old.
            State::Idle { since_ms, .. } => now_ms.saturating_sub(since_ms) > self.idle_ms,
            State::Busy | State::Doomed => false,
        };
        let mut places = self.places.borrow_mut();
        let old: Vec<_> = places.extract_if(.., |_, place| is_old(place)).collect();
        drop(places);
        // Closing a connection may call into the store's side: no borrow is held here.
        drop(old);
    }

    /// A new stream. `keep`: somebody may come back to it.
    pub fn begin(&self, access: Access, keep: bool) -> Result<Lease<'_>, Refused> {
        let stream = Stream::new(access);
        if !keep {
            return Ok(Lease {
                streams: self,
                id: None,
                stream,
            });
        }
        self.make_room()?;
        let id = self.next.get();
        self.next.set(id + 1);
        let place = Place {
            sequence: 0,
            state: State::Busy,
        };
        self.places.borrow_mut().insert(id, place);
        Ok(Lease {
            streams: self,
            id: Some(id),
            stream,
        })
    }

    /// What holds no transaction may go, the oldest first.
    fn make_room(&self) -> Result<(), Refused> {
        let mut places = self.places.borrow_mut();
        if places.len() < self.limit {
            return Ok(());
        }
        let idle = places.iter().filter_map(|(id, place)| match &place.state {
            State::Idle { stream, since_ms } => {
                let is_free = stream.session.is_autocommit();
                is_free.then_some((*since_ms, *id))
            }
            State::Busy | State::Doomed => None,
        });
        let closed = idle.min().and_then(|(_, id)| places.remove(&id));
        drop(places);
        match closed {
            Some(_) => Ok(()),
            None => {
                let limit = self.limit;
                let text = format!("all of the {limit} streams that may be open are in use");
                Err(Refused::Full(Error::new("TOO_MANY_STREAMS", text)))
            }
        }
    }

    /// The stream that `baton` leads to.
    pub fn resume(&self, baton: &str, access: Access) -> Result<Lease<'_>, Refused> {
        let refused = |code, text: &str| {
            let text = format!("{text}; its transaction, if there was one, did not take effect");
            Refused::Baton(Error::new(code, text))
        };
        let Some(baton) = self.signer.verify(baton) else {
            let text = "the baton was not made here: its stream was on an instance that has ended, \
                        or is on another one";
            return Err(refused("BATON_INVALID", text));
        };
        if baton.instance != self.instance {
            let text = "the stream was on an instance that has ended, or is on another one";
            return Err(refused("STREAM_ELSEWHERE", text));
        }
        let mut places = self.places.borrow_mut();
        let Some(mut place) = places.remove(&baton.stream) else {
            let text = "the stream was closed, since nobody came back to it in time";
            return Err(refused("STREAM_EXPIRED", text));
        };
        let again = "the baton was used before, and its stream is closed now";
        if let State::Busy | State::Doomed = place.state {
            place.state = State::Doomed;
            places.insert(baton.stream, place);
            return Err(refused("BATON_REUSED", again));
        }
        let sequence = place.sequence;
        let state = std::mem::replace(&mut place.state, State::Busy);
        let State::Idle { stream, .. } = state else {
            return Err(refused("BATON_REUSED", again));
        };
        let is_theirs = stream.session.access() == access;
        if sequence == baton.sequence && is_theirs {
            place.sequence += 1;
            places.insert(baton.stream, place);
            return Ok(Lease {
                streams: self,
                id: Some(baton.stream),
                stream,
            });
        }
        drop(places);
        drop(stream);
        if is_theirs {
            return Err(refused("BATON_REUSED", again));
        }
        let text = "the stream was opened with another token, and is closed now";
        Err(refused("BATON_INVALID", text))
    }
}

/// A stream while one request works on it. Dropped before its end, the stream is closed.
pub struct Lease<'a> {
    streams: &'a Streams,
    /// `None`: nobody comes back to it.
    id: Option<u64>,
    stream: Stream,
}

impl Lease<'_> {
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// With which baton to come back; `None`: the stream is closed.
    pub fn finish(mut self, now_ms: u64) -> Option<String> {
        let id = self.id.filter(|_| !self.stream.closed)?;
        let mut places = self.streams.places.borrow_mut();
        let place = places.get_mut(&id)?;
        if let State::Doomed = place.state {
            return None;
        }
        self.id = None;
        place.state = State::Idle {
            stream: std::mem::replace(&mut self.stream, Stream::new(Access::Read)),
            since_ms: now_ms,
        };
        let sequence = place.sequence;
        Some(self.streams.signer.sign(Baton {
            instance: self.streams.instance,
            stream: id,
            sequence,
        }))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.streams.places.borrow_mut().remove(&id);
        }
    }
}
