//! Sends one object, create-if-absent, and finds out what became of it.

use super::error::Error;
use super::place::Place;
use super::plan::{self, Change, Shipment, Tip};
use super::upload::{self, Source};
use super::{Replicator, State};
use crate::ltx::{Extra, Header, ObjectName};
use crate::mutants::{self, Mutant};
use crate::ports::{Condition, LogLevel, ObjectError, Objects};
use crate::units::PageSize;
use std::cell::RefCell;
use std::rc::Rc;

/// How often a `put` whose answer was lost is tried again before that is left to the next call.
const SETTLE_TRIES: usize = 3;

/// An object that was planned, and maybe sent.
#[derive(Debug)]
pub struct Pending {
    pub header: Header,
    pub shipment: Shipment,
    /// The encoded object; `None`: too large, it is encoded while it is sent.
    body: Option<Rc<Vec<u8>>>,
    first_sent_ms: Option<u64>,
    /// It must be sent exactly as it is: an earlier answer was lost, or its frames may be gone from
    /// the WAL.
    pub keep: bool,
}

impl<O: Objects> Replicator<O> {
    /// Prepares an object: its header, and its body unless that is large.
    pub(super) fn prepare(&self, state: &mut State, shipment: Shipment) -> Result<Pending, Error> {
        let (Some(database), Some(tip)) = (&mut state.database, &state.tip) else {
            return Err(Error::Busy("the database is closed".to_owned()));
        };
        let header = self.header(database.page_size, state.epoch, tip, &shipment);
        let database = RefCell::new(database);
        let source = Source {
            header,
            count: shipment.content.len(),
            page: &|number| {
                let (pgno, image) = shipment.content[number];
                Ok((pgno, plan::read(&mut database.borrow_mut(), pgno, image)?))
            },
        };
        let body = if source.raw_bytes() > self.settings.parts.above_bytes {
            None
        } else {
            Some(Rc::new(upload::encode(&source)?.0))
        };
        Ok(Pending {
            header,
            shipment,
            body,
            first_sent_ms: None,
            keep: false,
        })
    }

    fn header(&self, page_size: PageSize, epoch: u32, tip: &Tip, shipment: &Shipment) -> Header {
        let (wal_offset, wal_size, salts, wal_checksum) = match shipment.range {
            Some((from, end)) => (from, end.offset - from, end.salts, end.checksum),
            None => (crate::wal::HEADER_BYTES, 0, (0, 0), (0, 0)),
        };
        let database_checksum = match &shipment.change {
            Change::All(checksums) => Some(checksums.database()),
            Change::Some(set) => tip
                .checksums
                .as_ref()
                .map(|old| old.database_after(shipment.pages, set)),
        };
        Header {
            page_size,
            commit: match (&tip.checksums, mutants::is(Mutant::ShrinkForgotten)) {
                (Some(old), true) => shipment.pages.max(old.pages()),
                _ => shipment.pages,
            },
            min: shipment.txid,
            max: shipment.txid,
            timestamp_ms: self.environment.now_ms() as i64,
            wal_offset,
            wal_size,
            salts,
            node: self.writer,
            extra: Extra {
                database_checksum,
                wal_checksum,
                epoch,
            },
        }
    }

    /// Sends the pending object. On success it is the new tip. Returns the bytes that were sent.
    pub(super) async fn ship(&self) -> Result<u64, Error> {
        let Some(header) = self.with(|state| state.pending.as_ref().map(|p| p.header)) else {
            return Ok(0);
        };
        let result = self.ship_pending(&header).await;
        if result.is_err() {
            self.with(|state| {
                // What was never sent is planned anew, with all that is committed by then.
                let pending = state.pending.take();
                state.pending = pending.filter(|pending| pending.keep);
            });
        }
        result
    }

    async fn ship_pending(&self, header: &Header) -> Result<u64, Error> {
        let name = ObjectName::shipped(header.max);
        let key = self.settings.layout.key(&name);
        self.ensure_newest().await?;
        let mut tries = 0;
        let (outcome, sent) = loop {
            self.with(|state| state.sending(self.environment.now_ms()));
            let (outcome, sent) = self.send(&key, header).await?;
            tries += 1;
            match outcome {
                Err(ObjectError::UnknownOutcome(_)) if mutants::is(Mutant::LostIsStored) => {
                    break (Ok(()), sent);
                }
                Err(ObjectError::UnknownOutcome(text)) if tries < SETTLE_TRIES => {
                    self.log(
                        LogLevel::Warn,
                        &format!("{key}: {text}; trying the same again"),
                    );
                }
                outcome => break (outcome, sent),
            }
        };
        let may_be_there = matches!(
            outcome,
            Ok(()) | Err(ObjectError::UnknownOutcome(_) | ObjectError::PreconditionFailed(_))
        );
        self.with(|state| {
            if let Some(pending) = &mut state.pending {
                pending.keep |= may_be_there;
            }
        });
        match outcome {
            // Of two uploads in parts that end at once, some stores tell both that they won.
            Ok(()) if self.is_sent_in_parts() => self.settle(&name, header).await?,
            Ok(()) => {}
            Err(ObjectError::PreconditionFailed(_)) => self.settle(&name, header).await?,
            Err(error) => return Err(error.into()),
        }
        self.ensure_won().await?;
        self.with(|state| state.shipped(sent));
        Ok(sent)
    }

    fn is_sent_in_parts(&self) -> bool {
        self.with(|state| state.pending.as_ref().is_some_and(|p| p.body.is_none()))
    }

    /// One attempt. The outer error is ours, the inner one the store's.
    async fn send(
        &self,
        key: &str,
        header: &Header,
    ) -> Result<(Result<(), ObjectError>, u64), Error> {
        let body = self.with(|state| state.pending.as_ref().and_then(|p| p.body.clone()));
        match body {
            Some(body) => {
                let (sent, created) = (body.len() as u64, header.timestamp_ms as u64);
                let absent = match mutants::is(Mutant::NoCondition) {
                    true => Condition::None,
                    false => Condition::IfAbsent,
                };
                let put = self.objects.put(key, Vec::clone(&body), absent, created);
                Ok((put.await.map(drop), sent))
            }
            None => self.send_in_parts(key, header).await,
        }
    }

    async fn send_in_parts(
        &self,
        key: &str,
        header: &Header,
    ) -> Result<(Result<(), ObjectError>, u64), Error> {
        let gone = || Error::Busy("the database was closed meanwhile".to_owned());
        let count = self.with(|state| state.pending.as_ref().map(|p| p.shipment.content.len()));
        let source = Source {
            header: *header,
            count: count.ok_or_else(gone)?,
            page: &|number| {
                self.with(|state| {
                    let (Some(database), Some(pending)) = (&mut state.database, &state.pending)
                    else {
                        return Err(gone());
                    };
                    let (pgno, image) = pending.shipment.content[number];
                    Ok((pgno, plan::read(database, pgno, image)?))
                })
            },
        };
        let (environment, parts) = (&*self.environment, self.settings.parts);
        let absent = Condition::IfAbsent;
        let sent =
            upload::send_in_parts(&self.objects, environment, parts, key, absent, &source).await?;
        Ok(match sent {
            Ok(summary) => (Ok(()), summary.size),
            Err(error) => (Err(error), 0),
        })
    }

    /// The store has an object of that TXID already. Whose?
    async fn settle(&self, name: &ObjectName, ours: &Header) -> Result<(), Error> {
        let there = self.read_header(name).await?;
        if there == *ours || mutants::is(Mutant::AnyIsOurs) {
            let text = format!("TXID {}: the object that is there is ours", name.max);
            self.log(LogLevel::Debug, &text);
            return Ok(());
        }
        Err(self.with(|state| self.disown(state, name.max, there.node)))
    }
}

impl State {
    fn sending(&mut self, now_ms: u64) {
        if let Some(pending) = &mut self.pending {
            pending.first_sent_ms.get_or_insert(now_ms);
        }
    }

    /// The pending object is durable: it is the tip now.
    fn shipped(&mut self, bytes: u64) {
        let (Some(pending), Some(tip)) = (self.pending.take(), &mut self.tip) else {
            return;
        };
        let shipment = pending.shipment;
        if let Some(levels) = &mut self.levels {
            let pages: Vec<_> = shipment.content.iter().map(|(pgno, _)| *pgno).collect();
            let (name, time_ms) = (
                ObjectName::shipped(shipment.txid),
                pending.header.timestamp_ms as u64,
            );
            levels.shipped(name, bytes, time_ms, &pages);
        }
        tip.txid = shipment.txid;
        tip.newest_ms = pending.first_sent_ms.unwrap_or(tip.newest_ms);
        tip.timestamp_ms = pending.header.timestamp_ms;
        tip.place = shipment
            .range
            .map_or(Place::Start, |(_, end)| Place::At(end));
        match shipment.change {
            Change::All(checksums) => tip.checksums = Some(checksums),
            Change::Some(set) => {
                if let Some(checksums) = &mut tip.checksums {
                    checksums.apply(shipment.pages, &set);
                }
            }
        }
    }
}
