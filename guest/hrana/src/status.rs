//! How an instance is.

use crate::budget::Source;
use engine::edge::Freshness;
use serde::Serialize;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    /// The newest transaction that is known, or null: nobody has asked for one yet.
    txid: Option<String>,
    /// Since when it is known to have been the newest, milliseconds.
    age_ms: Option<u64>,
    /// How old what is read may be: "strong", or milliseconds.
    freshness: String,
    cache: Cache,
    open_streams: usize,
    /// Since the instance began.
    requests: u64,
}

#[derive(Debug, Serialize)]
struct Cache {
    bytes: u64,
    pages: u64,
    hits: u64,
    misses: u64,
}

impl Status {
    pub fn of(source: &dyn Source, open_streams: usize, requests: u64) -> Status {
        let known = source.known();
        let used = source.cached();
        Status {
            version: VERSION,
            txid: known.map(|(txid, _)| txid.to_string()),
            age_ms: known.map(|(_, age_ms)| age_ms),
            freshness: match source.freshness() {
                Freshness::Strong => "strong".to_owned(),
                Freshness::Bounded(ms) => format!("{ms}ms"),
            },
            cache: Cache {
                bytes: used.bytes,
                pages: used.pages,
                hits: used.hits,
                misses: used.misses,
            },
            open_streams,
            requests,
        }
    }
}
