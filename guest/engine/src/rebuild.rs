//! A whole restore into the files of one database: rebuild, check, and leave beside it what the
//! next program needs.

use crate::ltx::Layout;
use crate::ports::{Environment, FileError, FileKind, Files, LogLevel, Objects};
use crate::replica::checksums::Checksums;
use crate::restore::{self, Options, RestoreError, Restored, Target};
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
    pub txid: Txid,
    pub page_size: PageSize,
    pub pages: u32,
    pub downloaded_bytes: u64,
    pub requests: u64,
    /// The checksum of the whole database was there and right.
    pub checksum_verified: bool,
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
    let in_file = |kind| move |error| RebuildError::File { kind, error };
    let file = files
        .open(FileKind::Database, true)
        .map_err(in_file(FileKind::Database))?;
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
    verify::check(files, vfs_name, wish.check).map_err(RebuildError::Integrity)?;
    if wish.follow {
        restore::begin_following(files, &*file, restored.txid)
            .map_err(in_file(FileKind::Position))?;
        return Ok(rebuilt(&restored));
    }
    let result = rebuilt(&restored);
    let checksums = Checksums::new(restored.page_checksums);
    let cache = checksums.encode(restored.txid, restored.page_size);
    if let Err(error) = files.replace_whole(FileKind::Checksums, &cache) {
        // It only saves the first `sync` a full copy.
        let text = format!("the page checksums cannot be saved: {error}");
        environment.log(LogLevel::Warn, &text);
    }
    Ok(result)
}

fn rebuilt(restored: &Restored) -> Rebuilt {
    Rebuilt {
        txid: restored.txid,
        page_size: restored.page_size,
        pages: restored.commit,
        downloaded_bytes: restored.downloaded_bytes,
        requests: restored.requests,
        checksum_verified: restored.checksum_verified,
    }
}
