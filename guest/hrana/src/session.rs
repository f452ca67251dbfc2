//! What SQL runs in: a connection, and what became of its transaction.

use crate::access::Access;
use crate::budget::Turn;
use crate::clock::Deadline;
use crate::error::{Error, Failure};
use crate::keyword::{self, Keyword};
use crate::statement;
use crate::texts::is_short;
use crate::wire::{self, DescribeResult, StatementResult};
use engine::edge::{Connection, SqlError};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::limits::Limit;
use rusqlite::{Batch, Statement};
use std::rc::Rc;
use std::time::Instant;

/// Of one value or row, bytes. A statement could fill the memory otherwise.
const VALUE_BYTES: i32 = 64 << 20;

struct Open {
    connection: Connection,
    deadline: Deadline,
}

impl Open {
    fn new(turn: &Turn<'_>) -> Result<Open, SqlError> {
        let mut connection = turn.source.connect()?;
        let deadline = Deadline::never();
        let (late, sending) = (deadline.clone(), deadline.clone());
        connection
            .watch(move || late.has_passed(), move || sending.clear())
            .and_then(|()| connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES))
            .map_err(|error| connection.explain(error))?;
        Ok(Open {
            connection,
            deadline,
        })
    }
}

pub struct Session {
    access: Access,
    /// From the first statement on.
    open: Option<Rc<Open>>,
    /// In a transaction that was begun to read only.
    reading: bool,
    /// Why SQLite rolled the transaction back by itself. What the client sends as the rest of it
    /// must not take effect alone.
    lost: Option<Error>,
}

impl Session {
    pub fn new(access: Access) -> Session {
        Session {
            access,
            open: None,
            reading: false,
            lost: None,
        }
    }

    pub fn access(&self) -> Access {
        self.access
    }

    pub fn is_autocommit(&self) -> bool {
        let open = self.open.as_ref();
        open.is_none_or(|open| open.connection.is_autocommit())
    }

    pub async fn execute(
        &mut self,
        turn: &Turn<'_>,
        sql: &str,
        given: &wire::Statement,
    ) -> Result<StatementResult, Error> {
        is_short(sql, turn.limits)?;
        let keyword = keyword::of(sql);
        if self.had_no_transaction(keyword)? {
            return Ok(StatementResult::default());
        }
        let sql = match keyword {
            Keyword::BeginReadOnly => "BEGIN",
            _ => sql,
        };
        let open = self.open(turn)?;
        let mut statement = statement::single(&open.connection, sql)?;
        statement::bind(&mut statement, given)?;
        let want_rows = given.want_rows.unwrap_or(true);
        let running = self.run(turn, &open, &mut statement, keyword, want_rows);
        running.await
    }

    /// One statement after the other, until one fails.
    pub async fn sequence(&mut self, turn: &Turn<'_>, sql: &str) -> Result<(), Error> {
        let open = self.open(turn)?;
        let mut statements = Batch::new(&open.connection, sql);
        loop {
            let next = statements.next();
            let next = next.map_err(|error| Failure::from(open.connection.explain(error)))?;
            let Some(mut statement) = next else {
                return Ok(());
            };
            let keyword = keyword::of(&statement.expanded_sql().unwrap_or_default());
            if !self.had_no_transaction(keyword)? {
                let running = self.run(turn, &open, &mut statement, keyword, false);
                running.await?;
            }
        }
    }

    pub fn describe(&mut self, turn: &Turn<'_>, sql: &str) -> Result<DescribeResult, Error> {
        is_short(sql, turn.limits)?;
        let open = self.open(turn)?;
        let statement = statement::single(&open.connection, sql)?;
        Ok(statement::describe(&statement))
    }

    fn open(&mut self, turn: &Turn<'_>) -> Result<Rc<Open>, Failure> {
        if let Some(open) = &self.open {
            return Ok(Rc::clone(open));
        }
        let open = Rc::new(Open::new(turn)?);
        self.open = Some(Rc::clone(&open));
        self.restrict(&open);
        Ok(open)
    }

    fn restrict(&self, open: &Open) {
        let only_read = self.access == Access::Read || self.reading;
        open.connection.only_read(only_read);
    }

    /// True: this would end a transaction that SQLite has ended already, and nothing is to be done.
    fn had_no_transaction(&mut self, keyword: Keyword) -> Result<bool, Error> {
        let Some(lost) = &self.lost else {
            return Ok(false);
        };
        let error = lost.clone();
        match keyword {
            Keyword::Other => return Err(error),
            _ => self.lost = None,
        }
        match keyword {
            Keyword::Commit => Err(error),
            keyword => Ok(keyword == Keyword::Rollback),
        }
    }

    async fn run(
        &mut self,
        turn: &Turn<'_>,
        open: &Open,
        statement: &mut Statement<'_>,
        keyword: Keyword,
        want_rows: bool,
    ) -> Result<StatementResult, Error> {
        self.check(turn, statement, keyword)?;
        let connection = &open.connection;
        let began_alone = connection.is_autocommit();
        let ends = turn.deadline();
        let mut tries = 0;
        let writes_alone = began_alone && keyword == Keyword::Other && !statement.readonly();
        let mut once = || {
            open.deadline.set(ends);
            let result = statement::run(connection, statement, want_rows, turn);
            open.deadline.clear();
            result
        };
        let result = loop {
            let result = match writes_alone && tries == 0 {
                true => connection.write_alone(&mut once),
                false => once(),
            };
            let again = began_alone
                && keyword == Keyword::Other
                && tries < turn.limits.retries
                && matches!(&result, Err(failure) if failure.passing)
                && connection.is_autocommit();
            if !again || Instant::now() >= ends {
                break result;
            }
            tries += 1;
            turn.back_off(tries).await;
        };
        let is_autocommit = connection.is_autocommit();
        self.reading = !is_autocommit && (self.reading || keyword == Keyword::BeginReadOnly);
        self.restrict(open);
        let error = match result {
            Ok(result) => return Ok(result),
            Err(failure) => explained(failure.error, turn),
        };
        if !began_alone && is_autocommit && keyword == Keyword::Other {
            let text = format!(
                "the transaction was rolled back, and nothing of it took effect ({}); begin it again",
                error.message
            );
            self.lost = Some(Error::new("SQLITE_ABORT_ROLLBACK", text));
        }
        Err(error)
    }

    fn check(
        &self,
        turn: &Turn<'_>,
        statement: &Statement<'_>,
        keyword: Keyword,
    ) -> Result<(), Error> {
        let refused = match self.access {
            _ if statement.readonly() => None,
            Access::Read => Some("this token may only read"),
            Access::Write if self.reading => Some("the transaction was begun to read only"),
            Access::Write => None,
        };
        if let Some(text) = refused {
            return Err(Error::new("SQLITE_READONLY", text));
        }
        // A transaction can be rolled back at any time.
        if turn.is_over() && keyword != Keyword::Rollback {
            let limit = turn.limits.request;
            let text = format!("the request took longer than {limit:?}; this was not run any more");
            return Err(Error::new(INTERRUPT, text));
        }
        Ok(())
    }
}

const INTERRUPT: &str = "SQLITE_INTERRUPT";

fn explained(error: Error, turn: &Turn<'_>) -> Error {
    if error.code != INTERRUPT {
        return error;
    }
    let limit = turn.limits.statement;
    let over = turn.is_over().then_some(turn.limits.request);
    let limit = over.unwrap_or(limit);
    let text = format!("took longer than {limit:?} and was stopped; it had no effect");
    Error::new(INTERRUPT, text)
}
