//! The app: a real SQLite that commits, checkpoints, closes, vacuums and dies.
//!
//! Each commit leaves its number in the database; what the whole database looks like after it is
//! told to the ledger before the app learns whether it succeeded.

use crate::app_files::{run_as, vfs_name};
use crate::dice::Dice;
use crate::ledger::{Contents, Ledger};
use crate::machine::{Machine, Process, Role};
use crate::time::Clock;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::time::Duration;

/// Rows of this table are inserted, changed and deleted; one row of `head` has the last commit.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, body BLOB);
    CREATE INDEX IF NOT EXISTS versions ON notes (version);
    CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER);
    INSERT OR IGNORE INTO head VALUES (1, 0);";

/// The largest id of a note.
const NOTES: u64 = 40;

/// To the database of whoever runs.
pub fn connect() -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let name = engine::vfs::DATABASE_NAME;
    Connection::open_with_flags_and_vfs(name, flags, vfs_name().as_str())
}

pub struct App {
    process: Process,
    connection: Option<Connection>,
    /// Reads one snapshot for long.
    reader: Option<Connection>,
    clock: Clock,
    dice: Dice,
    ledger: Ledger,
    full_sync: bool,
    /// What the database holds after the last commit that this app saw.
    contents: Contents,
}

impl App {
    pub fn start(machine: &Machine, clock: Clock, dice: Dice, ledger: Ledger) -> App {
        App {
            process: machine.start(Role::App),
            connection: None,
            reader: None,
            clock,
            full_sync: dice.happens(0.3),
            dice,
            ledger,
            contents: Contents::default(),
        }
    }

    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    fn run<T>(&mut self, call: impl FnOnce(&mut App) -> T) -> T {
        let (process, now_ms) = (self.process.clone(), self.clock.now_ms());
        run_as(&process, now_ms, || call(self))
    }

    /// Errors: the database cannot be used now (busy, dead, disk full); told, and tried again.
    pub fn open(&mut self) -> rusqlite::Result<()> {
        self.run(|app| {
            if app.connection.is_some() {
                return Ok(());
            }
            let connection = connect()?;
            // Nobody can go on while this waits.
            connection.busy_timeout(Duration::ZERO)?;
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            connection.pragma_update(None, "page_size", 1024)?;
            let synchronous = if app.full_sync { "FULL" } else { "NORMAL" };
            connection.pragma_update(None, "synchronous", synchronous)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?;
            app.contents = Contents::read(&connection)?;
            let machine = &app.process.machine;
            let forgets = machine.lost_power();
            app.ledger.found(machine.number, app.contents.head, forgets);
            app.connection = Some(connection);
            Ok(())
        })
    }

    pub fn close(&mut self) {
        self.run(|app| {
            drop(app.reader.take());
            drop(app.connection.take());
        });
    }

    /// One transaction of a few changes. False: it was not committed, or nobody knows.
    pub fn commit(&mut self, largest: u64) -> bool {
        if self.connection.is_none() && self.open().is_err() {
            return false;
        }
        self.run(|app| {
            let number = app.ledger.next_number();
            let outcome = app.try_commit(number, largest);
            match outcome {
                // The dead are told of nothing, though what they still did in vain went well.
                Ok(contents) if app.process.is_alive() => {
                    app.contents = contents;
                    app.ledger.acknowledged(app.process.machine.number, number);
                    true
                }
                _ => {
                    app.after_failure();
                    false
                }
            }
        })
    }

    fn try_commit(&mut self, number: u64, largest: u64) -> rusqlite::Result<Contents> {
        let connection = self.connection.as_mut().expect("it is open");
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Somebody else may have brought the database up to date.
        let head = Contents::head_of(&transaction)?;
        let mut contents = if head == self.contents.head {
            self.contents.clone()
        } else {
            Contents::read(&transaction)?
        };
        let parent = contents.head;
        for _ in 0..self.dice.between(1, 4) {
            let id = self.dice.between(1, NOTES) as i64;
            if self.dice.happens(0.15) {
                transaction.execute("DELETE FROM notes WHERE id = ?1", [id])?;
                contents.remove(id);
                continue;
            }
            let length = if self.dice.happens(0.1) {
                largest
            } else {
                largest / 16
            };
            let body = self.dice.bytes(self.dice.between(0, length) as usize);
            transaction.execute(
                "INSERT OR REPLACE INTO notes VALUES (?1, ?2, ?3)",
                params![id, number as i64, body],
            )?;
            contents.put(id, number, &body);
        }
        transaction.execute("UPDATE head SET number = ?1", [number as i64])?;
        contents.head = number;
        self.ledger.tries(number, parent, contents.digest());
        transaction.commit()?;
        Ok(contents)
    }

    /// A connection that failed is closed: what it knows may be out of date.
    fn after_failure(&mut self) {
        let broken = self
            .connection
            .as_ref()
            .is_some_and(|connection| !connection.is_autocommit());
        if broken || !self.process.is_alive() {
            drop(self.connection.take());
        }
        if !self.process.is_alive() {
            drop(self.reader.take());
        }
    }

    pub fn checkpoint(&mut self, mode: &str) {
        self.run(|app| {
            if let Some(connection) = &app.connection {
                // Refused while a sidecar is there: that is the sidecar's business.
                let sql = format!("PRAGMA wal_checkpoint({mode})");
                let _ = connection.query_row(&sql, [], |_| Ok(()));
            }
        });
    }

    pub fn vacuum(&mut self) {
        self.run(|app| {
            if let Some(connection) = &app.connection {
                // Busy is an answer; the contents stay the same either way.
                let _ = connection.execute_batch("VACUUM");
                app.after_failure();
            }
        });
    }

    /// A read transaction is open until this is called again.
    pub fn toggle_reader(&mut self) {
        self.run(|app| {
            if app.reader.take().is_some() || app.connection.is_none() {
                return;
            }
            // What cannot be read now is not read.
            let reading = connect().and_then(|reader| {
                reader.execute_batch("BEGIN; SELECT count(*) FROM notes")?;
                Ok(reader)
            });
            app.reader = reading.ok();
        });
    }

    pub fn contents(&self) -> &Contents {
        &self.contents
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.close();
        self.process.end();
    }
}
