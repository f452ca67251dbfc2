//! Databases of a directory: replicated as they come, and let go of as they go.

use super::notice::{Directory as Watched, Watch};
use super::supervisor::{Change, Supervisor};
use crate::config::Directory;
use anyhow::Context;
use notify::EventKind;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// What changed is looked at after this long, when most of what comes together is there.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// Looked at without any notice: one may have been lost.
const RESCAN: Duration = Duration::from_secs(30);
/// The same when something is wrong, or not all could be done.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub struct Gatherer {
    directory: Directory,
    supervisor: Supervisor,
    watch: Watch,
    changed: Arc<Notify>,
    /// The directory and, if they count, those below it.
    watched: HashMap<PathBuf, Watched>,
    /// Databases that are replicated.
    known: BTreeSet<PathBuf>,
    /// What the log was told once.
    told: HashSet<String>,
}

impl Gatherer {
    pub fn new(directory: Directory, supervisor: Supervisor, watch: Watch) -> Gatherer {
        // The watcher names files by where they really are.
        let place = fs::canonicalize(&directory.path).unwrap_or(directory.path.clone());
        let concerned = directory.clone();
        let changed = watch.gather(move |path, kind| {
            let Ok(relative) = path.strip_prefix(&place) else {
                return false;
            };
            let path = concerned.path.join(relative);
            concerned.matches(&path)
                || (concerned.recursive && comes_or_goes(kind) && !path.is_file())
        });
        Gatherer {
            directory,
            supervisor,
            watch,
            changed,
            watched: HashMap::new(),
            known: BTreeSet::new(),
            told: HashSet::new(),
        }
    }

    /// Goes on looking for as long as the process runs.
    pub async fn keep_looking(mut self, mut all_done: bool) {
        loop {
            let wait = if all_done { RESCAN } else { LOOK_AGAIN };
            if timeout(wait, self.changed.notified()).await.is_ok() {
                sleep(DEBOUNCE).await;
            }
            all_done = self.look().await;
        }
    }

    /// False: something could not be done now, but maybe can be soon.
    pub async fn look(&mut self) -> bool {
        match self.gather().await {
            Ok(all_done) => all_done,
            Err(error) => {
                self.tell(format!("{}: {error:#}", self.directory.path.display()));
                false
            }
        }
    }

    async fn gather(&mut self) -> anyhow::Result<bool> {
        // Watched before it is read: nothing comes unnoticed in between.
        if self.directory.watch {
            self.watch_all();
        }
        let directory = self.directory.clone();
        let found = tokio::task::spawn_blocking(move || directory.look()).await?;
        let found = found.context("the directory cannot be read")?;
        for (path, why) in found.left_out {
            self.tell(format!("{} is left out: {why}", path.display()));
        }
        let mut all_done = true;
        for path in &found.databases {
            if !self.known.contains(path) {
                all_done &= self.begin(path);
            }
        }
        let found: BTreeSet<_> = found.databases.into_iter().collect();
        let gone = |path: &&PathBuf| !found.contains(*path) && !path.exists();
        let gone: Vec<_> = self.known.iter().filter(gone).cloned().collect();
        for path in gone {
            self.known.remove(&path);
            let supervisor = self.supervisor.clone();
            tokio::spawn(async move {
                let database = path.display().to_string();
                tracing::info!(database, "the database is gone: letting go of it");
                if let Err(error) = supervisor.remove(&path).await {
                    tracing::debug!(database, "{error}");
                }
            });
        }
        Ok(all_done)
    }

    /// False: it cannot be begun yet.
    fn begin(&mut self, path: &Path) -> bool {
        let database = path.display().to_string();
        match self.supervisor.add(self.directory.database(path)) {
            Ok(Change::Made) => {
                tracing::info!(database, "found in {}", self.directory.path.display());
                self.known.insert(path.to_owned());
                true
            }
            // The one that was there before is still being let go of.
            Ok(Change::None) => false,
            Err(error) => {
                self.tell(format!("{database} is not replicated: {error}"));
                false
            }
        }
    }

    /// The directory and those below it, without following symbolic links.
    fn watch_all(&mut self) {
        let mut there = HashMap::new();
        let mut next = vec![self.directory.path.clone()];
        while let Some(path) = next.pop() {
            let watched = self.watched.remove(&path);
            let watched = match watched.map_or_else(|| self.watch.directory(&path), Ok) {
                Ok(watched) => watched,
                Err(error) => {
                    self.tell(format!(
                        "{}: databases that come or go are noticed by a timer only: {error}",
                        path.display()
                    ));
                    continue;
                }
            };
            if self.directory.recursive {
                next.extend(directories_in(&path));
            }
            there.insert(path, watched);
        }
        self.watched = there;
    }

    /// Warns, once.
    fn tell(&mut self, text: String) {
        if self.told.len() >= MOST_TOLD {
            self.told.clear();
        }
        if !self.told.contains(&text) {
            tracing::warn!("{text}");
            self.told.insert(text);
        }
    }
}

fn comes_or_goes(kind: &EventKind) -> bool {
    use notify::event::ModifyKind::Name;
    matches!(
        kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(Name(_))
    )
}

/// Remembered warnings: enough for any directory of a person's making.
const MOST_TOLD: usize = 1000;

fn directories_in(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        // It went away, which the look at its files finds out too.
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
