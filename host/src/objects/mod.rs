//! Objects under one prefix of a bucket or directory: what the component's import
//! `seawall:objects/store` is answered with. `wit/objects/store.wit` states the contract.

mod directory;
mod limits;
mod meter;
mod s3;
mod store;

pub use config::Location;
pub use directory::try_out as try_out_directory;
pub use meter::{BOUNDS, Counts, Failing, Meter};
pub use s3::{Examination, Found, Opened, Shared, TlsFault, web_client};
use s3_protocol::keys;
pub use s3_protocol::{
    Condition, Encryption, Entry, Error, Listing, Operation, Range, S3Location, Secret, Trouble,
};
pub use store::{Store, Upload};
