//! Rebuilds a database from a Litestream 0.3 backup: a snapshot, and the WALs that came after it.
//!
//! A backup is a number of generations; each holds snapshots of the database file and the bytes of
//! its WALs in segments, all as LZ4 frames. The snapshot of WAL *n* is the database as it was when
//! WAL *n* began; each WAL is applied as a checkpoint would, then the next.

mod assemble;
mod backups;
mod damage;
mod database;
mod fetch;
mod images;
mod inflate;
mod name;
mod plan;
mod replay;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::ports::{Environment, LiveFile, LogLevel, Objects};
use crate::restore::error::RestoreError;
use crate::restore::{MAX_PARALLELISM, flow};
use crate::units::PageSize;

pub use crate::restore::moment::Moment;
pub use backups::{Backups, History, Segment, Snapshot};
pub use damage::BackupDamage;
pub use inflate::InflateError;
pub use name::{Generation, WalIndex};
pub use plan::{Break, GenerationError, GenerationPlan, Span, plan};
pub use replay::{Leftover, Tail};

use assemble::{Ends, Unpacker, Wals, failed};
use database::{Copying, Database};
use fetch::{Source, pieces};

/// A database that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub generation: Generation,
    /// When the newest file came, Unix milliseconds.
    pub reached_ms: u64,
    pub page_size: PageSize,
    /// The database's length.
    pub pages: u32,
    pub downloaded_bytes: u64,
    pub requests: u64,
    /// Of each page; zero for the lock page, and for pages that nobody wrote.
    pub page_checksums: Vec<u64>,
}

/// The files of the replica's 0.3 backups.
pub async fn list<O: Objects>(objects: &O) -> Result<Backups, RestoreError> {
    fetch::list(objects).await.map(Backups::new)
}

/// Rebuilds the database in `file`, whose content is replaced, with so many requests under way at
/// once (taken as 1 to [`MAX_PARALLELISM`]).
///
/// After an error the file holds nothing of use. A planned file that is gone
/// ([`RestoreError::is_vanished`]) is worth a new listing and plan.
pub async fn restore<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    file: &dyn LiveFile,
    plan: &GenerationPlan,
    parallelism: usize,
) -> Result<Restored, RestoreError> {
    if let Some(other) = plan.newer_elsewhere {
        let told = format!(
            "generation {other} has newer changes than {}, which has the newest snapshot and is \
             restored: two programs wrote to the replica at the same time",
            plan.generation
        );
        environment.log(LogLevel::Warn, &told);
    }
    let source = Source::new(objects, environment);
    let at_once = parallelism.clamp(1, MAX_PARALLELISM);
    // Every time round, one more end is known.
    let mut ends = Ends::new();
    let database = loop {
        match build(&source, environment, file, plan, at_once, &mut ends).await? {
            Some(database) => break database,
            None => {
                let told = "a transaction that does not end was too long to be held back; \
                            beginning again without it";
                environment.log(LogLevel::Info, told);
            }
        }
    };
    let page_size = database.page_size();
    let page_checksums = database.finish()?;
    Ok(Restored {
        generation: plan.generation,
        reached_ms: plan.reached_ms(),
        page_size,
        pages: page_checksums.len() as u32,
        downloaded_bytes: source.downloaded_bytes(),
        requests: source.requests(),
        page_checksums,
    })
}

/// `None`: what never was committed is in the file. `ends` says now where to stop.
async fn build<'a, O: Objects>(
    source: &Source<'_, O>,
    environment: &dyn Environment,
    file: &'a dyn LiveFile,
    plan: &GenerationPlan,
    at_once: usize,
    ends: &mut Ends,
) -> Result<Option<Database<'a>>, RestoreError> {
    source.expect_more(plan.bytes());
    let order = flow::Order::Given;
    let mut unpacker = Unpacker::default();

    let snapshot = &plan.snapshot.entry;
    let mut copying = Copying::new(file)?;
    let wanted = pieces(std::iter::once(snapshot), at_once);
    let fetched = wanted.map(|wanted| source.fetch(wanted));
    flow::run(fetched, at_once, order, |piece| {
        unpacker
            .unpack(&piece, |bytes| copying.push(bytes))
            .map_err(|why| failed(&snapshot.key, why))?;
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let database = copying.finish();
    let database = database.map_err(|why| failed(&snapshot.key, why.into()))?;

    let mut wals = Wals::new(plan, environment, ends, database);
    let segments = plan.segments.iter().map(|segment| &segment.entry);
    let fetched = pieces(segments, at_once).map(|wanted| source.fetch(wanted));
    flow::run(fetched, at_once, order, |piece| {
        wals.take(&piece, &mut unpacker)
    })
    .await?;
    let built = wals.finish();
    if built.is_some() {
        unpacker.report(environment);
    }
    Ok(built)
}
