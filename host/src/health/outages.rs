//! One line in the log for all databases of a store that is away, not one for each.

use super::{Line, REMIND};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Outages(Arc<Mutex<HashMap<String, Outage>>>);

#[derive(Debug)]
struct Outage {
    since: Instant,
    told: Instant,
    databases: BTreeSet<String>,
}

impl Outages {
    /// A database of the store fails since this moment. None: the outage was told a moment ago.
    pub fn fails(&self, store: &str, database: &str, since: Instant, now: Instant) -> Option<Line> {
        let mut outages = self.outages();
        let known = outages.contains_key(store);
        let outage = outages.entry(store.to_owned()).or_insert_with(|| Outage {
            since,
            told: now,
            databases: BTreeSet::new(),
        });
        outage.databases.insert(database.to_owned());
        if known && now.duration_since(outage.told) < REMIND {
            return None;
        }
        outage.told = now;
        Some(Line {
            seconds: known.then(|| now.duration_since(outage.since).as_secs()),
            databases: outage.databases.len(),
        })
    }

    /// A database does not fail any more. Some: no other one does; since when they failed.
    pub fn works(&self, store: &str, database: &str) -> Option<Instant> {
        let mut outages = self.outages();
        let outage = outages.get_mut(store)?;
        if !outage.databases.remove(database) || !outage.databases.is_empty() {
            return None;
        }
        outages.remove(store).map(|outage| outage.since)
    }

    fn outages(&self) -> MutexGuard<'_, HashMap<String, Outage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_store_that_is_away_is_told_once_and_then_once_a_minute_for_all_databases() {
        let outages = Outages::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let fails = |database, seconds| outages.fails("b", database, start, after(seconds));
        let told = |seconds, databases| Some(Line { seconds, databases });
        assert_eq!(fails("one", 1), told(None, 1));
        assert_eq!(fails("two", 1), None);
        assert_eq!(fails("one", 60), None);
        assert_eq!(fails("one", 61), told(Some(61), 2));
        assert_eq!(fails("two", 61), None);
        assert_eq!(outages.fails("c", "three", start, after(1)), told(None, 1));
        assert_eq!(outages.works("b", "one"), None);
        assert_eq!(outages.works("b", "one"), None);
        assert_eq!(outages.works("b", "two"), Some(start));
        assert_eq!(outages.works("b", "two"), None);
    }
}
