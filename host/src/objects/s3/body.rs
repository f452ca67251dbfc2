//! A request's body, handed over in pieces, so that a stalled connection can be told from a slow one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::super::limits::{Patience, SOCKET_BUFFER_BYTES, time_to_move};

/// Small enough for a slow line to take one within the time for a stall.
const PIECE_BYTES: usize = 64 << 10;

/// How far a body has gone.
#[derive(Debug)]
pub struct Meter {
    bytes: u64,
    progress: Mutex<Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    taken: u64,
    at: Instant,
}

impl Meter {
    pub fn new(bytes: u64, now: Instant) -> Arc<Meter> {
        Arc::new(Meter {
            bytes,
            progress: Mutex::new(Progress { taken: 0, at: now }),
        })
    }

    /// Not a byte of the body was wanted yet, so there is no connection yet. Of a request without
    /// a body nothing is known.
    pub fn is_untouched(&self) -> bool {
        self.bytes > 0 && self.progress().taken == 0
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
    pub meter: Arc<Meter>,
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
        self.meter.took(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
