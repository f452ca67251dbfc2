//! SQLite as it is linked into this program, of the guest's version.

use crate::sql::{self, BUSY_WAIT, Failure, Sqlite, Value};
use rusqlite::types::ValueRef;
use rusqlite::{OpenFlags, params_from_iter};
use std::path::PathBuf;

pub struct Native {
    pub database: PathBuf,
}

fn failure(error: rusqlite::Error) -> Failure {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    Failure::of_code(code, error.to_string())
}

impl Sqlite for Native {
    fn open(&mut self) -> Result<Box<dyn sql::Connection>, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            rusqlite::Connection::open_with_flags(&self.database, flags).map_err(failure)?;
        connection.busy_timeout(BUSY_WAIT).map_err(failure)?;
        Ok(Box::new(Connection(connection)))
    }

    fn version(&self) -> String {
        format!("native {}", rusqlite::version())
    }
}

struct Connection(rusqlite::Connection);

impl Connection {
    fn rows(&self, text: &str, parameters: &[i64]) -> rusqlite::Result<Vec<Vec<Value>>> {
        let mut statement = self.0.prepare_cached(text)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(parameters), |row| {
            (0..columns)
                .map(|column| row.get_ref(column).map(value))
                .collect()
        })?;
        rows.collect()
    }
}

fn value(value: ValueRef) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        // No statement of the test returns any of these; it is taken for damage.
        ValueRef::Real(_) | ValueRef::Blob(_) => Value::Text(format!("{value:?}")),
    }
}

impl sql::Connection for Connection {
    fn execute(&mut self, text: &str, parameters: &[i64]) -> Result<(), Failure> {
        self.query(text, parameters).map(|_| ())
    }

    fn query(&mut self, text: &str, parameters: &[i64]) -> Result<Vec<Vec<Value>>, Failure> {
        self.rows(text, parameters).map_err(failure)
    }
}
