//! A database that lives in the store: pages are read when they are needed, a transaction is one
//! object that is created at the next TXID or not at all.
//!
//! [`head`] finds out which transaction is the newest, [`map`] says where each page lies as of it,
//! [`read`] fetches pages through the [`cache`], [`commit`] sends a transaction, [`vfs`] puts
//! SQLite on top.

mod cache;
mod commit;
mod error;
mod head;
mod map;
mod object;
mod read;
mod sql;
mod upkeep;
mod vfs;

#[cfg(test)]
mod tests;

pub use cache::Used;
pub use commit::Changes;
pub use error::EdgeError;
pub use map::PageMap;
pub use sql::{Connection, Database, SqlError};
pub use upkeep::Maintained;
pub use vfs::Wait;

use crate::ltx::Layout;
use crate::ports::Environment;
use crate::units::{Pgno, Txid};
use cache::Cache;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How old what a transaction reads may be when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing that was acknowledged before is missed: one request before each transaction.
    Strong,
    /// Milliseconds; within them no request is sent.
    Bounded(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub layout: Layout,
    /// Who we are, in the objects that we write. Random, and another one for each instance.
    pub writer: u64,
    /// Nothing is ever written.
    pub read_only: bool,
    pub freshness: Freshness,
    /// Of pages that are kept in memory.
    pub cache_bytes: u64,
    /// Of the pages that one transaction may change.
    pub transaction_bytes: u64,
}

/// What the connections of one instance share.
pub struct Edge<O> {
    objects: O,
    environment: Rc<dyn Environment>,
    settings: Settings,
    head: RefCell<Option<Head>>,
    cache: RefCell<Cache>,
    ahead: Cell<read::Ahead>,
    upkeep: Cell<upkeep::Pending>,
}

/// The newest transaction that is known.
#[derive(Debug, Clone)]
struct Head {
    map: Rc<PageMap>,
    /// When it certainly was the newest, Unix milliseconds.
    confirmed_ms: u64,
    /// The transactions before it that are ours, itself included, without one of others between.
    own: u32,
}

/// So many commits of ours in a row, and we take ourselves for the only writer.
const ALONE: u32 = 2;

impl<O> Edge<O> {
    pub fn new(objects: O, environment: Rc<dyn Environment>, settings: Settings) -> Edge<O> {
        Edge {
            objects,
            environment,
            settings,
            head: RefCell::new(None),
            cache: RefCell::new(Cache::new(settings.cache_bytes)),
            ahead: Cell::new(read::Ahead::default()),
            upkeep: Cell::new(upkeep::Pending::default()),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The newest transaction that is known, and its age in milliseconds; asks nobody.
    pub fn known(&self) -> Option<(Txid, u64)> {
        let head = self.head.borrow();
        let now = self.environment.now_ms();
        head.as_ref()
            .map(|head| (head.map.txid(), now.saturating_sub(head.confirmed_ms)))
    }

    fn known_map(&self) -> Option<Rc<PageMap>> {
        let head = self.head.borrow();
        head.as_ref().map(|head| Rc::clone(&head.map))
    }

    /// What is known, if a write may begin with it and not ask first: nobody else has written for a
    /// while. Whether that still holds is told by the commit.
    fn known_alone(&self) -> Option<Rc<PageMap>> {
        let head = self.head.borrow().clone()?;
        let age = self.environment.now_ms().checked_sub(head.confirmed_ms);
        let recent = age.is_some_and(|age| age < head::FOLLOW_MS);
        (recent && head.own >= ALONE).then_some(head.map)
    }

    pub fn cached(&self) -> Used {
        self.cache.borrow().used()
    }

    fn key(&self, txid: Txid) -> String {
        let name = crate::ltx::ObjectName::shipped(txid);
        self.settings.layout.key(&name)
    }

    fn hold(&self, object: crate::ltx::ObjectName, pgno: Pgno, page: cache::Page) {
        let version = cache::Version { object, pgno };
        self.cache.borrow_mut().insert(version, page);
    }
}
