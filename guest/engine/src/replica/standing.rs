//! How a database and its replica stand, as far as is known without asking the store.

use super::Replicator;
use super::checksums::Checksums;
use super::place::Place;
use crate::ltx::ObjectName;
use crate::ports::Objects;
use crate::restore;
use crate::units::{Level, Txid};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub live: bool,
    pub txid: Txid,
    /// Bytes; 0 when not live.
    pub page_size: u32,
    pub pages: u32,
    pub wal_bytes: u64,
    pub unshipped_bytes: u64,
    /// Of all objects in the replica; 0 before it was listed.
    pub replica_bytes: u64,
    pub replica_objects: u32,
}

/// A transaction to which the replica can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub txid: Txid,
    /// When the store took an object that ends there, Unix milliseconds: the transaction itself
    /// was committed before.
    pub time_ms: u64,
    pub level: Level,
}

impl<O: Objects> Replicator<O> {
    pub fn standing(&self) -> Standing {
        self.with(|state| {
            let txid = state.tip.as_ref().map_or(Txid::ZERO, |tip| tip.txid);
            let pages = state
                .tip
                .as_ref()
                .and_then(|tip| tip.checksums.as_ref())
                .map_or(0, Checksums::pages);
            let levels = state.levels.as_ref();
            let (replica_bytes, replica_objects) =
                levels.map_or((0, 0), |levels| levels.holdings.total());
            let Some(database) = &mut state.database else {
                return Standing {
                    live: false,
                    txid,
                    page_size: 0,
                    pages: 0,
                    wal_bytes: 0,
                    unshipped_bytes: 0,
                    replica_bytes,
                    replica_objects,
                };
            };
            let end = database.index().map(|index| index.end(database.page_size));
            let unshipped_bytes = match (end, state.tip.as_ref().map(|tip| tip.place)) {
                (Some(end), Some(Place::At(shipped))) if end.salts == shipped.salts => {
                    end.offset.saturating_sub(shipped.offset)
                }
                (Some(end), _) => end.offset - crate::wal::HEADER_BYTES,
                (None, _) => 0,
            };
            Standing {
                live: true,
                txid,
                page_size: database.page_size.get(),
                pages,
                wal_bytes: database.wal_bytes().unwrap_or(0),
                unshipped_bytes,
                replica_bytes,
                replica_objects,
            }
        })
    }

    /// The transactions to which the replica can be restored, ascending, as far as is known
    /// without asking the store: none before it was listed.
    pub fn moments(&self) -> Vec<Moment> {
        let layout = self.settings.layout;
        let listing = self.with(|state| {
            let levels = state.levels.as_ref()?;
            Some(levels.holdings.listing(layout))
        });
        let points = listing.map_or_else(Vec::new, |listing| restore::points(&listing));
        let moment = |object: &restore::Listed| Moment {
            txid: object.name.max,
            time_ms: object.modified_ms,
            level: object.name.level,
        };
        points.iter().map(moment).collect()
    }

    /// The objects in the replica, as far as is known without asking the store.
    pub fn holds(&self) -> Vec<ObjectName> {
        self.with(|state| {
            let levels = state.levels.as_ref();
            levels.map_or_else(Vec::new, |levels| levels.holdings.names().collect())
        })
    }
}
