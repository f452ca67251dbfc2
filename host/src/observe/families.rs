//! The metrics: their names, meanings and numbers, for whatever sends or serves them. Pure.
//! `docs/metrics.md` says what to do about them.

use super::snapshot::{Database, Snapshot, Status};
use crate::objects::{BOUNDS, Counts, Operation, Trouble};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Without the `_total` that a counter's name ends with in Prometheus.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub samples: Vec<(Labels, Value)>,
}

pub type Labels = Vec<(&'static str, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    /// One that Litestream's dashboards know by a name without `_total`.
    PeersCounter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Whole(u64),
    Real(f64),
    Histogram {
        /// The sum of what is in the buckets.
        seconds: f64,
        bounds: &'static [f64],
        /// One more than bounds: what is above the last one. Each number for its own bucket.
        counts: Vec<u64>,
    },
}

const STATES: [(Status, &str); 5] = [
    (Status::Starting, "starting"),
    (Status::Waiting, "waiting"),
    (Status::Live, "live"),
    (Status::Stopped, "stopped"),
    (Status::Fenced, "fenced"),
];

pub fn of(snapshot: &Snapshot) -> Vec<Family> {
    let mut families = Vec::new();
    let databases = &snapshot.databases;
    peers(databases, &mut families);
    peers_operations(databases, &mut families);
    standing(databases, &mut families);
    store(databases, &mut families);
    restorable(databases, &mut families);
    let version = vec![("version", snapshot.version.to_owned())];
    families.push(Family {
        name: "seawall_build_info",
        help: "Always 1; the label says which version runs",
        kind: Kind::Gauge,
        samples: vec![(version, Value::Whole(1))],
    });
    families
}

/// One number of each database, where it is known.
fn each(
    databases: &[Database],
    kind: Kind,
    name: &'static str,
    help: &'static str,
    value: impl Fn(&Database) -> Option<Value>,
) -> Family {
    let sample = |database| Some((db(database), value(database)?));
    Family {
        name,
        help,
        kind,
        samples: databases.iter().filter_map(sample).collect(),
    }
}

fn db(database: &Database) -> Labels {
    vec![("db", database.path.clone())]
}

fn db_and(database: &Database, label: &'static str, value: &str) -> Labels {
    vec![("db", database.path.clone()), (label, value.to_owned())]
}

fn whole(number: u64) -> Option<Value> {
    Some(Value::Whole(number))
}

/// What Litestream's dashboards ask for.
fn peers(databases: &[Database], families: &mut Vec<Family>) {
    let gauge = |name, help, value: fn(&Database) -> Option<Value>| {
        each(databases, Kind::Gauge, name, help, value)
    };
    let counter = |name, help, value: fn(&Database) -> Option<Value>| {
        each(databases, Kind::PeersCounter, name, help, value)
    };
    families.extend([
        gauge(
            "litestream_db_size",
            "Bytes of the database, as of its last upload",
            |db| whole(db.size_bytes),
        ),
        gauge("litestream_wal_size", "Bytes of the WAL file", |db| {
            whole(db.wal_bytes)
        }),
        gauge(
            "litestream_txid",
            "The last transaction in the replica",
            |db| whole(db.durable_txid),
        ),
        counter(
            "litestream_sync_count",
            "Looks for commits since the start, with what was uploaded for them",
            |db| whole(db.counted.totals.syncs),
        ),
        counter(
            "litestream_sync_error_count",
            "Those of them that failed",
            |db| whole(db.counted.totals.failed_syncs),
        ),
        counter("litestream_sync_seconds", "Seconds spent in them", |db| {
            Some(Value::Real(db.counted.totals.sync_seconds))
        }),
    ]);
}

const WORDS: [(Operation, &str); 4] = [
    (Operation::Put, "PUT"),
    (Operation::Get, "GET"),
    (Operation::List, "LIST"),
    (Operation::Delete, "DELETE"),
];

/// As Litestream has them: of all databases with a kind of replica together.
fn peers_operations(databases: &[Database], families: &mut Vec<Family>) {
    let mut sums: BTreeMap<(&'static str, usize), Counts> = BTreeMap::new();
    for database in databases {
        for (index, counts) in database.counted.operations.iter().enumerate() {
            let sum = sums.entry((database.replica.kind, index)).or_default();
            add(sum, counts);
        }
    }
    let labels = |(kind, operation): (&str, usize)| {
        let word = WORDS[operation].1.to_owned();
        vec![("replica_type", kind.to_owned()), ("operation", word)]
    };
    let family = |name, help, kind, value: fn(&Counts) -> Value| {
        let sample =
            |(key, counts): (&(&'static str, usize), &Counts)| (labels(*key), value(counts));
        Family {
            name,
            help,
            kind,
            samples: sums.iter().map(sample).collect(),
        }
    };
    families.push(family(
        "litestream_replica_operation",
        "Requests to stores, tries that failed included",
        Kind::Counter,
        |counts| Value::Whole(counts.requests),
    ));
    families.push(family(
        "litestream_replica_operation_bytes",
        "Bytes of bodies that were sent and received in them",
        Kind::PeersCounter,
        |counts| Value::Whole(counts.sent_bytes + counts.received_bytes),
    ));
    families.push(family(
        "litestream_replica_operation_duration_seconds",
        "How long they took, each try by itself",
        Kind::Histogram,
        |counts| Value::Histogram {
            seconds: counts.seconds,
            bounds: &BOUNDS,
            counts: counts.durations.to_vec(),
        },
    ));
    let mut errors = Vec::new();
    for (key, counts) in &sums {
        for (trouble, count) in Trouble::ALL.into_iter().zip(counts.failures) {
            if count > 0 {
                let mut labels = labels(*key);
                labels.push(("code", trouble.name().to_owned()));
                errors.push((labels, Value::Whole(count)));
            }
        }
    }
    families.push(Family {
        name: "litestream_replica_operation_errors",
        help: "Those of them that failed, by why",
        kind: Kind::Counter,
        samples: errors,
    });
}

fn add(sum: &mut Counts, counts: &Counts) {
    sum.requests += counts.requests;
    sum.sent_bytes += counts.sent_bytes;
    sum.received_bytes += counts.received_bytes;
    sum.seconds += counts.seconds;
    for (sum, count) in sum.failures.iter_mut().zip(counts.failures) {
        *sum += count;
    }
    for (sum, count) in sum.durations.iter_mut().zip(counts.durations) {
        *sum += count;
    }
}

fn standing(databases: &[Database], families: &mut Vec<Family>) {
    let gauge = |name, help, value: fn(&Database) -> Option<Value>| {
        each(databases, Kind::Gauge, name, help, value)
    };
    families.extend([
        gauge(
            "seawall_lag_seconds",
            "Since when it is not known that nothing waits to be shipped; 0 when it is known",
            |db| Some(Value::Real(db.lag_seconds)),
        ),
        gauge(
            "seawall_lag_bytes",
            "Bytes of the WAL that are not in the replica",
            |db| whole(db.lag_bytes),
        ),
        gauge(
            "seawall_durable_txid",
            "The last transaction in the replica",
            |db| whole(db.durable_txid),
        ),
        gauge(
            "seawall_fenced",
            "1 when another writer owns the replica",
            |db| whole(u64::from(db.status == Status::Fenced)),
        ),
    ]);
    let mut states = Vec::new();
    for database in databases {
        for (status, word) in STATES {
            let is_so = u64::from(database.status == status);
            states.push((db_and(database, "state", word), Value::Whole(is_so)));
        }
    }
    families.push(Family {
        name: "seawall_state",
        help: "1 for the state that the database is in",
        kind: Kind::Gauge,
        samples: states,
    });
}

fn store(databases: &[Database], families: &mut Vec<Family>) {
    let mut errors = Vec::new();
    let mut requests = Vec::new();
    let mut bytes = Vec::new();
    let mut costs = Vec::new();
    for database in databases {
        for trouble in Trouble::ALL {
            let count = database.store_errors.get(trouble.name()).copied();
            let labels = db_and(database, "kind", trouble.name());
            errors.push((labels, Value::Whole(count.unwrap_or(0))));
        }
        for (kind, count) in [
            ("put", database.requests.put),
            ("get", database.requests.get),
            ("list", database.requests.list),
            ("delete", database.requests.delete),
        ] {
            requests.push((db_and(database, "kind", kind), Value::Whole(count)));
        }
        for (direction, count) in [
            ("sent", database.sent_bytes),
            ("received", database.received_bytes),
        ] {
            bytes.push((
                db_and(database, "direction", direction),
                Value::Whole(count),
            ));
        }
        if let Some(cost) = &database.cost {
            let labels = db_and(database, "currency", &cost.currency);
            costs.push((labels, Value::Real(cost.per_month)));
        }
    }
    let family = |name, help, kind, samples| Family {
        name,
        help,
        kind,
        samples,
    };
    families.extend([
        family(
            "seawall_store_errors",
            "Requests to the store that failed, each try counted",
            Kind::Counter,
            errors,
        ),
        family(
            "seawall_requests",
            "Requests to the store, each try and each part of an upload counted",
            Kind::Counter,
            requests,
        ),
        family(
            "seawall_bytes",
            "Bytes of bodies to and from the store",
            Kind::Counter,
            bytes,
        ),
        family(
            "seawall_cost_monthly",
            "What 30 days cost at the store if they go on as since the start",
            Kind::Gauge,
            costs,
        ),
        each(
            databases,
            Kind::Gauge,
            "seawall_replica_bytes",
            "Bytes of the replica's objects",
            |db| db.replica.bytes.map(Value::Whole),
        ),
        each(
            databases,
            Kind::Gauge,
            "seawall_replica_objects",
            "How many objects the replica has",
            |db| db.replica.objects.map(|count| Value::Whole(count.into())),
        ),
    ]);
}

fn restorable(databases: &[Database], families: &mut Vec<Family>) {
    let gauge = |name, help, value: fn(&Database) -> Option<Value>| {
        each(databases, Kind::Gauge, name, help, value)
    };
    families.extend([
        gauge(
            "seawall_restorable_from_timestamp_seconds",
            "The oldest moment that can be restored, Unix time",
            |db| Some(Value::Real(db.restorable.as_ref()?.from.at.unix_seconds())),
        ),
        gauge(
            "seawall_restorable_to_timestamp_seconds",
            "The newest moment that can be restored, Unix time",
            |db| Some(Value::Real(db.restorable.as_ref()?.to.at.unix_seconds())),
        ),
        gauge(
            "seawall_verify_last_success_timestamp_seconds",
            "When a restore was last found right, Unix time",
            |db| {
                let success = db.verify.as_ref()?.last_success.as_ref()?;
                Some(Value::Real(success.at.unix_seconds()))
            },
        ),
        gauge(
            "seawall_verify_last_attempt_timestamp_seconds",
            "When a restore was last tried to be verified, Unix time",
            |db| {
                let attempt = db.verify.as_ref()?.last_attempt?;
                Some(Value::Real(attempt.unix_seconds()))
            },
        ),
        gauge(
            "seawall_verify_ok",
            "1 when the last verified restore was right, 0 when not",
            |db| whole(u64::from(db.verify.as_ref()?.sound?)),
        ),
        gauge(
            "seawall_verify_seconds",
            "How long the last verified restore took",
            |db| {
                let success = db.verify.as_ref()?.last_success.as_ref()?;
                Some(Value::Real(success.seconds))
            },
        ),
    ]);
}
