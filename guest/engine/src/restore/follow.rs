//! Keeps a restored file up to date: applies what was shipped since, object by object.
//!
//! Each object is one transaction of SQLite's, in rollback mode: readers of the file see all of it
//! or nothing, and a follower that dies half way leaves a journal that the next reader rolls back.
//! The position is written after that. Applied twice, an object changes nothing.

use rusqlite::{Connection, OpenFlags, params};

use crate::ltx::{Event, Header, Layout, ObjectName};
use crate::ports::{Environment, FileError, FileKind, Files, LiveFile, Objects};
use crate::restore::error::{Damage, RestoreError};
use crate::restore::fetch::Source;
use crate::restore::plan::{Listed, Listing, Plan, PlanError, Target, plan};
use crate::restore::reading::read_all;
use crate::restore::{DEFAULT_PARALLELISM, REPLANS};
use crate::units::{Level, PageSize, Pgno, Txid};
use crate::vfs;

/// Where the database header says which journal it is written with.
const JOURNAL_VERSIONS: usize = 18;
const ROLLBACK: [u8; 2] = [1, 1];
const WAL: [u8; 2] = [2, 2];
/// A reader may keep the file locked for so long; then it is tried again at the next step.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(1000);

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    pub before: Txid,
    pub txid: Txid,
    pub pages: u32,
    pub downloaded_bytes: u64,
}

/// Makes a restored file one that can be followed: rollback mode, and its position beside it.
pub fn begin(files: &dyn Files, file: &dyn LiveFile, txid: Txid) -> Result<(), FileError> {
    if file.size()? > JOURNAL_VERSIONS as u64 {
        file.write(JOURNAL_VERSIONS as u64, &ROLLBACK)?;
        file.sync(false)?;
    }
    write_position(files, txid)
}

fn write_position(files: &dyn Files, txid: Txid) -> Result<(), FileError> {
    files.replace_whole(FileKind::Position, format!("{txid}\n").as_bytes())
}

/// Where the file stands.
///
/// Errors: the position is missing or is none.
fn position(files: &dyn Files) -> Result<Txid, RestoreError> {
    let bytes = files.load_whole(FileKind::Position)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    text.parse()
        .map_err(|_| RestoreError::Position(text.to_owned()))
}

/// Applies everything that came since the last step.
pub async fn follow<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    files: &dyn Files,
    vfs_name: &str,
    parallelism: usize,
) -> Result<Followed, RestoreError> {
    let source = Source::new(objects, environment, layout);
    let before = position(files)?;
    let mut done = Followed {
        before,
        txid: before,
        pages: 0,
        downloaded_bytes: 0,
    };
    let mut replans = 0..REPLANS;
    while let Some(plan) = news(&source, done.txid).await? {
        let step = apply_all(&source, files, vfs_name, parallelism, &plan, &mut done).await;
        match step {
            Ok(()) => break,
            Err(error) if error.is_worth_a_new_listing() && replans.next().is_some() => {}
            Err(error) => return Err(error),
        }
    }
    done.downloaded_bytes = source.downloaded_bytes();
    Ok(done)
}

/// Brings a database in WAL mode up to the newest transaction, while others may have it open.
///
/// `is_untouched` must hold: nobody has changed the database since it was at `from`. Errors:
/// [`RestoreError::Changed`] when it does not, or when somebody commits meanwhile.
pub async fn catch_up<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    vfs_name: &str,
    (listing, from): (&Listing, Txid),
    is_untouched: impl Fn() -> bool,
) -> Result<(), RestoreError> {
    let source = Source::new(objects, environment, layout);
    let plan = plan(listing, Some(from), Target::Latest)?;
    let mut database = Database::open(vfs_name, WAL)?;
    database.version = Some(database.data_version()?);
    if !is_untouched() {
        return Err(RestoreError::Changed);
    }
    // All or nothing: half way between two histories it would look like a third one.
    let written = write_all(&source, &database, &plan).await;
    if written.is_err() {
        database.roll_back();
    }
    written
}

async fn write_all<O: Objects>(
    source: &Source<'_, O>,
    database: &Database,
    plan: &Plan,
) -> Result<(), RestoreError> {
    database.begin()?;
    let mut pages = 0;
    for object in &plan.objects {
        let (header, _) = write(source, database, DEFAULT_PARALLELISM, object).await?;
        pages = header.map_or(pages, |header| header.commit);
    }
    database.commit(pages)
}

/// What leads on from `from`. One request when there is nothing: the newest object of level 0 is
/// never deleted.
async fn news<O: Objects>(
    source: &Source<'_, O>,
    from: Txid,
) -> Result<Option<Plan>, RestoreError> {
    let shipped = source.list_shipped_from(from).await?;
    if shipped.newest_shipped() == Some(ObjectName::shipped(from)) {
        return Ok(None);
    }
    let leads_on = |listing: &Listing| plan(listing, Some(from), Target::Latest);
    if let Ok(plan) = leads_on(&shipped)
        && !plan.objects.is_empty()
    {
        return Ok(Some(plan));
    }
    let all = source.list().await?;
    if all.newest().is_some_and(|newest| newest.max == from) {
        return Ok(None);
    }
    match leads_on(&all) {
        Err(PlanError::Behind { from, target }) => Err(RestoreError::Replaced { from, target }),
        Err(PlanError::Empty) => Err(RestoreError::Replaced {
            from,
            target: Txid::ZERO,
        }),
        plan => Ok(Some(plan?)),
    }
}

async fn apply_all<O: Objects>(
    source: &Source<'_, O>,
    files: &dyn Files,
    vfs_name: &str,
    parallelism: usize,
    plan: &Plan,
    done: &mut Followed,
) -> Result<(), RestoreError> {
    let database = Database::open(vfs_name, ROLLBACK)?;
    for object in &plan.objects {
        let applied = apply(source, &database, parallelism, object).await;
        match applied {
            Ok(pages) => done.pages += pages,
            Err(error) => {
                database.roll_back();
                return Err(error);
            }
        }
        write_position(files, object.name.max)?;
        done.txid = object.name.max;
    }
    Ok(())
}

/// One object as one transaction. The file checksum is verified before the commit.
async fn apply<O: Objects>(
    source: &Source<'_, O>,
    database: &Database,
    parallelism: usize,
    object: &Listed,
) -> Result<u32, RestoreError> {
    database.begin()?;
    let (header, pages) = write(source, database, parallelism, object).await?;
    if let Some(header) = header {
        database.commit(header.commit)?;
    }
    Ok(pages)
}

/// Writes an object's pages into the transaction that is open. Its file checksum is verified.
async fn write<O: Objects>(
    source: &Source<'_, O>,
    database: &Database,
    parallelism: usize,
    object: &Listed,
) -> Result<(Option<Header>, u32), RestoreError> {
    let mut header: Option<Header> = None;
    let mut pages = 0;
    read_all(source, [object], parallelism.max(1), |object, event| {
        match event {
            Event::Header(found) => {
                database
                    .check_page_size(found.page_size)
                    .map_err(|why| source.damaged(object, why))?;
                header = Some(*found);
            }
            Event::Page { pgno, data } => {
                database.write(pgno, data)?;
                pages += 1;
            }
            Event::End(_) => {}
        }
        Ok(())
    })
    .await?;
    Ok((header, pages))
}

/// The followed file, through SQLite.
struct Database {
    connection: Connection,
    page_size: PageSize,
    /// What the first page says of the journal, whatever the replica's says.
    journal: [u8; 2],
    /// As of which nobody else has changed it; `None`: nobody else writes it.
    version: Option<i64>,
}

impl Database {
    fn open(vfs_name: &str, journal: [u8; 2]) -> Result<Database, RestoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(vfs::DATABASE_NAME, flags, vfs_name)?;
        connection.busy_timeout(LOCK_WAIT)?;
        // What the replicated schema says must not be run, only stored.
        connection.pragma_update(None, "trusted_schema", false)?;
        let bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let page_size =
            PageSize::new(bytes).map_err(|error| RestoreError::Sqlite(error.to_string()))?;
        Ok(Database {
            connection,
            page_size,
            journal,
            version: None,
        })
    }

    /// Moves on whenever somebody else commits.
    fn data_version(&self) -> Result<i64, RestoreError> {
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(version)
    }

    fn check_page_size(&self, found: PageSize) -> Result<(), Damage> {
        let expected = self.page_size;
        if expected == found {
            return Ok(());
        }
        Err(Damage::PageSize { expected, found })
    }

    fn begin(&self) -> Result<(), RestoreError> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        match self.version {
            Some(version) if version != self.data_version()? => Err(RestoreError::Changed),
            _ => Ok(()),
        }
    }

    fn write(&self, pgno: Pgno, page: &[u8]) -> Result<(), RestoreError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO sqlite_dbpage(pgno, data) VALUES (?1, ?2)")?;
        if pgno == Pgno(1) {
            let mut first = page.to_vec();
            first[JOURNAL_VERSIONS..JOURNAL_VERSIONS + 2].copy_from_slice(&self.journal);
            insert.execute(params![pgno.0, first])?;
        } else {
            insert.execute(params![pgno.0, page])?;
        }
        Ok(())
    }

    /// Cuts the file to so many pages and commits.
    fn commit(&self, pages: u32) -> Result<(), RestoreError> {
        let now: u32 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))?;
        if now > pages {
            self.connection.execute(
                "INSERT INTO sqlite_dbpage(pgno, data) VALUES (?1, NULL)",
                params![pages + 1],
            )?;
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Closing the connection does it too.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

impl<O: Objects> Source<'_, O> {
    /// Level 0 from `txid` on, one request at most a thousand objects.
    async fn list_shipped_from(&self, txid: Txid) -> Result<Listing, RestoreError> {
        let before = Txid(txid.0.saturating_sub(1));
        let after = self.layout().key(&ObjectName::shipped(before));
        let entries = self.list_after(Level::SHIPPED, Some(after)).await?;
        Ok(Listing::new(self.layout(), &entries))
    }
}
