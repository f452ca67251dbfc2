//! Connections to a database that lives in the store, and what SQL may not do there.

use super::vfs::{self, Link, System, Trust, Wait, Waiting};
use super::{Edge, EdgeError};
use crate::ports::{Environment, Objects};
use crate::vfs::DATABASE_NAME;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{OpenFlags, ffi};
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;

/// Pragmas that only read, or that change what is the connection's own business.
const HARMLESS: &[&str] = &[
    "analysis_limit",
    "application_id",
    "busy_timeout",
    "case_sensitive_like",
    "cell_size_check",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "ignore_check_constraints",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "optimize",
    "page_count",
    "pragma_list",
    "query_only",
    "quick_check",
    "recursive_triggers",
    "reverse_unordered_selects",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Pragmas that may be asked, but not set: the store decides about them.
const TO_READ: &[&str] = &[
    "auto_vacuum",
    "encoding",
    "journal_mode",
    "locking_mode",
    "max_page_count",
    "page_size",
    "schema_version",
    "synchronous",
    "temp_store",
];

/// A database that lives in the store, registered with SQLite for as long as the process lives.
pub struct Database<O> {
    edge: Rc<Edge<O>>,
    vfs: String,
    opening: Rc<RefCell<Option<Rc<Link>>>>,
}

impl<O: Objects + 'static> Database<O> {
    /// `name` is that of the VFS: one for each database of a process.
    pub fn register<W: Wait + 'static>(
        name: &str,
        edge: Edge<O>,
        environment: Rc<dyn Environment>,
        wait: W,
    ) -> Result<Database<O>, rusqlite::Error> {
        let edge = Rc::new(edge);
        let opening = Rc::default();
        let system = System {
            pages: Rc::new(Waiting {
                edge: Rc::clone(&edge),
                wait,
            }),
            opening: Rc::clone(&opening),
        };
        match vfs::register(name, system, environment) {
            ffi::SQLITE_OK => Ok(Database {
                edge,
                vfs: name.to_owned(),
                opening,
            }),
            code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    }

    pub fn edge(&self) -> &Edge<O> {
        &self.edge
    }

    /// For a statement that somebody waits for already: what is found out here need not be asked
    /// again for it.
    ///
    /// Errors: as [`Database::connect`].
    pub fn connect_now(&self) -> Result<Connection, SqlError> {
        let unknown = self.edge.known().is_none();
        let connection = self.connect()?;
        if unknown {
            connection.link.trust.set(Trust::News);
        }
        Ok(connection)
    }

    /// Finds out what the database looks like, unless that is known; the first transaction asks
    /// again.
    pub fn connect(&self) -> Result<Connection, SqlError> {
        let link = Rc::<Link>::default();
        link.trust.set(Trust::Known);
        self.opening.replace(Some(Rc::clone(&link)));
        let opened = open(&self.vfs);
        link.trust.set(Trust::Fresh);
        match opened {
            Ok(sqlite) => Ok(Connection { sqlite, link }),
            Err(sqlite) => Err(link.explain(sqlite)),
        }
    }
}

fn open(vfs: &str) -> Result<rusqlite::Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut sqlite = rusqlite::Connection::open_with_flags_and_vfs(DATABASE_NAME, flags, vfs)?;
    // The rest is as SQLite has it: commits are synced, and 2 MB of pages are its own. What a
    // transaction changes beyond that is handed to us before it ends.
    sqlite.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY")?;
    // Pages as they are (`sqlite_dbpage`) may be read, not written.
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    sqlite.authorizer(Some(authorize))?;
    Ok(sqlite)
}

/// What SQLite says, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}", match .cause { Some(cause) => cause.to_string(), None => .sqlite.to_string() })]
pub struct SqlError {
    pub sqlite: rusqlite::Error,
    /// What it has no number for.
    pub cause: Option<Box<EdgeError>>,
}

impl Link {
    fn explain(&self, sqlite: rusqlite::Error) -> SqlError {
        let cause = self.failure.take().map(Box::new);
        SqlError { sqlite, cause }
    }
}

/// A connection of SQLite's, and the reasons that it cannot tell.
pub struct Connection {
    sqlite: rusqlite::Connection,
    link: Rc<Link>,
}

/// Steps of SQLite's machine between two looks at the time: well under a millisecond.
const STEPS_UNWATCHED: i32 = 1000;

impl Connection {
    /// `late` is asked while a statement runs, and ends it with SQLITE_INTERRUPT. `sending` is
    /// called when a transaction is about to be sent: from then on `late` has to say no, since
    /// SQLite would also call a statement interrupted that has just been committed.
    pub fn watch(
        &mut self,
        late: impl FnMut() -> bool + Send + 'static,
        mut sending: impl FnMut() + Send + 'static,
    ) -> Result<(), rusqlite::Error> {
        self.sqlite.progress_handler(STEPS_UNWATCHED, Some(late))?;
        self.sqlite.commit_hook(Some(move || {
            sending();
            false
        }))
    }

    /// From now on nothing is written through this connection, whatever SQL says.
    pub fn only_read(&self, only_read: bool) {
        self.link.only_read.set(only_read);
    }

    /// Runs a single statement that writes, outside any transaction. As long as nobody else seems to
    /// write, the store is not asked before whether somebody did: the commit tells, and what went
    /// by a state that nothing confirmed is run again.
    pub fn write_alone<T>(&self, mut run: impl FnMut() -> T) -> T {
        if self.link.trust.get() == Trust::News {
            return run();
        }
        self.link.trust.set(Trust::Hope);
        let first = run();
        match self.link.trust.take() {
            Trust::Hoped => run(),
            _ => first,
        }
    }

    /// Together with the reason, if an error of the last call was not SQLite's own doing.
    pub fn explain(&self, sqlite: rusqlite::Error) -> SqlError {
        self.link.explain(sqlite)
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.sqlite
    }
}

/// What would reach beyond the database, or break the way to the store, is refused.
fn authorize(context: AuthContext<'_>) -> Authorization {
    let allowed = match context.action {
        // An empty name is a database in memory; VACUUM makes one.
        AuthAction::Attach { filename } => filename.is_empty(),
        AuthAction::Function { function_name } => function_name != "load_extension",
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let is = |name: &&str| pragma_name.eq_ignore_ascii_case(name);
            HARMLESS.iter().any(is) || (pragma_value.is_none() && TO_READ.iter().any(is))
        }
        _ => true,
    };
    match allowed {
        true => Authorization::Allow,
        false => Authorization::Deny,
    }
}
