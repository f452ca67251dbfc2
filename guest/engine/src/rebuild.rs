//! A whole restore into the files of one database: rebuild, check, and leave beside it what the
//! next program needs.

use crate::ltx::{Header, Layout};
use crate::ports::{Environment, FileError, FileKind, Files, LiveFile, LogLevel, Objects};
use crate::replica::checksums::{CHOSEN, Checksums, NOBODY};
use crate::restore::generations::{self, Generation, GenerationPlan};
use crate::restore::{self, Options, Plan, REPLANS, RestoreError, Target};
use crate::units::{PageSize, Txid};
use crate::verify::{self, Integrity};

#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub target: Target,
    /// Requests under way at once.
    pub parallelism: usize,
    pub check: Integrity,
    /// The file is to be followed.
    pub follow: bool,
}

/// A database that is restored and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// 0: of a 0.3 backup, which has none.
    pub txid: Txid,
    /// When its last transaction was committed, Unix milliseconds.
    pub time_ms: u64,
    /// Of a 0.3 backup.
    pub generation: Option<Generation>,
    pub page_size: PageSize,
    pub pages: u32,
    pub downloaded_bytes: u64,
    pub requests: u64,
    /// The checksum of the whole database was there and right.
    pub checksum_verified: bool,
}

/// What a restore would read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// And the newest object's header.
    Objects(Plan, Box<Header>),
    /// A backup of Litestream 0.3.
    Generation(Box<GenerationPlan>),
}

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("{kind}: {error}")]
    File { kind: FileKind, error: FileError },
    #[error(
        "{missing} pages of the database are in no object of the replica, and it holds no checksum \
         that would show that they are free pages: restored like this it could be silently wrong"
    )]
    Holes { missing: u32 },
    #[error(
        "the newest backup is one of Litestream 0.3, which cannot be followed. Restore it without \
         -f, and replicate it anew"
    )]
    CannotFollow,
    /// SQLite's complaints.
    #[error("{0}")]
    Integrity(String),
}

/// Builds the (empty) database of `files`. After an error it holds nothing of use.
pub async fn rebuild<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    files: &dyn Files,
    vfs_name: &str,
    wish: Wish,
) -> Result<Rebuilt, RebuildError> {
    let (result, checksums) = build(objects, environment, layout, files, vfs_name, wish).await?;
    if wish.follow {
        if result.generation.is_some() {
            return Err(RebuildError::CannotFollow);
        }
        let file = open(files)?;
        restore::begin_following(files, &*file, result.txid)
            .map_err(in_file(FileKind::Position))?;
    } else if result.generation.is_none() {
        let writer = match wish.target {
            Target::Latest => NOBODY,
            Target::Txid(_) | Target::Before(_) => CHOSEN,
        };
        let cache = Checksums::new(checksums).encode(result.txid, result.page_size, writer);
        if let Err(error) = files.replace_whole(FileKind::Checksums, &cache) {
            // It only saves the first `sync` a full copy.
            let text = format!("the page checksums cannot be saved: {error}");
            environment.log(LogLevel::Warn, &text);
        }
    }
    Ok(result)
}

fn in_file(kind: FileKind) -> impl Fn(FileError) -> RebuildError {
    move |error| RebuildError::File { kind, error }
}

fn open(files: &dyn Files) -> Result<Box<dyn LiveFile>, RebuildError> {
    let file = files.open(FileKind::Database, true);
    file.map_err(in_file(FileKind::Database))
}

/// Builds the database and checks it, and leaves nothing beside it. Returns the pages' checksums,
/// too.
pub async fn build<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    files: &dyn Files,
    vfs_name: &str,
    wish: Wish,
) -> Result<Built, RebuildError> {
    let file = open(files)?;
    let built = match chosen_generation(objects, environment, layout, wish.target).await? {
        Some(plan) => {
            let target = wish.target;
            generation(objects, environment, &*file, plan, target, wish.parallelism).await?
        }
        None => {
            let options = Options {
                target: wish.target,
                parallelism: wish.parallelism,
            };
            let restored = restore::restore(objects, environment, layout, &*file, options).await?;
            if restored.missing_pages > 0 && !restored.checksum_verified {
                return Err(RebuildError::Holes {
                    missing: restored.missing_pages,
                });
            }
            from_objects(restored)
        }
    };
    verify::check(files, vfs_name, wish.check).map_err(RebuildError::Integrity)?;
    Ok(built)
}

/// What [`rebuild`] would read.
pub async fn plan<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    target: Target,
) -> Result<Planned, RestoreError> {
    if let Some(plan) = chosen_generation(objects, environment, layout, target).await? {
        return Ok(Planned::Generation(Box::new(plan)));
    }
    let (plan, header) = restore::plan_for(objects, environment, layout, target).await?;
    Ok(Planned::Objects(plan, Box::new(header)))
}

/// A 0.3 backup, if there is one that is newer than the replica's objects.
async fn chosen_generation<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    target: Target,
) -> Result<Option<GenerationPlan>, RestoreError> {
    let until = match target {
        Target::Latest => None,
        Target::Before(ms) => Some(ms),
        Target::Txid(_) => return Ok(None),
    };
    let backups = generations::list(objects).await?;
    if backups.is_empty() {
        return Ok(None);
    }
    let listing = restore::list(objects, environment, layout, None).await?;
    if !backups.are_chosen_over(&listing, until) {
        return Ok(None);
    }
    Ok(Some(generations::plan(&backups, until)?))
}

async fn generation<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    file: &dyn LiveFile,
    mut plan: GenerationPlan,
    target: Target,
    parallelism: usize,
) -> Result<Built, RestoreError> {
    let mut replans = 0..REPLANS;
    loop {
        match generations::restore(objects, environment, file, &plan, parallelism).await {
            Ok(restored) => return Ok(from_generation(restored)),
            Err(error) if error.is_vanished() && replans.next().is_some() => {
                let text = format!("{error}; listing the backups again");
                environment.log(LogLevel::Warn, &text);
                let until = match target {
                    Target::Before(ms) => Some(ms),
                    Target::Latest | Target::Txid(_) => None,
                };
                plan = generations::plan(&generations::list(objects).await?, until)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// A database in place, and the checksums of its pages.
type Built = (Rebuilt, Vec<u64>);

fn from_objects(restored: restore::Restored) -> Built {
    let rebuilt = Rebuilt {
        txid: restored.txid,
        time_ms: restored.header.timestamp_ms.max(0) as u64,
        generation: None,
        page_size: restored.page_size,
        pages: restored.commit,
        downloaded_bytes: restored.downloaded_bytes,
        requests: restored.requests,
        checksum_verified: restored.checksum_verified,
    };
    (rebuilt, restored.page_checksums)
}

fn from_generation(restored: generations::Restored) -> Built {
    let rebuilt = Rebuilt {
        txid: Txid::ZERO,
        time_ms: restored.reached_ms,
        generation: Some(restored.generation),
        page_size: restored.page_size,
        pages: restored.pages,
        downloaded_bytes: restored.downloaded_bytes,
        requests: restored.requests,
        checksum_verified: false,
    };
    (rebuilt, restored.page_checksums)
}
