//! Bodies of requests and answers, in pieces, so that a stalled connection can be told from a slow
//! one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::super::limits::{Patience, SOCKET_BUFFER_BYTES, time_to_move};
use super::chain::in_words;
use s3_protocol::failure::Failure;

/// Small enough for a slow line to take one within the time for a stall.
const PIECE_BYTES: usize = 64 << 10;

/// How far a body has gone.
#[derive(Debug)]
pub struct Sent {
    bytes: u64,
    progress: Mutex<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    taken: u64,
    at: Instant,
}

impl Sent {
    pub fn new(bytes: u64, now: Instant) -> Arc<Sent> {
        Arc::new(Sent {
            bytes,
            progress: Mutex::new(Progress { taken: 0, at: now }),
        })
    }

    /// Not a byte of the body was wanted yet, so there is no connection yet. Of a request without
    /// a body nothing is known.
    pub fn is_untouched(&self) -> bool {
        self.bytes > 0 && self.progress().taken == 0
    }

    /// Bytes that were taken so far.
    pub fn taken(&self) -> u64 {
        self.progress().taken
    }

    /// For how long nothing of the body was wanted.
    pub fn rests(&self) -> Duration {
        self.progress().at.elapsed()
    }

    /// By when there must be some progress, of the body or by the answer's beginning.
    pub fn deadline(&self, patience: &Patience) -> Instant {
        let Progress { taken, at } = self.progress();
        if taken < self.bytes {
            // The connection may have to be made first; that has its own limit.
            let connecting = if taken == 0 {
                patience.connect
            } else {
                Default::default()
            };
            return at + connecting + patience.stall;
        }
        let connecting = if self.bytes == 0 {
            patience.connect
        } else {
            Default::default()
        };
        let buffered = time_to_move(self.bytes.min(SOCKET_BUFFER_BYTES));
        at + connecting + patience.first_byte + buffered
    }

    fn took(&self, bytes: usize) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *progress = Progress {
            taken: progress.taken + bytes as u64,
            at: Instant::now(),
        };
    }

    fn progress(&self) -> Progress {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a body on their way.
#[derive(Debug)]
pub struct Metered {
    pub rest: Bytes,
    pub sent: Arc<Sent>,
}

impl Body for Metered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let bytes = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(bytes);
        self.sent.took(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// An answer's body of `limit` bytes at most; `count` is told of each piece.
pub async fn read_body(
    mut response: Response,
    limit: u64,
    stall: Duration,
    deadline: Instant,
    count: impl Fn(u64),
) -> Result<Bytes, Failure> {
    let expected = response.content_length();
    if expected.is_some_and(|bytes| bytes > limit) {
        return Err(too_long(limit));
    }
    let mut first = Bytes::new();
    let mut gathered = BytesMut::new();
    loop {
        let patient_until = deadline.min(Instant::now() + stall);
        let piece = timeout_at(patient_until, response.chunk())
            .await
            .map_err(|_| Failure::unanswered("the answer stopped before its end"))?
            .map_err(|error| {
                Failure::unanswered(format!("the answer broke off: {}", in_words(&error)))
            })?;
        let Some(piece) = piece else { break };
        count(piece.len() as u64);
        if (first.len() + gathered.len() + piece.len()) as u64 > limit {
            return Err(too_long(limit));
        }
        // Most answers are one piece, which need not be copied.
        if first.is_empty() && gathered.is_empty() {
            first = piece;
            continue;
        }
        if !first.is_empty() {
            gathered.reserve(expected.unwrap_or(0) as usize);
            gathered.extend_from_slice(&std::mem::take(&mut first));
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(if gathered.is_empty() {
        first
    } else {
        gathered.freeze()
    })
}

fn too_long(limit: u64) -> Failure {
    Failure::senseless(format!("the answer is longer than {limit} bytes"))
}
