//! How a row is measured: the programs take turns, each time in the other order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use end_to_end::program::Program;
use end_to_end::scene::Scene;
use end_to_end::weed::Store;

use crate::report::{Measured, RowReport};
use crate::rows::Row;
use crate::stage;

/// Who is measured, in the order of the table's columns.
pub const BOTH: [Program; 2] = [Program::Seawall, Program::Litestream];

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
                stage::fill(&template, megabytes)?;
                self.filled.borrow_mut().insert(megabytes, template.clone());
                template
            }
        };
        std::fs::copy(&template, db)?;
        Ok(())
    }

    pub fn measure(&self, row: &'static Row, rounds: usize) -> Result<RowReport> {
        let mut report = RowReport::new(row);
        for round in 0..rounds.min(row.rounds) {
            let mut turns = BOTH;
            if round % 2 == 1 {
                turns.reverse();
            }
            for program in turns {
                eprintln!("{}: {}, round {}", row.name, program.name(), round + 1);
                let measured: Measured = (row.measure)(self, program)
                    .with_context(|| format!("{}, {}", row.name, program.name()))?;
                report.push(program, measured);
            }
        }
        Ok(report)
    }
}
