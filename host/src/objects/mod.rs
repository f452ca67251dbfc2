//! Objects under one prefix of a bucket or directory: what the component's import
//! `seawall:objects/store` is answered with. `wit/objects/store.wit` states the contract.

mod directory;
mod keys;
mod limits;
mod location;
mod meter;
mod parts;
mod s3;
mod store;

pub use directory::try_out as try_out_directory;
pub use location::{Encryption, Location, S3Location, Secret};
pub use meter::{BOUNDS, Counts, Failing, Meter, Operation, Trouble};
pub use s3::{Examination, Found, Opened, Shared, TlsFault, web_client};
pub use store::{Store, Upload};

/// Why a request did not do what was asked. The text is for people and names the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not found: {0}")]
    NotFound(String),
    #[error("precondition failed: {0}")]
    PreconditionFailed(String),
    #[error("throttled: {0}")]
    Throttled(String),
    #[error("access denied: {0}")]
    Denied(String),
    /// The request did certainly not take effect.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A `put` may or may not have taken effect.
    #[error("the answer never came: {0}")]
    UnknownOutcome(String),
    #[error("{0}")]
    Invalid(String),
}

/// Bytes `offset .. offset + length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub offset: u64,
    pub length: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    None,
    IfAbsent,
    IfMatch(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub size: u64,
    /// Unix time, milliseconds.
    pub modified_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    pub truncated: bool,
}
