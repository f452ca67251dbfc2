//! Whether a replica can be restored: `seawall verify` asks it by hand, and `seawall replicate` every
//! `verify.interval`. The component looks; here is decided when, with what, and who is told.

mod command;
mod keeper;
mod pace;
mod report;
mod temporary;

pub use command::run;
pub use keeper::{Subject, keep};
pub use pace::Pace;

use std::time::{Duration, SystemTime};

/// What is known of a replica that is verified again and again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verified {
    /// How often it is; None: never.
    pub interval: Option<Duration>,
    pub running: bool,
    /// What the last proof that came to an end said; None: there was none.
    pub sound: Option<bool>,
    pub last_attempt: Option<SystemTime>,
    pub last_success: Option<Success>,
    pub last_failure: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Success {
    pub at: SystemTime,
    /// Of the newest moment that was restored.
    pub txid: u64,
    pub seconds: f64,
    pub downloaded: u64,
    /// How many moments were restored.
    pub moments: usize,
}

/// It is damaged, or could not be checked: the text says which.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub at: SystemTime,
    pub error: String,
}
