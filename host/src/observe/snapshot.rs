//! What is known of all databases at one moment. `/status.json` is this, the metrics are made of
//! it: no number exists twice.

use crate::objects::Counts;
use crate::replicate::Totals;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// A moment, RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub SystemTime);

impl At {
    pub fn from_unix_ms(ms: u64) -> At {
        At(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(ms))
    }

    pub fn unix_seconds(self) -> f64 {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What is too far away for a calendar is not a moment that anybody measured.
        let moment = Timestamp::try_from(self.0).unwrap_or_default();
        serializer.collect_str(&format_args!("{moment:.3}"))
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    pub version: &'static str,
    pub now: At,
    pub started_at: At,
    pub uptime_seconds: f64,
    /// As `/readyz` says it.
    pub ready: bool,
    pub ready_max_lag_seconds: f64,
    pub databases: Vec<Database>,
}

impl Snapshot {
    /// Leaves out what is most of the bytes, and of interest only when one looks at a database, of
    /// all databases but these.
    pub fn with_details_of(mut self, is_asked_for: impl Fn(&str) -> bool) -> Snapshot {
        for database in &mut self.databases {
            if is_asked_for(&database.path) {
                continue;
            }
            database.lag_history = None;
            database.recent_errors = None;
            if let Some(restorable) = &mut database.restorable {
                restorable.moments = None;
            }
        }
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being restored or opened.
    Starting,
    /// There is no database yet.
    Waiting,
    Live,
    Stopped,
    /// Another writer owns the replica.
    Fenced,
}

#[derive(Debug, Clone, Serialize)]
pub struct Database {
    /// As in the config.
    pub path: String,
    pub status: Status,
    /// Why it does not work at the moment, and since when.
    pub error: Option<String>,
    pub error_since: Option<At>,
    /// Since when it is not known that nothing waits to be shipped; 0 when it is known.
    pub lag_seconds: f64,
    /// Bytes of the WAL that are not in the replica.
    pub lag_bytes: u64,
    /// When it was last known that nothing waits.
    pub current_at: Option<At>,
    /// The last hour, oldest first. None: not asked for.
    pub lag_history: Option<Vec<LagPoint>>,
    pub durable_txid: u64,
    pub size_bytes: u64,
    pub page_size: u32,
    pub wal_bytes: u64,
    pub replica: Replica,
    pub requests: Requests,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Tries that failed, by kind.
    pub store_errors: BTreeMap<&'static str, u64>,
    /// None: too little was measured yet.
    pub cost: Option<Cost>,
    /// None: nothing is there yet, or nothing is known of it.
    pub restorable: Option<Restorable>,
    /// `-txid N` may be put before its last word.
    pub restore_command: String,
    pub verify: Option<Verify>,
    /// Oldest first. None: not asked for.
    pub recent_errors: Option<Vec<RecentError>>,
    /// What only the metrics have.
    #[serde(skip)]
    pub counted: Counted,
}

/// The largest lag within ten seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LagPoint {
    /// When the ten seconds began.
    pub at: At,
    pub seconds: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Replica {
    /// Without anything secret.
    pub url: String,
    /// As Litestream calls it.
    #[serde(skip)]
    pub kind: &'static str,
    /// None: not known yet.
    pub bytes: Option<u64>,
    pub objects: Option<u32>,
}

/// As they went over the wire, tries that failed and parts of uploads included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    pub put: u64,
    pub get: u64,
    pub list: u64,
    pub delete: u64,
}

/// Of 30 days that go on as the time since the start was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    pub currency: String,
    /// The parts that are known, added up.
    pub per_month: f64,
    pub requests_per_month: f64,
    /// None: the size of the replica is not known yet.
    pub storage_per_month: Option<f64>,
    /// What is read from the store.
    pub egress_per_month: f64,
    /// Over how long requests were counted.
    pub measured_seconds: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Restorable {
    pub from: Moment,
    pub to: Moment,
    /// Oldest first, evenly thinned out when there are too many. None: not asked for.
    pub moments: Option<Vec<Moment>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    pub txid: u64,
    pub at: At,
    pub level: u8,
}

#[derive(Debug, Clone, Serialize)]
pub struct Verify {
    /// None: only by hand.
    pub interval_seconds: Option<f64>,
    pub running: bool,
    /// What the last proof that came to an end said; None: there was none.
    pub sound: Option<bool>,
    pub last_attempt: Option<At>,
    pub last_success: Option<VerifySuccess>,
    pub last_failure: Option<VerifyFailure>,
}

#[derive(Debug, Clone, Serialize)]
pub struct VerifySuccess {
    pub at: At,
    pub txid: u64,
    pub seconds: f64,
    pub downloaded: u64,
    pub moments: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct VerifyFailure {
    pub at: At,
    pub error: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct RecentError {
    pub at: At,
    pub text: String,
    /// None: it goes on.
    pub recovered_at: Option<At>,
}

/// Numbers of which people are shown the sums.
#[derive(Debug, Clone)]
pub struct Counted {
    pub totals: Totals,
    /// In the order of `Operation::ALL`.
    pub operations: [Counts; 4],
}
