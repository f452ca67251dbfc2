//! What holds in every snapshot of the database, whoever takes it.
//!
//! Pure: takes what was read, says what is wrong with it.

use crate::schema::{ACCOUNTS, BALANCE, RING};
use std::fmt;

/// Number of workers; each writes rows under its own number.
pub const WORKERS: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the balances sum up to {0}")]
    Balance(i64),
    #[error("{rows} rows for {newest} transactions, counted as {counter}: an update was lost")]
    Transactions {
        counter: i64,
        rows: i64,
        newest: i64,
    },
    #[error("worker {worker} has {rows} rows, but the newest is number {newest}")]
    Gap {
        worker: usize,
        rows: i64,
        newest: i64,
    },
    #[error("worker {worker} had committed {committed} rows before, and {seen} are seen")]
    Stale {
        worker: usize,
        committed: i64,
        seen: i64,
    },
    #[error("{before} rows of worker {worker} were seen earlier, now {seen}")]
    WentBack {
        worker: usize,
        before: i64,
        seen: i64,
    },
    #[error(
        "the ring of worker {worker} has {slots} slots up to row {newest}, the rows end at {rows}"
    )]
    Ring {
        worker: usize,
        slots: i64,
        newest: i64,
        rows: i64,
    },
    #[error("a transaction saw two states: {0} and {1}")]
    Moved(String, String),
    #[error("integrity_check: {0}")]
    Integrity(String),
    #[error("SQLite reports {text} ({code})")]
    Sqlite { code: i32, text: String },
    #[error("not an answer to the question: {0}")]
    Answer(String),
    #[error("the component failed: {0}")]
    Trap(String),
}

/// Rows of one worker: how many, and the number of the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    pub count: i64,
    pub newest: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub balance: i64,
    /// Transactions by the counter, by rows, by the newest row.
    pub counter: i64,
    pub transactions: Rows,
    pub rows: [Rows; WORKERS],
    /// The larger rows, of which each worker keeps the newest; not read every time.
    pub ring: Option<[Rows; WORKERS]>,
}

impl Snapshot {
    /// `committed`: what each worker had been told is committed before the snapshot began.
    pub fn check(&self, committed: &[i64; WORKERS]) -> Result<(), Violation> {
        if self.balance != ACCOUNTS * BALANCE {
            return Err(Violation::Balance(self.balance));
        }
        let Rows { count, newest } = self.transactions;
        if count != newest || self.counter != newest {
            return Err(Violation::Transactions {
                counter: self.counter,
                rows: count,
                newest,
            });
        }
        for (worker, rows) in self.rows.iter().enumerate() {
            if rows.count != rows.newest {
                return Err(Violation::Gap {
                    worker,
                    rows: rows.count,
                    newest: rows.newest,
                });
            }
            if rows.newest < committed[worker] {
                return Err(Violation::Stale {
                    worker,
                    committed: committed[worker],
                    seen: rows.newest,
                });
            }
            let Some(ring) = &self.ring else { continue };
            let ring = ring[worker];
            if ring.newest != rows.newest || ring.count != rows.newest.min(RING) {
                return Err(Violation::Ring {
                    worker,
                    slots: ring.count,
                    newest: ring.newest,
                    rows: rows.newest,
                });
            }
        }
        Ok(())
    }

    /// `earlier` was taken before by the same worker.
    pub fn check_follows(&self, earlier: &Snapshot) -> Result<(), Violation> {
        for (worker, (now, before)) in self.rows.iter().zip(&earlier.rows).enumerate() {
            if now.newest < before.newest {
                return Err(Violation::WentBack {
                    worker,
                    before: before.newest,
                    seen: now.newest,
                });
            }
        }
        Ok(())
    }

    /// `earlier` was taken in the same transaction.
    pub fn check_same(&self, earlier: &Snapshot) -> Result<(), Violation> {
        let mut comparable = self.clone();
        if self.ring.is_none() || earlier.ring.is_none() {
            comparable.ring = earlier.ring;
        }
        if comparable == *earlier {
            return Ok(());
        }
        Err(Violation::Moved(earlier.to_string(), self.to_string()))
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let numbers = |all: &[Rows; WORKERS]| all.map(|rows| (rows.count, rows.newest));
        write!(
            f,
            "[balance {}, counter {}, transactions {:?}, rows {:?}, ring {:?}]",
            self.balance,
            self.counter,
            (self.transactions.count, self.transactions.newest),
            numbers(&self.rows),
            self.ring.as_ref().map(numbers),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Snapshot {
        let rows = Rows {
            count: 5,
            newest: 5,
        };
        Snapshot {
            balance: ACCOUNTS * BALANCE,
            counter: 5,
            transactions: rows,
            rows: [rows; WORKERS],
            ring: Some([rows; WORKERS]),
        }
    }

    #[test]
    fn a_sound_snapshot_passes() {
        let snapshot = sound();
        assert_eq!(snapshot.check(&[5; WORKERS]), Ok(()));
        assert_eq!(snapshot.check_follows(&snapshot), Ok(()));
        assert_eq!(snapshot.check_same(&snapshot), Ok(()));
    }

    #[test]
    fn half_a_transfer_is_seen() {
        let mut snapshot = sound();
        snapshot.balance -= 1;
        assert!(matches!(
            snapshot.check(&[0; WORKERS]),
            Err(Violation::Balance(_))
        ));
    }

    #[test]
    fn a_lost_update_is_seen() {
        let mut snapshot = sound();
        snapshot.counter -= 1;
        assert!(matches!(
            snapshot.check(&[0; WORKERS]),
            Err(Violation::Transactions { .. })
        ));
    }

    #[test]
    fn a_missing_row_is_seen() {
        let mut snapshot = sound();
        snapshot.rows[3].count = 4;
        assert!(matches!(
            snapshot.check(&[0; WORKERS]),
            Err(Violation::Gap { worker: 3, .. })
        ));
    }

    #[test]
    fn a_ring_that_lags_behind_is_seen() {
        let mut snapshot = sound();
        if let Some(ring) = &mut snapshot.ring {
            ring[2].newest = 4;
        }
        assert!(matches!(
            snapshot.check(&[0; WORKERS]),
            Err(Violation::Ring { worker: 2, .. })
        ));
    }

    #[test]
    fn a_snapshot_from_before_a_commit_is_stale() {
        let mut committed = [0; WORKERS];
        committed[1] = 6;
        assert!(matches!(
            sound().check(&committed),
            Err(Violation::Stale { worker: 1, .. })
        ));
    }

    #[test]
    fn time_that_goes_back_is_seen() {
        let mut earlier = sound();
        earlier.rows[0].newest = 6;
        assert!(matches!(
            sound().check_follows(&earlier),
            Err(Violation::WentBack { worker: 0, .. })
        ));
    }

    #[test]
    fn a_transaction_that_sees_two_states_is_seen() {
        let mut later = sound();
        later.counter += 1;
        assert!(matches!(
            later.check_same(&sound()),
            Err(Violation::Moved(..))
        ));
    }
}
