//! Every limit of the object stores, with its reason; those of the protocol are with it.

use std::time::Duration;

pub use s3_protocol::limits::*;

/// Temporary files and unfinished uploads older than this belong to nobody: no upload takes a day.
pub const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// An idle connection is not used again after this long: S3 and the usual proxies close theirs
/// after 20 s and more, and a PUT on a closing connection may end as an unknown outcome.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(15);

/// Idle connections kept: as many as a parallel restore uses.
pub const IDLE_CONNECTIONS: usize = 64;

/// Requests under way at once in one process, of all its replicas: each takes a connection, and a
/// hundred databases that are written at once must not overrun the store. More would not fill a
/// line that these do not.
pub const REQUESTS_IN_FLIGHT: usize = 64;

/// Dead HTTP/2 connections are found by pings, as requests would go on to be put on them.
pub const HTTP2_PING: Duration = Duration::from_secs(5);

/// HTTP/2 windows: 4 MiB ranges arrive without waiting for window updates.
pub const HTTP2_STREAM_WINDOW: u32 = 4 << 20;

pub const HTTP2_CONNECTION_WINDOW: u32 = 32 << 20;

/// Temporary credentials are renewed this long before they expire, and old ones used meanwhile.
pub const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// Finding credentials: several sources, some of them servers that may not be there.
pub const CREDENTIALS: Duration = Duration::from_secs(10);
