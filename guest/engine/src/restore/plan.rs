//! Which objects to read to rebuild the database, and in what order.
//!
//! Pure: takes a listing, returns a [`Plan`]. Nothing here does I/O.

use std::cmp::Reverse;

use crate::ltx::{Layout, ObjectName};
use crate::ports::Entry;
use crate::units::{Level, Txid};

/// An object of the replica as the store lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub name: ObjectName,
    /// Bytes.
    pub size: u64,
    /// Unix time, milliseconds, at which the store took the object.
    pub modified_ms: u64,
}

/// The objects of a replica, of all levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    layout: Layout,
    objects: Vec<Listed>,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The newest transaction of any level.
    Latest,
    /// Exactly this transaction.
    Txid(Txid),
    /// The last transaction before this moment, Unix milliseconds.
    Before(u64),
}

/// Objects to apply one after the other, where a later one's pages replace an earlier one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Oldest first.
    pub objects: Vec<Listed>,
    /// The transaction the database is at when the last one was applied.
    pub reached: Txid,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("no matching backup files available")]
    Empty,
    #[error(
        "non-contiguous ltx files: transactions are missing after {after}, the next that is there is {next}"
    )]
    Gap { after: Txid, next: Txid },
    #[error(
        "transaction {wanted} is not available: the nearest before it is {nearest}, the newest is {newest}. A transaction inside a merged file cannot be singled out; `seawall ltx -level all` lists those that can"
    )]
    TxidUnavailable {
        wanted: Txid,
        nearest: Txid,
        newest: Txid,
    },
    #[error("a moment has to be looked up in the objects before it can be planned for")]
    Unresolved,
    #[error("the database is at transaction {from} already, after {target}")]
    Behind { from: Txid, target: Txid },
}

impl Plan {
    /// Of all objects together.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }
}

impl Listing {
    /// Entries that are no objects of the replica are left out.
    pub fn new<'a>(layout: Layout, entries: impl IntoIterator<Item = &'a Entry>) -> Listing {
        let listed = |entry: &Entry| {
            let name = layout.parse(&entry.key)?;
            let (size, modified_ms) = (entry.size, entry.modified_ms);
            Some(Listed {
                name,
                size,
                modified_ms,
            })
        };
        Listing::of(layout, entries.into_iter().filter_map(listed).collect())
    }

    pub fn of(layout: Layout, objects: Vec<Listed>) -> Listing {
        Listing { layout, objects }
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    pub fn objects(&self) -> &[Listed] {
        &self.objects
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object that reaches furthest; of several, the one of the highest level.
    pub fn newest(&self) -> Option<ObjectName> {
        let names = self.objects.iter().map(|object| object.name);
        names.max_by_key(|name| (name.max, name.level))
    }

    /// The newest object of level 0: where Litestream takes the replica to end.
    pub fn newest_shipped(&self) -> Option<ObjectName> {
        let names = self.objects.iter().map(|object| object.name);
        names
            .filter(|name| name.level == Level::SHIPPED)
            .max_by_key(|name| name.max)
    }
}

/// The objects that together hold the newest version of every page at `target`.
///
/// `from` is where a database already is; `None` builds one from nothing, so that the first
/// object is a snapshot. From a database that is there, snapshots are planned only if nothing
/// shorter leads on.
pub fn plan(listing: &Listing, from: Option<Txid>, target: Target) -> Result<Plan, PlanError> {
    let newest = listing.newest().ok_or(PlanError::Empty)?.max;
    let goal = match target {
        Target::Latest => newest,
        Target::Txid(txid) => txid,
        Target::Before(_) => return Err(PlanError::Unresolved),
    };
    let from = from.unwrap_or(Txid::ZERO);
    if from > goal {
        return Err(PlanError::Behind { from, target: goal });
    }
    if from > Txid::ZERO {
        let plan = cover(listing, from, goal, |object| !object.name.is_snapshot());
        if plan.reached == goal {
            return Ok(plan);
        }
    }
    let plan = cover(listing, from, goal, |_| true);
    if plan.reached == goal {
        return Ok(plan);
    }
    Err(match next_after(listing, plan.reached, goal) {
        Some(next) => PlanError::Gap {
            after: plan.reached,
            next,
        },
        None => PlanError::TxidUnavailable {
            wanted: goal,
            nearest: plan.reached,
            newest,
        },
    })
}

/// As far as objects that are no snapshots lead on from `from`.
pub fn lead_on(listing: &Listing, from: Txid) -> Plan {
    cover(listing, from, Txid(u64::MAX), |object| {
        !object.name.is_snapshot()
    })
}

/// Goes on from `from` with whatever leads on without a gap and reaches furthest, as long as
/// anything does. Of equals, the one that begins earlier, then the one of the higher level.
///
/// From nothing (`from` zero) only snapshots lead on, so the first one is the newest of them.
fn cover(listing: &Listing, from: Txid, goal: Txid, usable: impl Fn(&Listed) -> bool) -> Plan {
    let mut candidates: Vec<&Listed> = listing
        .objects
        .iter()
        .filter(|object| object.name.max <= goal && usable(object))
        .collect();
    candidates.sort_by_key(|object| object.name.min);
    let mut candidates = candidates.into_iter().peekable();

    let mut plan = Plan {
        objects: Vec::new(),
        reached: from,
    };
    let mut best: Option<&Listed> = None;
    loop {
        while let Some(next) = candidates.next_if(|next| next.name.min <= plan.reached.next()) {
            best = best.max_by_rank(next);
        }
        match best.take() {
            Some(object) if object.name.max > plan.reached => {
                plan.reached = object.name.max;
                plan.objects.push(*object);
            }
            _ => return plan,
        }
    }
}

trait MaxByRank<'a> {
    fn max_by_rank(self, other: &'a Listed) -> Self;
}

impl<'a> MaxByRank<'a> for Option<&'a Listed> {
    fn max_by_rank(self, other: &'a Listed) -> Self {
        let rank = |object: &Listed| {
            let name = object.name;
            (name.max, Reverse(name.min), name.level)
        };
        self.into_iter()
            .chain([other])
            .max_by_key(|object| rank(object))
    }
}

/// Where the first object begins that a gap keeps from being used.
fn next_after(listing: &Listing, reached: Txid, goal: Txid) -> Option<Txid> {
    let names = listing.objects.iter().map(|object| object.name);
    names
        .filter(|name| name.max <= goal && name.min > reached.next())
        .map(|name| name.min)
        .min()
}
