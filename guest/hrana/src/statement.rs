//! One statement: its text, its arguments, its rows.

use crate::budget::Turn;
use crate::error::{Error, Failure, PROTOCOL, TOO_MANY_ROWS};
use crate::wire::{self, Column, DescribeResult, Parameter, StatementResult, Value};
use engine::edge::Connection;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Statement};

/// Nothing but one statement.
pub fn single<'c>(connection: &'c Connection, sql: &str) -> Result<Statement<'c>, Failure> {
    let mut statements = Batch::new(connection, sql);
    let first = statements.next();
    let first = first.map_err(|error| connection.explain(error))?;
    let first = first.ok_or_else(|| Error::protocol("there is no statement in the text"))?;
    match statements.next() {
        Ok(None) => Ok(first),
        // What follows need not even be SQL.
        Ok(Some(_)) | Err(_) => {
            let text = "there is more than one statement in the text; \
                        `sequence` and `batch` run several";
            Err(Error::protocol(text).into())
        }
    }
}

pub fn bind(statement: &mut Statement<'_>, given: &wire::Statement) -> Result<(), Error> {
    let count = statement.parameter_count();
    let mut named = vec![false; given.named_args.len()];
    let mut bound = Ok(());
    for index in 1..=count {
        let name = statement.parameter_name(index).map(str::to_owned);
        let by_name = name.as_deref().and_then(|name| {
            let mut names = given.named_args.iter();
            names.position(|arg| is_called(name, &arg.name))
        });
        let value = match by_name {
            Some(at) => {
                named[at] = true;
                Some(&given.named_args[at].value)
            }
            None => given.args.get(index - 1),
        };
        let Some(value) = value else {
            let name = name.unwrap_or_else(|| format!("number {index}"));
            return Err(wrong(format!("there is no value for parameter {name}")));
        };
        bound = bound.and_then(|()| statement.raw_bind_parameter(index, value));
    }
    if given.args.len() > count {
        let len = given.args.len();
        return Err(wrong(format!("{len} values for {count} parameters")));
    }
    if let Some(at) = named.iter().position(|used| !used) {
        let name = &given.named_args[at].name;
        return Err(wrong(format!("the statement has no parameter {name}")));
    }
    bound.map_err(|error| wrong(error.to_string()))
}

/// The sign that a parameter's name begins with may be left out.
fn is_called(parameter: &str, name: &str) -> bool {
    parameter == name || parameter.get(1..) == Some(name)
}

fn wrong(text: String) -> Error {
    Error::new(PROTOCOL, text)
}

/// Runs it to its end. When it failed, its effects are undone.
pub fn run(
    connection: &Connection,
    statement: &mut Statement<'_>,
    want_rows: bool,
    turn: &Turn<'_>,
) -> Result<StatementResult, Failure> {
    let explain = |error| Failure::from(connection.explain(error));
    let before = connection.total_changes();
    let readonly = statement.readonly();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let mut reading = statement.raw_query();
    while let Some(row) = reading.next().map_err(explain)? {
        if !want_rows {
            continue;
        }
        let taken = taken(row).and_then(|row| {
            bytes += row.iter().map(Value::json_bytes).sum::<u64>();
            if rows.len() as u64 >= turn.limits.rows {
                let rows = turn.limits.rows;
                let text = format!("there are more than the {rows} rows that are allowed");
                return Err(Error::new(TOO_MANY_ROWS, text));
            }
            match bytes > turn.bytes_left() {
                true => Err(turn.too_large()),
                false => Ok(row),
            }
        });
        match taken {
            Ok(row) => rows.push(row),
            Err(error) if readonly => return Err(error.into()),
            Err(error) => {
                // To be left here would mean to be committed.
                connection.get_interrupt_handle().interrupt();
                return match reading.next() {
                    Err(interrupted) => {
                        connection.explain(interrupted);
                        Err(error.into())
                    }
                    Ok(_) => Err(Error::new("SQLITE_INTERNAL", "could not be stopped").into()),
                };
            }
        }
    }
    drop(reading);
    turn.spend(bytes)?;
    let changed = connection.total_changes() != before;
    Ok(StatementResult {
        cols: columns(statement),
        rows,
        affected_row_count: if changed { connection.changes() } else { 0 },
        last_insert_rowid: (!readonly).then(|| connection.last_insert_rowid().to_string()),
        replication_index: None,
    })
}

fn taken(row: &rusqlite::Row<'_>) -> Result<Vec<Value>, Error> {
    let columns = row.as_ref().column_count();
    let mut values = Vec::with_capacity(columns);
    for column in 0..columns {
        let value = row.get_ref(column).ok().and_then(Value::read);
        values.push(value.ok_or_else(|| {
            let text = format!(
                "column {} holds text that is not UTF-8: CAST it AS BLOB",
                column + 1
            );
            Error::new("SQLITE_MISMATCH", text)
        })?);
    }
    Ok(values)
}

fn columns(statement: &Statement<'_>) -> Vec<Column> {
    let columns = statement.columns().map(|column| Column {
        name: column.name().to_owned(),
        decltype: column.decl_type().map(str::to_owned),
    });
    columns.collect()
}

pub fn describe(statement: &Statement<'_>) -> DescribeResult {
    let params = (1..=statement.parameter_count()).map(|index| Parameter {
        name: statement.parameter_name(index).map(str::to_owned),
    });
    DescribeResult {
        params: params.collect(),
        cols: columns(statement),
        is_explain: statement.is_explain() != 0,
        is_readonly: statement.readonly(),
    }
}
