//! Spin's `sqlite`, answered from the database in the store.
//!
//! Functions that are not async may not wait in the component model: they answer what can be
//! answered from memory, and say so else.

use crate::exports::spin::sqlite::sqlite as wit;
use crate::{Component, database, store, wit_future, wit_stream};
use engine::edge::{Connection, SqlError};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{ErrorCode, params_from_iter};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader};

/// The only database that there is.
const NAME: &str = "default";

struct Rows {
    columns: Vec<String>,
    rows: Vec<wit::RowResult>,
}

fn failure(error: SqlError) -> wit::Error {
    match error.sqlite.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => wit::Error::DatabaseFull,
        _ => wit::Error::Io(error.to_string()),
    }
}

fn open(name: &str) -> Result<wit::Connection, wit::Error> {
    if name != NAME {
        return Err(wit::Error::NoSuchDatabase);
    }
    let database = database().map_err(wit::Error::Io)?;
    let connection = database.connect().map_err(failure)?;
    Ok(wit::Connection::new(connection))
}

fn parameter(value: wit::Value) -> Value {
    match value {
        wit::Value::Integer(number) => Value::Integer(number),
        wit::Value::Real(number) => Value::Real(number),
        wit::Value::Text(text) => Value::Text(text),
        wit::Value::Blob(bytes) => Value::Blob(bytes),
        wit::Value::Null => Value::Null,
    }
}

/// A text in SQL may hold bytes that are no UTF-8.
fn result(value: ValueRef<'_>) -> wit::Value {
    match value {
        ValueRef::Null => wit::Value::Null,
        ValueRef::Integer(number) => wit::Value::Integer(number),
        ValueRef::Real(number) => wit::Value::Real(number),
        ValueRef::Text(text) => wit::Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => wit::Value::Blob(bytes.to_vec()),
    }
}

fn run(connection: &Connection, sql: &str, values: Vec<wit::Value>) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare_cached(sql)?;
    let names = statement.column_names();
    let columns: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(values.into_iter().map(parameter)))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|column| Ok(result(row.get_ref(column)?)));
        let values = values.collect::<rusqlite::Result<_>>()?;
        rows.push(wit::RowResult { values });
    }
    Ok(Rows { columns, rows })
}

fn execute(
    connection: &Connection,
    sql: &str,
    values: Vec<wit::Value>,
) -> Result<Rows, wit::Error> {
    run(connection, sql, values).map_err(|error| failure(connection.explain(error)))
}

type Answer = (
    Vec<String>,
    StreamReader<wit::RowResult>,
    FutureReader<Result<(), wit::Error>>,
);

impl wit::Guest for Component {
    type Connection = Connection;
}

impl wit::GuestConnection for Connection {
    fn open(name: String) -> Result<wit::Connection, wit::Error> {
        store::without_waiting(|| open(&name))
    }

    async fn open_async(name: String) -> Result<wit::Connection, wit::Error> {
        open(&name)
    }

    fn execute(
        &self,
        sql: String,
        values: Vec<wit::Value>,
    ) -> Result<wit::QueryResult, wit::Error> {
        let Rows { columns, rows } = store::without_waiting(|| execute(self, &sql, values))?;
        Ok(wit::QueryResult { columns, rows })
    }

    async fn execute_async(
        &self,
        sql: String,
        values: Vec<wit::Value>,
    ) -> Result<Answer, wit::Error> {
        // SQLite is asked to the end before the first row is handed over: a row that is taken
        // slowly would keep the snapshot, and everybody else waiting.
        let Rows { columns, rows } = execute(self, &sql, values)?;
        let (mut writer, reader) = wit_stream::new();
        let (done, ended) = wit_future::new(|| Ok(()));
        wit_bindgen::spawn_local(async move {
            // What is left when the reader is gone interests nobody.
            let _ = writer.write_all(rows).await;
        });
        // Whoever wants to know how it ended need not have read the rows.
        wit_bindgen::spawn_local(async move {
            let _ = done.write(Ok(())).await;
        });
        Ok((columns, reader, ended))
    }

    fn last_insert_rowid(&self) -> i64 {
        rusqlite::Connection::last_insert_rowid(self)
    }

    async fn last_insert_rowid_async(&self) -> i64 {
        rusqlite::Connection::last_insert_rowid(self)
    }

    fn changes(&self) -> u64 {
        rusqlite::Connection::changes(self)
    }

    async fn changes_async(&self) -> u64 {
        rusqlite::Connection::changes(self)
    }
}
