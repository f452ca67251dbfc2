//! Why a request failed, in the words and codes that clients get.

use crate::codes;
use engine::edge::{EdgeError, SqlError};
use serde::Serialize;

/// Hrana's error: a text for people, a code for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Error {
    pub message: String,
    pub code: &'static str,
}

/// A request that is not Hrana.
pub const PROTOCOL: &str = "HRANA_PROTO_ERROR";
/// Whether a transaction took effect is not known: never to be tried again blindly.
pub const OUTCOME_UNKNOWN: &str = "COMMIT_OUTCOME_UNKNOWN";
pub const TOO_MANY_ROWS: &str = "TOO_MANY_ROWS";
pub const RESPONSE_TOO_LARGE: &str = "RESPONSE_TOO_LARGE";
pub const STREAM_CLOSED: &str = "STREAM_CLOSED";

impl Error {
    pub fn new(code: &'static str, message: impl Into<String>) -> Error {
        Error {
            message: message.into(),
            code,
        }
    }

    pub fn protocol(message: impl Into<String>) -> Error {
        Error::new(PROTOCOL, message)
    }
}

/// Why a statement failed, and whether it may be run once more.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    /// It had no effect, for a reason that is gone by now.
    pub passing: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure {
            error,
            passing: false,
        }
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Failure {
        let cause = error.cause.as_deref();
        let code = match cause {
            Some(EdgeError::Conflict(_)) => "SQLITE_BUSY",
            Some(EdgeError::Gone) => "SQLITE_BUSY_SNAPSHOT",
            Some(EdgeError::UnknownOutcome { .. }) => OUTCOME_UNKNOWN,
            _ => codes::of(&error.sqlite),
        };
        let message = match cause {
            Some(cause) => cause.to_string(),
            None if code == "SQLITE_AUTH" => NOT_ALLOWED.to_owned(),
            None => text(&error.sqlite),
        };
        Failure {
            error: Error::new(code, message),
            passing: matches!(cause, Some(EdgeError::Conflict(_) | EdgeError::Gone)),
        }
    }
}

/// SQLite only says "not authorized".
const NOT_ALLOWED: &str =
    "not allowed here: it would reach beyond the database, or break its way to the store";

/// What SQLite says, without the statement that whoever sent it knows.
fn text(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } if *offset >= 0 => {
            format!("{msg} (at byte {offset} of the statement)")
        }
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        error => error.to_string(),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        failure.error
    }
}
