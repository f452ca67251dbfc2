//! What the tests of the levels do with a bed.

use super::bed::{Bed, insert};
use crate::ltx::{Layout, ObjectName};
use crate::ports::LogLevel;
use crate::replica::Error;
use crate::replica::levels::{Compacted, Forced};
use crate::restore::{self, Target};
use crate::testing::MemoryFile;
use futures::executor::block_on;
use rusqlite::Connection;

pub const MINUTE: u64 = 60_000;
pub const DAY: u64 = 1440 * MINUTE;

impl Bed {
    pub fn compact(&self) -> Compacted {
        let forced = Forced::default();
        block_on(self.sidecar.compact(forced)).unwrap()
    }

    pub fn try_compact(&self) -> Result<Compacted, Error> {
        block_on(self.sidecar.compact(Forced::default()))
    }

    pub fn pass(&self, ms: u64) {
        let now = self.environment.now_ms.get();
        self.environment.now_ms.set(now + ms);
    }

    /// The TXIDs of a level's objects.
    pub fn level(&self, level: u8) -> Vec<(u64, u64)> {
        let keys = self.store.keys();
        let names = keys.iter().filter_map(|key| Layout::Hexadecimal.parse(key));
        let names = names.filter(|name: &ObjectName| name.level.get() == level);
        names.map(|name| (name.min.0, name.max.0)).collect()
    }

    pub fn commit(&self, app: &Connection, rows: u32) {
        insert(app, rows);
        self.drain();
    }

    /// What the levels hold must be the same without it.
    pub fn lose_level_0(&self) {
        for key in self.store.keys() {
            if key.starts_with("0000/") {
                self.store.remove(&key);
            }
        }
    }

    pub fn restores_to(&self, target: Target) -> Vec<u8> {
        let file = MemoryFile::default();
        let options = restore::Options {
            target,
            ..restore::Options::default()
        };
        block_on(restore::restore(
            &self.store,
            &*self.environment,
            Layout::Hexadecimal,
            &file,
            options,
        ))
        .unwrap();
        file.bytes.into_inner()
    }

    pub fn complaints(&self) -> Vec<String> {
        let log = self.environment.log.borrow();
        let loud = log
            .iter()
            .filter(|(level, _)| matches!(level, LogLevel::Warn | LogLevel::Error));
        loud.map(|(_, line)| line.clone()).collect()
    }
}
