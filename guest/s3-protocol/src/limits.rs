//! Every limit of requests to a store, with its reason.

use std::time::Duration;

/// Entries in one listing: what one S3 answer may hold, and what the contract promises.
pub const LIST_PAGE: usize = 1000;

/// Bytes of a key with its prefix: S3's own limit.
pub const KEY_BYTES: usize = 1024;

/// Bytes that one `get` may return. The guest has 4 GiB of memory in all; what is larger must be
/// read in ranges.
pub const GET_BYTES: u64 = 1 << 30;

/// Keys in one DeleteObjects request: S3's own limit.
pub const DELETE_BATCH: usize = 1000;

/// Single deletes in flight where a store has no batch delete.
pub const DELETES_IN_FLIGHT: usize = 8;

/// Listings read to verify one batch of deletes. A retention run deletes neighbours, so one is
/// the rule; the store's word is taken for what lies beyond.
pub const VERIFY_LISTINGS: usize = 4;

/// Listings read to answer one `list` on a store that lists by directory, 100,000 keys.
pub const GATHERED_LISTINGS: usize = 100;

/// Bytes of an XML answer. A thousand keys of 1024 bytes, percent-encoded, with their metadata
/// stay below.
pub const XML_BYTES: u64 = 8 << 20;

/// Bytes read of an answer that is an error: enough for any S3 error document.
pub const ERROR_BYTES: u64 = 64 << 10;

/// How long and how often a request to S3 is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// From the end of the request to the head of its answer. S3's p99 is below 0.1 s; a store
    /// that is moving a shard needs seconds.
    pub first_byte: Duration,
    /// After so long without an answer the store counts as silent, which is told. It may still
    /// answer.
    pub silent: Duration,
    /// Without any byte of a body going either way.
    pub stall: Duration,
    /// For all tries of one call together, before the allowance for large bodies.
    pub call: Duration,
    /// Tries of one call.
    pub tries: u32,
    /// Mean wait before the second try; it doubles from try to try.
    pub wait_first: Duration,
    /// The same when the store asked for fewer requests.
    pub wait_first_throttled: Duration,
    /// The longest wait between tries.
    pub wait_most: Duration,
}

impl Patience {
    /// A call that moves little is answered, one way or the other, within 25 s: the engine's own
    /// loops want to report well before a minute is over.
    pub const USUAL: Patience = Patience {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_secs(8),
        silent: Duration::from_secs(5),
        stall: Duration::from_secs(8),
        call: Duration::from_secs(25),
        tries: 8,
        wait_first: Duration::from_millis(100),
        wait_first_throttled: Duration::from_millis(500),
        wait_most: Duration::from_secs(5),
    };

    /// A person waits for the answer and wants to hear of the first trouble.
    pub const BRIEF: Patience = Patience {
        call: Duration::from_secs(12),
        tries: 3,
        ..Patience::USUAL
    };

    /// Putting thousands of parts together takes S3 up to minutes, silently.
    pub fn for_completion(self) -> Patience {
        Patience {
            first_byte: self.first_byte * 8,
            silent: self.silent * 8,
            call: self.call * 6,
            ..self
        }
    }
}

/// The slowest line on which Seawall is of use. A call's time limit grows by its body's size at
/// this speed.
pub const SLOWEST_BYTES_PER_SECOND: u64 = 256 << 10;

/// What the kernel may still hold of a body that was written: it counts as not yet sent.
pub const SOCKET_BUFFER_BYTES: u64 = 4 << 20;

/// Time that moving `bytes` takes on the slowest useful line.
pub fn time_to_move(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / SLOWEST_BYTES_PER_SECOND)
}
