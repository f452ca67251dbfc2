//! Whether every database is current. Pure.

use super::snapshot::{Database, Status};

/// Why a database is not current, in one line; None: it is. One that is not there yet has nothing
/// to be behind with.
pub fn why_not(database: &Database, max_lag_seconds: f64) -> Option<String> {
    let path = &database.path;
    let behind = database.lag_seconds >= max_lag_seconds;
    let why = match database.status {
        Status::Waiting => return None,
        Status::Live if !behind => return None,
        Status::Live => format!(
            "{:.1} s behind, at most {max_lag_seconds} s are allowed",
            database.lag_seconds
        ),
        Status::Starting => "not open yet".to_owned(),
        Status::Stopped => "stopped".to_owned(),
        Status::Fenced => "another writer owns the replica".to_owned(),
    };
    Some(match &database.error {
        Some(error) => format!("{path}: {why}: {}", error.replace('\n', " ")),
        None => format!("{path}: {why}"),
    })
}
