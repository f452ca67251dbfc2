//! What is remembered of one database while it is stopped and started again.

use super::lag::History;
use crate::health::{Journal, Outages, Telling};
use crate::objects::{Location, Meter};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

#[derive(Debug)]
pub struct Record {
    /// When the database came.
    pub since: Instant,
    pub meter: Meter,
    pub telling: Telling,
    totals: Mutex<Totals>,
    lags: Mutex<History>,
}

/// Added up since the database came.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Calls that looked for commits and shipped them.
    pub syncs: u64,
    pub failed_syncs: u64,
    pub sync_seconds: f64,
    /// What was uploaded to level 0.
    pub shipped_bytes: u64,
}

impl Record {
    pub fn new(location: &Location, outages: Outages) -> Record {
        Record {
            since: Instant::now(),
            meter: Meter::default(),
            telling: Telling {
                journal: Journal::default(),
                outages,
                store: location.store(),
            },
            totals: Mutex::default(),
            lags: Mutex::default(),
        }
    }

    pub fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn totals(&self) -> Totals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lags(&self) -> MutexGuard<'_, History> {
        self.lags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the replica is behind at most, now that all was shipped at `current` for the last
    /// time.
    pub fn lag(&self, current: Option<Instant>, now: Instant) -> f64 {
        super::lag::seconds(current.unwrap_or(self.since), now)
    }

    /// Remembers the lag of this moment.
    pub fn note(&self, current: Option<Instant>, now: Instant) {
        let lag = self.lag(current, now);
        self.lags().note(SystemTime::now(), lag);
    }
}
