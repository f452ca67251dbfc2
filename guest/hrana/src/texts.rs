//! SQL that a stream keeps, and that its client refers to by number.

use crate::error::Error;
use crate::settings::Limits;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Texts(BTreeMap<i32, String>);

impl Texts {
    pub fn store(&mut self, id: i32, sql: String, limits: &Limits) -> Result<(), Error> {
        is_short(&sql, limits)?;
        if self.0.contains_key(&id) {
            return Err(Error::protocol(format!("SQL text {id} is stored already")));
        }
        if self.0.len() >= limits.stored_sql {
            let text = format!("a stream keeps {} SQL texts at most", limits.stored_sql);
            return Err(Error::new("TOO_MANY_SQL_TEXTS", text));
        }
        self.0.insert(id, sql);
        Ok(())
    }

    pub fn close(&mut self, id: i32) {
        self.0.remove(&id);
    }

    pub fn get<'a>(&'a self, sql: Option<&'a str>, id: Option<i32>) -> Result<&'a str, Error> {
        match (sql, id) {
            (Some(sql), None) => Ok(sql),
            (None, Some(id)) => {
                let stored = self.0.get(&id).map(String::as_str);
                stored.ok_or_else(|| Error::protocol(format!("SQL text {id} is not stored")))
            }
            _ => Err(Error::protocol("either `sql` or `sql_id` is to be given")),
        }
    }
}

/// As one statement may be.
pub fn is_short(sql: &str, limits: &Limits) -> Result<(), Error> {
    let (length, limit) = (sql.len(), limits.sql);
    if length as u64 <= limit {
        return Ok(());
    }
    let text = format!("the statement is {length} bytes long; {limit} are allowed");
    Err(Error::new("SQLITE_TOOBIG", text))
}
