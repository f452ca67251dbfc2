//! Deletes what has expired, after what replaces it was verified, and looks whether it is gone.

use super::super::{Error, Replicator, State};
use super::retention::{self, Expired};
use crate::ltx::{Layout, ObjectName};
use crate::ports::{Environment, LogLevel, ObjectError, Objects};
use crate::restore::{self, Listed};
use crate::units::Level;
use std::collections::{BTreeMap, BTreeSet};

/// As many as one request takes, and one listing shows.
const BATCH: usize = 1000;
/// Objects of level 0 go in groups: the first of a group stays longer by this part of their time.
const GROUPED: u64 = 2;

impl<O: Objects> Replicator<O> {
    /// Returns how many objects were deleted.
    pub(super) async fn expire(&self, forced: bool) -> Result<u32, Error> {
        let now = self.environment.now_ms();
        let schedule = &self.settings.schedule;
        let expired = self.with(|state| {
            let Some(levels) = &mut state.levels else {
                return Vec::new();
            };
            if now < levels.next_check_ms && !forced {
                return Vec::new();
            }
            let (mut expired, _) = retention::expired(&levels.holdings, schedule, now);
            expired.truncate(BATCH);
            if !expired.is_empty() {
                let pause = schedule
                    .retention_check
                    .max(schedule.shipped_retention / GROUPED);
                levels.next_check_ms = now + pause;
            }
            expired
        });
        let expired = self.without_unsound_covers(expired).await?;
        if expired.is_empty() {
            return Ok(0);
        }
        self.ensure_newest().await?;
        let (environment, layout) = (&*self.environment, self.settings.layout);
        let left = delete(&self.objects, environment, layout, &expired).await?;
        self.with(|state| state.deleted(&expired, &left));
        Ok((expired.len() - left.len()) as u32)
    }

    /// The expired objects whose cover was read and found sound.
    async fn without_unsound_covers(
        &self,
        expired: Vec<Expired>,
    ) -> Result<Vec<ObjectName>, Error> {
        let mut by_cover: BTreeMap<ObjectName, Vec<ObjectName>> = BTreeMap::new();
        for Expired { name, cover } in expired {
            by_cover.entry(cover).or_default().push(name);
        }
        let mut sure = BTreeSet::new();
        for (cover, names) in by_cover {
            if self.is_sound(&cover).await? {
                sure.extend(names);
            }
        }
        // In the order of their TXIDs: who lists meanwhile sees a level without a gap.
        Ok(sure.into_iter().collect())
    }

    async fn is_sound(&self, name: &ObjectName) -> Result<bool, Error> {
        let held = self.with(|state| state.levels.as_ref()?.holdings.get(name).copied());
        let Some(held) = held else {
            return Ok(false);
        };
        if held.verified {
            return Ok(true);
        }
        let listed = Listed {
            name: *name,
            size: held.size,
            modified_ms: held.time_ms,
        };
        let (environment, layout) = (&*self.environment, self.settings.layout);
        match restore::check_object(&self.objects, environment, layout, &listed).await {
            Ok(_) => {
                self.with(|state| state.verified(name));
                Ok(true)
            }
            Err(error) if error.is_the_objects_fault() => {
                let text = format!(
                    "{error}. What it replaces is kept, and it is written anew: a snapshot follows"
                );
                self.log(LogLevel::Error, &text);
                self.with(|state| state.unsound(name));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Deletes objects, and looks whether they are gone. Returns those that are not.
pub(crate) async fn delete<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    names: &[ObjectName],
) -> Result<BTreeSet<ObjectName>, ObjectError> {
    let keys: Vec<String> = names.iter().map(|name| layout.key(name)).collect();
    let refused = objects.delete(&keys).await?;
    if let Some((key, reason)) = refused.first() {
        let text = format!(
            "{} expired objects cannot be deleted, and are left alone until the next start. \
             {key}: {reason}",
            refused.len()
        );
        environment.log(LogLevel::Warn, &text);
    }
    let refused = refused.iter().filter_map(|(key, _)| layout.parse(key));
    let mut left: BTreeSet<ObjectName> = refused.collect();
    let there = still_there(objects, layout, names, &left).await?;
    if let Some(name) = there.first() {
        let text = format!(
            "the store says that it deleted {} and lists it still (one of {} objects). They cost \
             storage and are left alone until the next start",
            layout.key(name),
            there.len()
        );
        environment.log(LogLevel::Warn, &text);
    }
    left.extend(there);
    Ok(left)
}

/// Some stores say that they deleted, and did not.
async fn still_there<O: Objects>(
    objects: &O,
    layout: Layout,
    deleted: &[ObjectName],
    refused: &BTreeSet<ObjectName>,
) -> Result<BTreeSet<ObjectName>, ObjectError> {
    let levels: BTreeSet<Level> = deleted.iter().map(|name| name.level).collect();
    let mut left = BTreeSet::new();
    for level in levels {
        // The oldest go first, and so what is left of them stands at the beginning.
        let page = objects.list(&layout.prefix(level), None).await?;
        let listed = page
            .entries
            .iter()
            .filter_map(|entry| layout.parse(&entry.key));
        left.extend(listed.filter(|name| deleted.contains(name) && !refused.contains(name)));
    }
    Ok(left)
}

impl State {
    fn verified(&mut self, name: &ObjectName) {
        let levels = self.levels.as_mut();
        if let Some(held) = levels.and_then(|levels| levels.holdings.get_mut(name)) {
            held.verified = true;
        }
    }

    fn unsound(&mut self, name: &ObjectName) {
        let tip = self.tip_txid();
        if let Some(levels) = &mut self.levels {
            levels.holdings.remove(name);
            levels.snapshot_wanted = true;
            levels.learn_again(tip);
        }
    }

    fn deleted(&mut self, names: &[ObjectName], left: &BTreeSet<ObjectName>) {
        let Some(levels) = &mut self.levels else {
            return;
        };
        for name in names {
            if !left.contains(name) {
                levels.holdings.remove(name);
            } else if let Some(held) = levels.holdings.get_mut(name) {
                held.stuck = true;
            }
        }
    }
}
