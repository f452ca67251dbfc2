//! Sends one object, create-if-absent, and finds out what became of it.

use super::error::Error;
use super::plan::{self, Change, Place, Shipment, Tip};
use super::{Replicator, State};
use crate::ltx::{Encoder, Extra, Header, ObjectName};
use crate::ports::{Condition, LogLevel, ObjectError, Objects, Upload};
use crate::units::PageSize;
use futures::stream::{FuturesUnordered, StreamExt};
use std::rc::Rc;

/// Shipments of more page bytes than this are sent in parts while they are encoded, so that memory
/// stays flat.
const WHOLE_BYTES: u64 = 16 << 20;
/// Bytes of a part. S3 wants at least 5 MiB; a part is what a cut connection costs.
const PART_BYTES: usize = 8 << 20;
/// S3 takes at most 10,000 parts.
const MAX_PARTS: u64 = 10_000;
/// Parts under way at once: enough to fill the line while the next one is encoded.
const PARTS_IN_FLIGHT: usize = 2;
/// How often a `put` whose answer was lost is tried again before that is left to the next call.
const SETTLE_TRIES: usize = 3;

/// An object that was planned, and maybe sent.
#[derive(Debug)]
pub struct Pending {
    pub header: Header,
    pub shipment: Shipment,
    /// The encoded object; `None`: too large, it is encoded while it is sent.
    body: Option<Rc<Vec<u8>>>,
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
        let raw = shipment.content.len() as u64 * u64::from(header.page_size.get());
        let body = if raw > WHOLE_BYTES {
            None
        } else {
            let mut body = Vec::with_capacity(raw as usize / 2 + 1024);
            let wrong = Error::encode(header.max);
            let mut encoder = Encoder::new(header).map_err(&wrong)?;
            for (pgno, image) in &shipment.content {
                let page = plan::read(database, *pgno, *image)?;
                encoder.page(*pgno, &page, &mut body).map_err(&wrong)?;
            }
            encoder.finish(&mut body).map_err(&wrong)?;
            Some(Rc::new(body))
        };
        Ok(Pending {
            header,
            shipment,
            body,
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
            commit: shipment.pages,
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
        let name = ObjectName::shipped(header.max);
        let key = self.settings.layout.key(&name);
        let mut tries = 0;
        let (outcome, sent) = loop {
            let (outcome, sent) = self.send(&key, &header).await?;
            tries += 1;
            match outcome {
                Err(ObjectError::UnknownOutcome(text)) if tries < SETTLE_TRIES => {
                    self.log(
                        LogLevel::Warn,
                        &format!("{key}: {text}; trying the same again"),
                    );
                }
                outcome => break (outcome, sent),
            }
        };
        match outcome {
            Ok(_) => {}
            Err(ObjectError::PreconditionFailed(_)) => self.settle(&name, &header).await?,
            Err(error) => {
                self.with(|state| {
                    if let Some(pending) = &mut state.pending {
                        // The same TXID may be there already with this content.
                        pending.keep |= matches!(error, ObjectError::UnknownOutcome(_));
                        if !pending.keep {
                            state.pending = None;
                        }
                    }
                });
                return Err(error.into());
            }
        }
        self.with(State::shipped);
        Ok(sent)
    }

    /// One attempt. The outer error is ours, the inner one the store's.
    async fn send(
        &self,
        key: &str,
        header: &Header,
    ) -> Result<(Result<String, ObjectError>, u64), Error> {
        let created = header.timestamp_ms as u64;
        let body = self.with(|state| state.pending.as_ref().and_then(|p| p.body.clone()));
        match body {
            Some(body) => {
                let sent = body.len() as u64;
                let put = self
                    .objects
                    .put(key, Vec::clone(&body), Condition::IfAbsent, created);
                Ok((put.await, sent))
            }
            None => self.send_in_parts(key, header, created).await,
        }
    }

    async fn send_in_parts(
        &self,
        key: &str,
        header: &Header,
        created: u64,
    ) -> Result<(Result<String, ObjectError>, u64), Error> {
        let upload = match self.objects.upload(key, created).await {
            Ok(upload) => upload,
            Err(error) => return Ok((Err(error), 0)),
        };
        match self.send_parts(&upload, header).await {
            Ok(Ok(sent)) => Ok((upload.complete(Condition::IfAbsent).await, sent)),
            Ok(Err(error)) => {
                upload.abort().await;
                Ok((Err(certain(error)), 0))
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn send_parts(
        &self,
        upload: &O::Upload,
        header: &Header,
    ) -> Result<Result<u64, ObjectError>, Error> {
        let wrong = Error::encode(header.max);
        let mut encoder = Encoder::new(*header).map_err(&wrong)?;
        let count = self.with(|state| {
            state
                .pending
                .as_ref()
                .map_or(0, |pending| pending.shipment.content.len())
        });
        let raw = count as u64 * u64::from(header.page_size.get());
        let part_bytes = PART_BYTES.max((raw / MAX_PARTS * 2) as usize);
        let mut flight = FuturesUnordered::new();
        let (mut next, mut number, mut offset) = (0, 0, 0);
        let mut out = Vec::with_capacity(part_bytes + (1 << 17));
        loop {
            next = self.encode_some(&mut encoder, next, part_bytes, &mut out)?;
            let last = next == count;
            if last {
                encoder.finish(&mut out).map_err(&wrong)?;
                encoder = Encoder::new(*header).map_err(&wrong)?;
            }
            self.environment
                .progress(next as u64 * u64::from(header.page_size.get()), raw);
            while out.len() >= part_bytes || (last && !out.is_empty()) {
                if flight.len() >= PARTS_IN_FLIGHT
                    && let Some(Err(error)) = flight.next().await
                {
                    return Ok(Err(error));
                }
                let rest = out.split_off(out.len().min(part_bytes));
                let part = std::mem::replace(&mut out, rest);
                number += 1;
                let start = offset;
                offset += part.len() as u64;
                flight.push(upload.part(number, start, part));
            }
            if last {
                break;
            }
        }
        while let Some(result) = flight.next().await {
            if let Err(error) = result {
                return Ok(Err(error));
            }
        }
        Ok(Ok(offset))
    }

    /// Encodes pages from number `next` on until `out` is full; returns the number of the first
    /// that is left. The database is not borrowed longer than this.
    fn encode_some(
        &self,
        encoder: &mut Encoder,
        mut next: usize,
        enough: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        self.with(|state| {
            let (Some(database), Some(pending)) = (&mut state.database, &state.pending) else {
                return Err(Error::Busy("the database was closed meanwhile".to_owned()));
            };
            let content = &pending.shipment.content;
            while next < content.len() && out.len() < enough {
                let (pgno, image) = content[next];
                let page = plan::read(database, pgno, image)?;
                encoder
                    .page(pgno, &page, out)
                    .map_err(Error::encode(pending.header.max))?;
                next += 1;
            }
            Ok(next)
        })
    }

    /// The store has an object of that TXID already. Whose?
    async fn settle(&self, name: &ObjectName, ours: &Header) -> Result<(), Error> {
        let there = self.read_header(name).await?;
        if there == *ours {
            let text = format!(
                "TXID {}: the answer was lost, the object is there",
                name.max
            );
            self.log(LogLevel::Info, &text);
            return Ok(());
        }
        self.with(|state| {
            state.pending = None;
            if there.node == self.writer {
                // An earlier attempt of ours that was given up has arrived after all.
                state.tip = None;
                return Err(Error::Busy(format!(
                    "TXID {}: an earlier attempt of ours arrived late; finding the position again",
                    name.max
                )));
            }
            let author = match there.node {
                0 => "Litestream or another program".to_owned(),
                node => format!("the writer {node:016x}"),
            };
            state.fenced = Some((name.max, author.clone()));
            Err(Error::Fenced {
                txid: name.max,
                author,
            })
        })
    }
}

/// A part that failed leaves no object behind, whatever became of it.
fn certain(error: ObjectError) -> ObjectError {
    match error {
        ObjectError::UnknownOutcome(text) => ObjectError::Unavailable(text),
        error => error,
    }
}

impl State {
    /// The pending object is durable: it is the tip now.
    fn shipped(&mut self) {
        let (Some(pending), Some(tip)) = (self.pending.take(), &mut self.tip) else {
            return;
        };
        let shipment = pending.shipment;
        tip.txid = shipment.txid;
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
