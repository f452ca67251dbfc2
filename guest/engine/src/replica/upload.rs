//! Turns pages into an object: in memory when it is small, in parts while it is encoded when it is
//! large, so that memory stays flat.

use super::error::Error;
use crate::ltx::{Encoder, Header, Summary};
use crate::ports::{Condition, Environment, ObjectError, Objects, Upload};
use crate::units::Pgno;
use futures::stream::{FuturesUnordered, StreamExt};

/// S3 takes at most 10,000 parts.
const MAX_PARTS: u64 = 10_000;

/// How large objects are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Objects of more page bytes than this are sent in parts.
    pub above_bytes: u64,
    /// Bytes of a part. S3 wants at least 5 MiB; a part is what a cut connection costs.
    pub bytes: usize,
    /// Under way at once: enough to fill the line while the next one is encoded.
    pub in_flight: usize,
}

impl Default for Parts {
    fn default() -> Self {
        Parts {
            above_bytes: 16 << 20,
            bytes: 8 << 20,
            in_flight: 2,
        }
    }
}

/// The pages of one object to be, in ascending order. The database is not borrowed longer than one
/// page takes to read.
pub struct Source<'a> {
    pub header: Header,
    pub count: usize,
    /// Page number `n` of `count`, from 0 on.
    pub page: &'a dyn Fn(usize) -> Result<(Pgno, Vec<u8>), Error>,
}

impl Source<'_> {
    /// Bytes of all pages.
    pub fn raw_bytes(&self) -> u64 {
        self.count as u64 * u64::from(self.header.page_size.get())
    }

    fn encoder(&self) -> Result<Encoder, Error> {
        Encoder::new(self.header).map_err(Error::encode(self.header.max))
    }

    /// Encodes pages from `next` on until `out` is full; returns the first that is left.
    fn encode_some(
        &self,
        encoder: &mut Encoder,
        mut next: usize,
        enough: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        while next < self.count && out.len() < enough {
            let (pgno, page) = (self.page)(next)?;
            encoder
                .page(pgno, &page, out)
                .map_err(Error::encode(self.header.max))?;
            next += 1;
        }
        Ok(next)
    }
}

/// The whole object.
pub fn encode(source: &Source<'_>) -> Result<(Vec<u8>, Summary), Error> {
    let mut body = Vec::with_capacity(source.raw_bytes() as usize / 2 + 1024);
    let mut encoder = source.encoder()?;
    source.encode_some(&mut encoder, 0, usize::MAX, &mut body)?;
    let summary = encoder
        .finish(&mut body)
        .map_err(Error::encode(source.header.max))?;
    Ok((body, summary))
}

/// One attempt to send the object in parts, create-if-absent. The outer error is ours, the inner
/// one the store's.
pub async fn send_in_parts<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    parts: Parts,
    key: &str,
    condition: Condition,
    source: &Source<'_>,
) -> Result<Result<Summary, ObjectError>, Error> {
    let created = source.header.timestamp_ms as u64;
    let upload = match objects.upload(key, created).await {
        Ok(upload) => upload,
        Err(error) => return Ok(Err(error)),
    };
    match send_parts(&upload, environment, parts, source).await {
        Ok(Ok(summary)) => Ok(upload.complete(condition).await.map(|_| summary)),
        Ok(Err(error)) => {
            upload.abort().await;
            Ok(Err(certain(error)))
        }
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

async fn send_parts<U: Upload>(
    upload: &U,
    environment: &dyn Environment,
    parts: Parts,
    source: &Source<'_>,
) -> Result<Result<Summary, ObjectError>, Error> {
    let raw = source.raw_bytes();
    let part_bytes = parts.bytes.max((raw / MAX_PARTS * 2) as usize);
    let mut encoder = Some(source.encoder()?);
    let mut flight = FuturesUnordered::new();
    let (mut next, mut number, mut offset) = (0, 0, 0);
    let mut out = Vec::with_capacity(part_bytes + (1 << 17));
    let mut summary = None;
    while let Some(mut writing) = encoder.take() {
        next = source.encode_some(&mut writing, next, part_bytes, &mut out)?;
        if next == source.count {
            let wrong = Error::encode(source.header.max);
            summary = Some(writing.finish(&mut out).map_err(wrong)?);
        } else {
            encoder = Some(writing);
        }
        environment.progress(next as u64 * u64::from(source.header.page_size.get()), raw);
        while out.len() >= part_bytes || (encoder.is_none() && !out.is_empty()) {
            if flight.len() >= parts.in_flight.max(1)
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
    }
    while let Some(result) = flight.next().await {
        if let Err(error) = result {
            return Ok(Err(error));
        }
    }
    summary.map(Ok).ok_or_else(|| Error::Encode {
        txid: source.header.max,
        what: "it was never finished".to_owned(),
    })
}

/// A part that failed leaves no object behind, whatever became of it.
fn certain(error: ObjectError) -> ObjectError {
    match error {
        ObjectError::UnknownOutcome(text) => ObjectError::Unavailable(text),
        error => error,
    }
}
