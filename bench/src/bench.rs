//! What all rows share: the store, a place for files, databases that are filled once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use end_to_end::scene::Scene;
use end_to_end::weed::Store;
use rusqlite::{Connection, params};

/// What all rows share.
pub struct Bench {
    pub scene: Scene,
    pub store: Store,
    quick: bool,
    /// Databases that were filled once and are copied for each turn, by their size in megabytes.
    filled: RefCell<BTreeMap<u64, PathBuf>>,
}

impl Bench {
    pub fn new(scene: Scene, store: Store, quick: bool) -> Bench {
        Bench {
            scene,
            store,
            quick,
            filled: RefCell::default(),
        }
    }

    /// So much, or a tenth of it.
    pub fn scaled(&self, full: u64) -> u64 {
        if self.quick { (full / 10).max(1) } else { full }
    }

    /// So many seconds, or a tenth of them, but time enough for something to happen.
    pub fn seconds(&self, full: u64) -> Duration {
        Duration::from_secs(self.scaled(full).max(3))
    }

    /// A new database of about so many megabytes at `db`.
    pub fn database(&self, db: &Path, megabytes: u64) -> Result<()> {
        let known = self.filled.borrow().get(&megabytes).cloned();
        let template = match known {
            Some(template) => template,
            None => {
                let template = self.scene.fresh("template.db");
                fill(&template, megabytes)?;
                self.filled.borrow_mut().insert(megabytes, template.clone());
                template
            }
        };
        std::fs::copy(&template, db)?;
        Ok(())
    }
}

/// A database in WAL mode, of which two thirds do not compress.
fn fill(db: &Path, megabytes: u64) -> Result<()> {
    let connection = Connection::open(db)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE filled(id INTEGER PRIMARY KEY, body BLOB, rest BLOB)",
    )?;
    // A row fills a page.
    let rows = megabytes * 1_000_000 / 4096;
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO filled SELECT i, randomblob(2600), zeroblob(1300) FROM n",
        params![rows.max(1).cast_signed()],
    )?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}
