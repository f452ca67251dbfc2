//! What one worker does with its SQLite, by choice after choice, until its time is over.

use crate::choice::Choice;
use crate::invariants::{Snapshot, Violation, WORKERS};
use crate::mode::Mode;
use crate::progress::Progress;
use crate::schema::{self, ACCOUNTS, Transaction};
use crate::sql::{BUSY_WAIT, Checkpoint, Connection, Failure, Sqlite};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// A read transaction is held open for at most so many acts of its worker.
const MOST_HELD: u64 = 12;
/// Rows of a transaction that is sure to be larger than the cache.
const MANY_ROWS: u64 = 40;
/// How long a checkpoint waits for others.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(50);
const LONGEST_READ: Duration = Duration::from_millis(60);
const LONGEST_PAUSE: Duration = Duration::from_millis(3);

/// How often, in a thousand acts; what is left over are plain reads.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    pub write: u64,
    pub checkpoint: u64,
    pub integrity: u64,
    pub hold: u64,
    /// One pause after so many acts.
    pub pause: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Write,
    Read,
    Hold,
    Integrity,
    Checkpoint,
}

/// A read transaction on a connection of its own, while the worker goes on with the other.
struct Held {
    connection: Box<dyn Connection>,
    snapshot: Snapshot,
    acts_left: u64,
}

/// What was done, and how often it was refused.
#[derive(Default)]
pub struct Tally(BTreeMap<Act, (u64, u64)>);

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (index, (act, (done, busy))) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{act:?} {done}")?;
            if *busy > 0 {
                write!(f, " (+{busy} busy)")?;
            }
        }
        Ok(())
    }
}

pub struct Worker {
    pub number: usize,
    pub habits: Habits,
    pub mode: Mode,
    pub choice: Choice,
    pub sqlite: Box<dyn Sqlite>,
    pub progress: Progress,
    pub end: Instant,
}

/// A worker in the middle of its work.
struct Working {
    worker: Worker,
    /// Number of its newest row.
    newest: i64,
    seen: Option<Snapshot>,
    held: Option<Held>,
    tally: Tally,
}

fn io(error: std::io::Error) -> Failure {
    Failure::Violation(Violation::Answer(format!("the progress file: {error}")))
}

impl Worker {
    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Errors: the first violation.
    pub fn run(mut self) -> Result<Tally, Violation> {
        let newest = loop {
            if self.is_over() {
                return Ok(Tally::default());
            }
            let number = self.number;
            match self
                .connect()
                .and_then(|mut c| schema::newest(&mut *c, number))
            {
                Ok(newest) => break newest,
                Err(Failure::Busy(_)) => {}
                Err(Failure::Violation(violation)) => return Err(violation),
            }
        };
        let mut working = Working {
            worker: self,
            newest,
            seen: None,
            held: None,
            tally: Tally::default(),
        };
        while !working.worker.is_over() {
            match working.one_connection() {
                Ok(()) | Err(Failure::Busy(_)) => {}
                Err(Failure::Violation(violation)) => return Err(violation),
            }
            let absence = working.up_to(working.worker.mode.longest_absence());
            std::thread::sleep(absence);
        }
        Ok(working.tally)
    }

    fn connect(&mut self) -> Result<Box<dyn Connection>, Failure> {
        let mut connection = self.sqlite.open()?;
        for pragma in self.mode.pragmas() {
            connection.execute(pragma, &[])?;
        }
        let synchronous = ["PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"];
        connection.execute(synchronous[self.choice.below(2) as usize], &[])?;
        Ok(connection)
    }
}

fn set_busy_wait(connection: &mut dyn Connection, wait: Duration) -> Result<(), Failure> {
    let pragma = format!("PRAGMA busy_timeout = {}", wait.as_millis());
    connection.execute(&pragma, &[])
}

/// Leaves no transaction open, whatever happens in `body`.
fn transaction<T>(
    connection: &mut dyn Connection,
    begin: &str,
    end: &str,
    body: impl FnOnce(&mut dyn Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.execute(begin, &[])?;
    let result = body(connection).and_then(|value| {
        connection.execute(end, &[])?;
        Ok(value)
    });
    if result.is_err() {
        // SQLite may have rolled back already.
        let _ = connection.execute("ROLLBACK", &[]);
    }
    result
}

impl Working {
    fn one_connection(&mut self) -> Result<(), Failure> {
        let mut connection = self.worker.connect()?;
        if self.worker.choice.one_in(4) {
            // As the replicator does. Needs a WAL-index in use, and somebody may be faster.
            schema::newest(&mut *connection, self.worker.number)?;
            connection.keep_checkpoint_lock();
        }
        for _ in 0..self.worker.choice.below(self.worker.mode.most_acts()) {
            if self.worker.is_over() {
                break;
            }
            let act = self.next_act();
            let result = self.act(&mut *connection, act);
            let count = self.tally.0.entry(act).or_default();
            match result {
                Ok(()) => count.0 += 1,
                Err(Failure::Busy(_)) => count.1 += 1,
                Err(violation) => return Err(violation),
            }
            self.tick()?;
            if self.worker.choice.one_in(self.worker.habits.pause) {
                std::thread::sleep(self.up_to(LONGEST_PAUSE));
            }
        }
        self.release()
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.worker.choice.below(longest.as_micros() as u64))
    }

    fn next_act(&mut self) -> Act {
        let habits = self.worker.habits;
        let mut roll = self.worker.choice.below(1000);
        let mut falls_in = |share: u64| {
            let falls = roll < share;
            roll = roll.wrapping_sub(share);
            falls
        };
        if falls_in(habits.write) {
            Act::Write
        } else if falls_in(habits.checkpoint) {
            let rarity = self.worker.mode.checkpoint_rarity();
            if self.worker.choice.one_in(rarity) {
                Act::Checkpoint
            } else {
                Act::Write
            }
        } else if falls_in(habits.integrity) {
            Act::Integrity
        } else if falls_in(habits.hold) {
            Act::Hold
        } else {
            Act::Read
        }
    }

    fn act(&mut self, connection: &mut dyn Connection, act: Act) -> Result<(), Failure> {
        match act {
            Act::Write => self.write(connection),
            Act::Read => self.read(connection),
            Act::Hold => self.hold(),
            Act::Integrity => schema::check_integrity(connection),
            Act::Checkpoint => self.checkpoint(connection),
        }
    }

    fn write(&mut self, connection: &mut dyn Connection) -> Result<(), Failure> {
        let choice = &mut self.worker.choice;
        let deferred = choice.one_in(4);
        let many = choice.one_in(20);
        let rows = if many { MANY_ROWS } else { 1 + choice.below(4) };
        let commit = !choice.one_in(if many { 2 } else { 15 });
        let look_first = deferred || choice.one_in(2);
        let filler_bytes = self.worker.mode.filler_bytes();
        let plan = Transaction {
            worker: self.worker.number,
            from: choice.below(ACCOUNTS as u64) as i64,
            to: choice.below(ACCOUNTS as u64) as i64,
            first: self.newest + 1,
            fillers: (0..rows)
                .map(|_| 10 + choice.below(filler_bytes) as i64)
                .collect(),
        };
        let begin = if deferred { "BEGIN" } else { "BEGIN IMMEDIATE" };
        let end = if commit { "COMMIT" } else { "ROLLBACK" };
        let own = self.newest;
        transaction(connection, begin, end, |connection| {
            if look_first {
                let seen = schema::newest(connection, plan.worker)?;
                if seen != own {
                    return Err(Violation::Stale {
                        worker: plan.worker,
                        committed: own,
                        seen,
                    }
                    .into());
                }
            }
            plan.run(connection)
        })?;
        if commit {
            self.newest += rows as i64;
            let progress = &self.worker.progress;
            progress
                .commit(self.worker.number, self.newest)
                .map_err(io)?;
        }
        Ok(())
    }

    /// In the transaction that `connection` is in, or as a transaction of its own. `committed`:
    /// read before that began.
    fn look(
        &mut self,
        connection: &mut dyn Connection,
        committed: &[i64; WORKERS],
    ) -> Result<Snapshot, Failure> {
        let with_ring = self.worker.choice.one_in(4);
        let snapshot = schema::snapshot(connection, with_ring)?;
        snapshot.check(committed)?;
        if let Some(seen) = &self.seen {
            snapshot.check_follows(seen)?;
        }
        self.seen = Some(snapshot.clone());
        let progress = &self.worker.progress;
        progress.count_snapshot(self.worker.number).map_err(io)?;
        Ok(snapshot)
    }

    fn read(&mut self, connection: &mut dyn Connection) -> Result<(), Failure> {
        let committed = self.worker.progress.committed().map_err(io)?;
        if self.worker.choice.one_in(2) {
            return self.look(connection, &committed).map(|_| ());
        }
        transaction(connection, "BEGIN", "COMMIT", |connection| {
            let first = self.look(connection, &committed)?;
            if self.worker.choice.one_in(5) {
                std::thread::sleep(self.up_to(LONGEST_READ));
                schema::snapshot(connection, true)?.check_same(&first)?;
            }
            Ok(())
        })
    }

    /// Begins a read transaction that outlives this act.
    fn hold(&mut self) -> Result<(), Failure> {
        self.release()?;
        let mut connection = self.worker.connect()?;
        let committed = self.worker.progress.committed().map_err(io)?;
        connection.execute("BEGIN", &[])?;
        let snapshot = self.look(&mut *connection, &committed)?;
        self.held = Some(Held {
            connection,
            snapshot,
            acts_left: 1 + self.worker.choice.below(MOST_HELD),
        });
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Failure> {
        match &mut self.held {
            Some(held) if held.acts_left > 0 => {
                held.acts_left -= 1;
                Ok(())
            }
            _ => self.release(),
        }
    }

    /// What is held must not have changed.
    fn release(&mut self) -> Result<(), Failure> {
        let Some(mut held) = self.held.take() else {
            return Ok(());
        };
        schema::snapshot(&mut *held.connection, true)?.check_same(&held.snapshot)?;
        held.connection.execute("COMMIT", &[])
    }

    fn checkpoint(&mut self, connection: &mut dyn Connection) -> Result<(), Failure> {
        let mode = match self.worker.choice.below(10) {
            0..=3 => Checkpoint::Passive,
            4..=5 => Checkpoint::Full,
            6..=7 => Checkpoint::Restart,
            _ => Checkpoint::Truncate,
        };
        if mode != Checkpoint::Passive {
            // It would wait for our own read transaction.
            self.release()?;
        }
        // It waits for readers with the WRITE lock in hand, and such a reader may wait for that.
        set_busy_wait(connection, CHECKPOINT_WAIT)?;
        let done = connection.checkpoint(mode);
        set_busy_wait(connection, BUSY_WAIT)?;
        if done? {
            Ok(())
        } else {
            Err(Failure::Busy("the checkpoint was refused".into()))
        }
    }
}
