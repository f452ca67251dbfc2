//! What the writers at the edge were told, and whether the database agrees with it.

use super::guest::Told;
use anyhow::{Result, ensure};
use rusqlite::Connection;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Each entry of the log counts one up; whatever is torn does not add up.
pub const SCHEMA: [&str; 4] = [
    "CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER)",
    "CREATE TABLE log (n INTEGER PRIMARY KEY, entry INTEGER NOT NULL, body BLOB)",
    "CREATE TRIGGER count AFTER INSERT ON log BEGIN UPDATE counter SET n = n + 1; END",
    "INSERT INTO counter VALUES (1, 0)",
];

/// The number of the entry, and how many bytes go with it.
pub const WRITE: &str = "INSERT INTO log SELECT n + 1, ?1, randomblob(?2) FROM counter";

/// Fails with `integer overflow` when the snapshot is torn, or older than ?1 entries.
pub const READ: &str = "SELECT CASE
    WHEN (SELECT n FROM counter) >= ?1
        AND (SELECT n FROM counter) = (SELECT count(*) FROM log)
        AND (SELECT n FROM counter) = (SELECT coalesce(max(n), 0) FROM log)
    THEN 1 ELSE abs(-9223372036854775807 - 1) END";

pub const TORN: &str = "integer overflow";

#[derive(Default)]
struct Inner {
    entries: i64,
    told: BTreeMap<i64, Told>,
    done: i64,
}

/// A handle: clones are the same book.
#[derive(Clone, Default)]
pub struct Book(Rc<RefCell<Inner>>);

impl Book {
    /// The number of a new entry. Until something else is known it may be in the database.
    pub fn new_entry(&self) -> i64 {
        let mut inner = self.0.borrow_mut();
        inner.entries += 1;
        let entry = inner.entries;
        inner
            .told
            .insert(entry, Told::Unknown("no answer".to_owned()));
        entry
    }

    pub fn told(&self, entry: i64, told: Told) {
        let mut inner = self.0.borrow_mut();
        inner.done += i64::from(told == Told::Done);
        inner.told.insert(entry, told);
    }

    /// Entries that were said to be committed.
    pub fn done(&self) -> i64 {
        self.0.borrow().done
    }

    /// What was said until now.
    pub fn frozen(&self) -> BTreeMap<i64, Told> {
        self.0.borrow().told.clone()
    }
}

/// Errors: the database is not what the writers were told, `told` being what they had been told
/// when the database was copied.
pub fn judge(database: &Connection, told: &BTreeMap<i64, Told>) -> Result<()> {
    let mut statement = database.prepare("SELECT n, entry FROM log ORDER BY n")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let counter: i64 = database.query_row("SELECT n FROM counter", [], |row| row.get(0))?;
    ensure!(
        counter == rows.len() as i64,
        "the counter is at {counter}, and there are {} entries",
        rows.len()
    );
    let mut found = BTreeMap::new();
    for (place, (n, entry)) in rows.iter().enumerate() {
        ensure!(*n == place as i64 + 1, "entry {entry} is number {n}");
        let twice = found.insert(*entry, *n);
        ensure!(twice.is_none(), "entry {entry} is there twice");
    }
    for (entry, told) in told {
        match told {
            Told::Done => ensure!(found.contains_key(entry), "entry {entry} is lost"),
            Told::Refused(why) => ensure!(
                !found.contains_key(entry),
                "entry {entry} is there, though it was refused: {why}"
            ),
            Told::Unknown(_) => {}
        }
    }
    Ok(())
}
