//! Finds out which transaction is the newest, and where its pages lie.

use super::{Edge, EdgeError, Freshness, Head, PageMap};
use crate::ltx::{Extra, Header, ObjectName};
use crate::mutants::{self, Mutant};
use crate::ports::{ByteRange, LogLevel, ObjectError, Objects};
use crate::restore::{
    self, Listed, Listing, Plan, PlanError, RestoreError, SMALL_OBJECT_BYTES, Target,
};
use crate::units::{Level, PageSize, Txid};
use futures::StreamExt;
use std::rc::Rc;

/// How long an object of level 0 stays at least though it was merged, as long as edges alone look
/// after the replica.
pub(super) const STAY_MS: u64 = 5 * 60_000;

/// Whoever looked longer ago than this does not tell by a missing object that nothing came: it may
/// soon have come and gone.
pub(super) const FOLLOW_MS: u64 = STAY_MS / 5;

/// Pages of a database that is created here: SQLite's own default.
const PAGE_SIZE: u32 = 4096;

/// Objects opened at once: most are a few kilobytes, 16 of the largest small ones 4 MiB.
const OPENED_AT_ONCE: usize = 16;

impl<O: Objects> Edge<O> {
    /// The database as of the newest transaction, as fresh as the settings say.
    pub async fn newest(&self) -> Result<Rc<PageMap>, EdgeError> {
        let began = self.environment.now_ms();
        let Some(head) = self.head.borrow().clone() else {
            return self.open().await;
        };
        // A clock that was put back proves nothing.
        let age = began.checked_sub(head.confirmed_ms);
        match (age, self.settings.freshness) {
            (Some(age), Freshness::Bounded(ms)) if age <= ms => Ok(head.map),
            _ if mutants::is(Mutant::NeverAsks) => Ok(head.map),
            (Some(age), _) if age < FOLLOW_MS && self.may_follow(&head.map) => {
                self.follow(head.map, head.confirmed_ms).await
            }
            _ => self.catch_up(head.map).await,
        }
    }

    /// How soon a sidecar deletes what it merged is its user's decision: what it ships is listed.
    fn may_follow(&self, map: &PageMap) -> bool {
        map.txid() > Txid::ZERO && !self.settings.read_only
    }

    /// The same, however fresh what is known may be.
    pub(super) async fn confirmed(&self) -> Result<Rc<PageMap>, EdgeError> {
        match self.known_map() {
            Some(map) => self.catch_up(map).await,
            None => self.open().await,
        }
    }

    /// Takes one transaction after the other, until there is no next one. `map` was the newest at
    /// `newest_ms`.
    async fn follow(
        &self,
        mut map: Rc<PageMap>,
        mut newest_ms: u64,
    ) -> Result<Rc<PageMap>, EdgeError> {
        let source = self.source();
        loop {
            let began = self.environment.now_ms();
            let name = ObjectName::shipped(map.txid().next());
            let key = self.settings.layout.key(&name);
            let small = ByteRange {
                offset: 0,
                length: SMALL_OBJECT_BYTES,
            };
            match self.objects.get(&key, Some(small)).await {
                Err(ObjectError::NotFound(_)) => {
                    // An instance that stood still may have asked when it had come and gone.
                    let age = self.environment.now_ms().checked_sub(newest_ms);
                    // Half of it: clocks differ, and are set.
                    return match age.is_some_and(|age| age < STAY_MS / 2) {
                        true => Ok(self.confirm(map, began)),
                        false => self.catch_up(map).await,
                    };
                }
                Err(error) => return Err(EdgeError::Store(error)),
                Ok(bytes) if (bytes.len() as u64) < SMALL_OBJECT_BYTES => {
                    let object = Listed {
                        name,
                        size: bytes.len() as u64,
                        modified_ms: 0,
                    };
                    let contents = self.take_whole(&source, &object, &bytes)?;
                    self.check_page_size(&map, &object, &contents.header)?;
                    let next = Rc::make_mut(&mut map);
                    next.apply(name, &contents.header, contents.index);
                    self.confirm(Rc::clone(&map), began);
                    newest_ms = began;
                }
                // Only a listing tells how long it is.
                Ok(_) => return self.catch_up(map).await,
            }
        }
    }

    /// Lists what came since. Anything that does not simply go on is opened anew.
    async fn catch_up(&self, map: Rc<PageMap>) -> Result<Rc<PageMap>, EdgeError> {
        let began = self.environment.now_ms();
        let (source, txid) = (self.source(), map.txid());
        let before = Txid(txid.0.saturating_sub(1));
        let after = Some(self.key(before)).filter(|_| before > Txid::ZERO);
        let entries = source.list_after(Level::SHIPPED, after).await?;
        let listing = Listing::new(self.settings.layout, &entries);
        let mut found = listing.objects().iter();
        // The newest of level 0 is never deleted: without it, this is another replica by now.
        if found.next().is_none_or(|first| first.name.max != txid) {
            return self.open().await;
        }
        let mut expected = txid.next();
        let mut newer = Vec::new();
        for object in found {
            if object.name != ObjectName::shipped(expected) {
                return self.open().await;
            }
            newer.push(*object);
            expected = expected.next();
        }
        let map = match self.apply(map, &newer).await {
            Err(EdgeError::Gone) => return self.open().await,
            applied => applied?,
        };
        Ok(self.confirm(map, began))
    }

    /// Lists everything and builds the map from nothing.
    async fn open(&self) -> Result<Rc<PageMap>, EdgeError> {
        // It may be another replica by now, with objects of the same names.
        self.cache.borrow_mut().clear();
        let mut tries = 0..restore::REPLANS;
        loop {
            let began = self.environment.now_ms();
            let again = match self.open_once().await {
                Ok(map) => return Ok(self.confirm(map, began)),
                Err(EdgeError::Gone) => EdgeError::Gone,
                Err(EdgeError::Replica(RestoreError::Plan(gap @ PlanError::Gap { .. }))) => {
                    EdgeError::Replica(gap.into())
                }
                Err(error) => return Err(error),
            };
            if tries.next().is_none() {
                return Err(again);
            }
            let message = format!("{again}; listing the replica again");
            self.environment.log(LogLevel::Warn, &message);
        }
    }

    async fn open_once(&self) -> Result<Rc<PageMap>, EdgeError> {
        let listing = self.source().list().await?;
        if listing.is_empty() {
            if self.settings.read_only {
                return Err(EdgeError::NoDatabase);
            }
            return Ok(Rc::new(PageMap::empty(nothing())));
        }
        let plan = restore::plan(&listing, None, Target::Latest);
        let Plan { objects, .. } = plan.map_err(RestoreError::from)?;
        self.map_of(&objects).await
    }

    /// Where the pages lie that these objects, one after the other, amount to.
    pub(super) async fn map_of(&self, objects: &[Listed]) -> Result<Rc<PageMap>, EdgeError> {
        self.apply(Rc::new(PageMap::empty(nothing())), objects)
            .await
    }

    async fn apply(
        &self,
        mut map: Rc<PageMap>,
        objects: &[Listed],
    ) -> Result<Rc<PageMap>, EdgeError> {
        let opened = objects.iter().map(|object| self.contents(object));
        let mut opened = futures::stream::iter(opened).buffered(OPENED_AT_ONCE);
        let mut outcome = Ok(());
        let mut left = objects.iter();
        // All that were begun are waited for: nothing is left in flight.
        while let Some(contents) = opened.next().await {
            let (Some(object), Ok(())) = (left.next(), &outcome) else {
                continue;
            };
            outcome = contents.and_then(|contents| {
                self.check_page_size(&map, object, &contents.header)?;
                let map = Rc::make_mut(&mut map);
                map.apply(object.name, &contents.header, contents.index);
                Ok(())
            });
        }
        outcome.map(|()| map)
    }

    fn check_page_size(
        &self,
        map: &PageMap,
        object: &Listed,
        header: &Header,
    ) -> Result<(), EdgeError> {
        let (expected, found) = (map.page_size(), header.page_size);
        if expected == found || map.txid() == Txid::ZERO {
            return Ok(());
        }
        let damage = restore::Damage::PageSize { expected, found };
        Err(self.source().damaged(object, damage).into())
    }

    /// Takes note that `map` was the newest when `began` was.
    pub(super) fn confirm(&self, map: Rc<PageMap>, began: u64) -> Rc<PageMap> {
        let before = self.head.take();
        let ours = map.header.node == self.settings.writer;
        let own = match &before {
            Some(head) if head.map.txid() == map.txid() => head.own,
            Some(head) if ours && head.map.txid().next() == map.txid() => head.own + 1,
            _ => u32::from(ours),
        };
        self.head.replace(Some(Head {
            map: Rc::clone(&map),
            confirmed_ms: began,
            own,
        }));
        map
    }

    /// What is known is of no use any more: the next transaction lists the replica.
    pub(super) fn forget(&self) {
        self.head.replace(None);
    }
}

/// What stands for a database without any transaction.
fn nothing() -> Header {
    let page_size = PageSize::new(PAGE_SIZE).unwrap_or(PageSize::MAX);
    Header {
        page_size,
        commit: 0,
        min: Txid::ZERO,
        max: Txid::ZERO,
        timestamp_ms: 0,
        wal_offset: 0,
        wal_size: 0,
        salts: (0, 0),
        node: 0,
        extra: Extra::default(),
    }
}
