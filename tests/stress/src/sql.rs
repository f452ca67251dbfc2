//! What a worker needs from a SQLite, whichever it is.

use crate::invariants::Violation;
use std::time::Duration;

/// How long a SQLite waits for a lock before it reports that it is busy.
pub const BUSY_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    Passive,
    Full,
    Restart,
    Truncate,
}

impl Checkpoint {
    pub fn name(self) -> &'static str {
        match self {
            Checkpoint::Passive => "PASSIVE",
            Checkpoint::Full => "FULL",
            Checkpoint::Restart => "RESTART",
            Checkpoint::Truncate => "TRUNCATE",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Somebody else is in the way: part of the game.
    #[error("busy: {0}")]
    Busy(String),
    /// What a sound WAL-index never lets happen.
    #[error(transparent)]
    Violation(#[from] Violation),
}

const SQLITE_BUSY: i32 = 5;

impl Failure {
    /// Of SQLite's result codes only BUSY (and its kinds) is part of the game. Nothing else can
    /// come of these statements: they are known to be right, and nobody else damages the files.
    pub fn of_code(extended: i32, text: String) -> Failure {
        if extended & 0xff == SQLITE_BUSY {
            Failure::Busy(text)
        } else {
            Failure::Violation(Violation::Sqlite {
                code: extended,
                text,
            })
        }
    }
}

/// One connection. Dropped, it closes.
pub trait Connection {
    fn execute(&mut self, text: &str, parameters: &[i64]) -> Result<(), Failure>;

    fn query(&mut self, text: &str, parameters: &[i64]) -> Result<Vec<Vec<Value>>, Failure>;

    /// `false`: refused, a writer or readers are in the way.
    fn checkpoint(&mut self, mode: Checkpoint) -> Result<bool, Failure> {
        let rows = self.query(&format!("PRAGMA wal_checkpoint({})", mode.name()), &[])?;
        Ok(integer(&rows, 0)? == 0)
    }

    /// Takes the CHECKPOINT lock for the life of the connection; only a guest can.
    fn keep_checkpoint_lock(&mut self) -> bool {
        false
    }
}

/// Where connections come from.
pub trait Sqlite {
    fn open(&mut self) -> Result<Box<dyn Connection>, Failure>;
    fn version(&self) -> String;
}

fn unexpected(rows: &[Vec<Value>]) -> Failure {
    Failure::Violation(Violation::Answer(format!("{rows:?}")))
}

/// Column `column` of the first row.
pub fn integer(rows: &[Vec<Value>], column: usize) -> Result<i64, Failure> {
    match rows.first().and_then(|row| row.get(column)) {
        Some(Value::Integer(integer)) => Ok(*integer),
        _ => Err(unexpected(rows)),
    }
}

/// Column `column` of the first row; NULL is the empty text.
pub fn text(rows: &[Vec<Value>], column: usize) -> Result<&str, Failure> {
    match rows.first().and_then(|row| row.get(column)) {
        Some(Value::Text(text)) => Ok(text),
        Some(Value::Null) => Ok(""),
        _ => Err(unexpected(rows)),
    }
}
