//! Takes a snapshot of what is known of all databases.

use super::cost;
use super::ready;
use super::snapshot::{
    At, Counted, Database, LagPoint, Moment, RecentError, Replica, Requests, Restorable, Snapshot,
    Status, Verify, VerifyFailure, VerifySuccess,
};
use crate::component;
use crate::config::{self, Directory, Observe};
use crate::health::Entry;
use crate::objects::{Operation, Trouble};
use crate::replicate::{Phase, Report, Supervisor, Watched};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Of the moments that can be restored so many are told: more marks no page can show.
const MOMENTS_MAX: usize = 500;

/// Which databases a config file lists, so that they can be restored by it.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    pub config: Option<PathBuf>,
    pub databases: Vec<PathBuf>,
    pub directories: Vec<Directory>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

struct Inner {
    observe: Observe,
    listed: Listed,
    supervisor: Supervisor,
    began: Instant,
    began_at: SystemTime,
}

impl Observer {
    pub fn new(observe: Observe, listed: Listed, supervisor: Supervisor) -> Observer {
        Observer(Arc::new(Inner {
            observe,
            listed,
            supervisor,
            began: Instant::now(),
            began_at: SystemTime::now(),
        }))
    }

    pub fn snapshot(&self) -> Snapshot {
        let inner = &self.0;
        let watched = inner.supervisor.watched();
        let databases: Vec<_> = watched.iter().map(|one| inner.database(one)).collect();
        let max_lag = inner.observe.ready_max_lag.as_secs_f64();
        let is_ready = |database| ready::why_not(database, max_lag).is_none();
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            now: At(SystemTime::now()),
            started_at: At(inner.began_at),
            uptime_seconds: inner.began.elapsed().as_secs_f64(),
            ready: databases.iter().all(is_ready),
            ready_max_lag_seconds: max_lag,
            databases,
        }
    }
}

impl Inner {
    fn database(&self, watched: &Watched) -> Database {
        let Watched {
            database,
            report,
            record,
        } = watched;
        let now = Instant::now();
        let operations = Operation::ALL.map(|operation| record.meter.counts(operation));
        let [put, get, list, delete] = [0, 1, 2, 3].map(|index: usize| operations[index].requests);
        let requests = Requests {
            put,
            get,
            list,
            delete,
        };
        let received_bytes = operations.iter().map(|counts| counts.received_bytes).sum();
        let replica = Replica {
            url: database.replica.location.url(),
            kind: component::kind(&database.replica),
            bytes: report.replica.as_ref().map(|kept| kept.bytes),
            objects: report.replica.as_ref().map(|kept| kept.objects),
        };
        let measured = now.duration_since(record.since).as_secs_f64();
        let lags = record.lags();
        let lag_history = lags.points().map(|point| LagPoint {
            at: At(point.at()),
            seconds: point.seconds,
        });
        let lag_history = lag_history.collect();
        drop(lags);
        let recent_errors = record.telling.journal.read().into_iter();
        Database {
            path: database.path.display().to_string(),
            status: status(report),
            error: report.error.clone(),
            error_since: report.error_since.map(At),
            lag_seconds: record.lag(report.current, now),
            lag_bytes: report.unshipped_bytes,
            current_at: report.current_at.map(At),
            lag_history: Some(lag_history),
            durable_txid: report.txid,
            size_bytes: report.size_bytes,
            page_size: report.page_size,
            wal_bytes: report.wal_bytes,
            requests,
            sent_bytes: operations.iter().map(|counts| counts.sent_bytes).sum(),
            received_bytes,
            store_errors: store_errors(operations.iter().map(|counts| &counts.failures)),
            cost: cost::estimate(
                &self.observe.prices,
                &requests,
                received_bytes,
                replica.bytes,
                measured,
            ),
            replica,
            restorable: restorable(report),
            restore_command: self.restore_command(database),
            verify: verify(report),
            recent_errors: Some(recent_errors.map(recent_error).collect()),
            counted: Counted {
                totals: record.totals(),
                operations,
            },
        }
    }

    /// `-txid N` may be put before its last word.
    fn restore_command(&self, database: &config::Database) -> String {
        let by_config = self.listed.config.as_deref();
        let words = match by_config.filter(|_| self.listed.has(&database.path)) {
            Some(config) => vec![
                "-config".to_owned(),
                config.display().to_string(),
                "-o".to_owned(),
                "restored.db".to_owned(),
                database.path.display().to_string(),
            ],
            None => vec![
                "-o".to_owned(),
                "restored.db".to_owned(),
                database.replica.location.url(),
            ],
        };
        format!("seawall restore {}", shell_words::join(words))
    }
}

impl Listed {
    fn has(&self, path: &Path) -> bool {
        self.databases.iter().any(|listed| listed == path)
            || self.directories.iter().any(|place| place.matches(path))
    }
}

fn status(report: &Report) -> Status {
    match report.phase {
        Phase::Starting => Status::Starting,
        Phase::Waiting => Status::Waiting,
        Phase::Live => Status::Live,
        Phase::Stopped => Status::Stopped,
        Phase::Fenced => Status::Fenced,
    }
}

/// Only those kinds that occurred.
fn store_errors<'a>(failures: impl Iterator<Item = &'a [u64; 5]>) -> BTreeMap<&'static str, u64> {
    let mut errors = BTreeMap::new();
    for counted in failures {
        for (trouble, count) in Trouble::ALL.into_iter().zip(counted) {
            if *count > 0 {
                *errors.entry(trouble.name()).or_default() += count;
            }
        }
    }
    errors
}

fn recent_error(entry: Entry) -> RecentError {
    RecentError {
        at: At(entry.at),
        text: entry.text,
        recovered_at: entry.recovered_at.map(At),
    }
}

/// None: nothing is there yet.
fn restorable(report: &Report) -> Option<Restorable> {
    let known = &report.replica.as_ref()?.moments;
    let moment = |index: usize| Moment {
        txid: known[index].txid,
        at: At::from_unix_ms(known[index].time_ms),
        level: known[index].level,
    };
    let last = known.len().checked_sub(1)?;
    // Evenly thinned out, with both ends.
    let shown = known.len().min(MOMENTS_MAX);
    let spread = |number: usize| number * last / (shown - 1).max(1);
    Some(Restorable {
        from: moment(0),
        to: moment(last),
        moments: Some((0..shown).map(|number| moment(spread(number))).collect()),
    })
}

/// None: it is not verified by itself.
fn verify(report: &Report) -> Option<Verify> {
    let verified = &report.verify;
    let interval = verified.interval?;
    Some(Verify {
        interval_seconds: Some(interval.as_secs_f64()),
        running: verified.running,
        sound: verified.sound,
        last_attempt: verified.last_attempt.map(At),
        last_success: verified.last_success.as_ref().map(|success| VerifySuccess {
            at: At(success.at),
            txid: success.txid,
            seconds: success.seconds,
            downloaded: success.downloaded,
            moments: success.moments as u32,
        }),
        last_failure: verified.last_failure.as_ref().map(|failure| VerifyFailure {
            at: At(failure.at),
            error: failure.error.clone(),
        }),
    })
}
