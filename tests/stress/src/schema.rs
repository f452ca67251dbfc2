//! The tables that the workers share, what a transaction does to them, and how a snapshot is read.

use crate::invariants::{Rows, Snapshot, Violation, WORKERS};
use crate::sql::{Connection, Failure, integer, text};

pub const ACCOUNTS: i64 = 100;
/// What each account starts with.
pub const BALANCE: i64 = 1000;
/// Of each worker's larger rows the newest so many are kept: the database stays of one size, and
/// pages are used again.
pub const RING: i64 = 400;

const CREATE: &str = "
    CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
    CREATE TABLE counter(id INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE committed(n INTEGER PRIMARY KEY, worker INTEGER NOT NULL);
    CREATE TABLE event(worker INTEGER, number INTEGER, PRIMARY KEY(worker, number)) WITHOUT ROWID;
    CREATE TABLE ring(worker INTEGER, slot INTEGER, number INTEGER, filler BLOB,
        PRIMARY KEY(worker, slot)) WITHOUT ROWID;
    WITH RECURSIVE ids(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM ids WHERE id < 99)
        INSERT INTO account SELECT id, 1000 FROM ids;
    INSERT INTO counter VALUES (1, 0);
";

const WITHDRAW: &str = "UPDATE account SET balance = balance - 1 WHERE id = ?1";
const DEPOSIT: &str = "UPDATE account SET balance = balance + 1 WHERE id = ?1";
const COUNT: &str = "UPDATE counter SET n = n + 1 WHERE id = 1";
/// Refused when two transactions count from the same state.
const RECORD: &str = "INSERT INTO committed SELECT n, ?1 FROM counter";
const EVENT: &str = "INSERT INTO event VALUES (?1, ?2)";
const FILL: &str = "INSERT OR REPLACE INTO ring VALUES (?1, ?2, ?3, randomblob(?4))";
const NEWEST: &str = "SELECT coalesce(max(number), 0) FROM event WHERE worker = ?1";

const SNAPSHOT: &str = "SELECT (SELECT sum(balance) FROM account), (SELECT n FROM counter),
    (SELECT count(*) FROM committed), (SELECT coalesce(max(n), 0) FROM committed),
    (SELECT group_concat(worker || ':' || rows || ':' || newest) FROM
        (SELECT worker, count(*) AS rows, max(number) AS newest FROM event GROUP BY worker))";
const RING_TOO: &str = ", (SELECT group_concat(worker || ':' || rows || ':' || newest) FROM
        (SELECT worker, count(*) AS rows, max(number) AS newest FROM ring GROUP BY worker))";

/// In a new database, in WAL mode.
pub fn create(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.execute_batch(CREATE)
}

/// What one transaction is to do.
#[derive(Debug, Clone)]
pub struct Transaction {
    pub worker: usize,
    pub from: i64,
    pub to: i64,
    /// Numbers of the rows to insert, and the size of each one's filler in bytes.
    pub first: i64,
    pub fillers: Vec<i64>,
}

impl Transaction {
    /// Between BEGIN and COMMIT.
    pub fn run(&self, connection: &mut dyn Connection) -> Result<(), Failure> {
        let worker = self.worker as i64;
        connection.execute(WITHDRAW, &[self.from])?;
        connection.execute(DEPOSIT, &[self.to])?;
        connection.execute(COUNT, &[])?;
        connection.execute(RECORD, &[worker])?;
        for (number, filler) in (self.first..).zip(&self.fillers) {
            connection.execute(EVENT, &[worker, number])?;
            connection.execute(FILL, &[worker, number % RING, number, *filler])?;
        }
        Ok(())
    }
}

/// Number of the worker's newest row.
pub fn newest(connection: &mut dyn Connection, worker: usize) -> Result<i64, Failure> {
    integer(&connection.query(NEWEST, &[worker as i64])?, 0)
}

/// Everything at once, in one statement.
pub fn snapshot(connection: &mut dyn Connection, with_ring: bool) -> Result<Snapshot, Failure> {
    let question = format!("{SNAPSHOT}{}", if with_ring { RING_TOO } else { "" });
    let row = connection.query(&question, &[])?;
    Ok(Snapshot {
        balance: integer(&row, 0)?,
        counter: integer(&row, 1)?,
        transactions: Rows {
            count: integer(&row, 2)?,
            newest: integer(&row, 3)?,
        },
        rows: by_worker(text(&row, 4)?)?,
        ring: if with_ring {
            Some(by_worker(text(&row, 5)?)?)
        } else {
            None
        },
    })
}

/// `worker:rows:newest`, separated by commas.
fn by_worker(list: &str) -> Result<[Rows; WORKERS], Violation> {
    let mut all = [Rows::default(); WORKERS];
    for part in list.split(',').filter(|part| !part.is_empty()) {
        let numbers: Vec<i64> = part.split(':').filter_map(|n| n.parse().ok()).collect();
        match numbers[..] {
            [worker, count, newest] if (0..WORKERS as i64).contains(&worker) => {
                all[worker as usize] = Rows { count, newest };
            }
            _ => return Err(Violation::Answer(list.to_owned())),
        }
    }
    Ok(all)
}

pub fn check_integrity(connection: &mut dyn Connection) -> Result<(), Failure> {
    let rows = connection.query("PRAGMA integrity_check", &[])?;
    match text(&rows, 0)? {
        "ok" => Ok(()),
        complaint => Err(Violation::Integrity(complaint.to_owned()).into()),
    }
}
