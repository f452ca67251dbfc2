//! Tells when the files of databases change: one watcher for all of them, since a user has few
//! (`fs.inotify.max_user_instances`, usually 128).

use crate::live::with_suffix;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The one watcher. Cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    /// The watcher's thread waits for `listeners` while it tells of an event, and `watch` waits
    /// for that thread: nobody may hold both locks.
    watched: Mutex<Watched>,
    listeners: Arc<Mutex<Listeners>>,
}

struct Watched {
    watcher: notify::Result<RecommendedWatcher>,
    /// How many want to hear of each directory.
    directories: HashMap<PathBuf, usize>,
}

#[derive(Default)]
struct Listeners {
    /// The databases and WALs, as the watcher names them.
    files: HashMap<PathBuf, Arc<Notify>>,
    /// Those who look for files that come and go.
    gatherers: Vec<Gatherer>,
}

type Concerns = Box<dyn Fn(&Path, &EventKind) -> bool + Send>;

struct Gatherer {
    concerns: Concerns,
    changed: Arc<Notify>,
}

/// Wakes whoever waits on `changed` when the database or its WAL is written, made or removed.
pub struct Notice {
    pub changed: Arc<Notify>,
    files: Vec<PathBuf>,
    watch: Watch,
    directory: Option<Directory>,
    resting: bool,
    /// The log says that changes are noticed by a timer only.
    told: bool,
    database: PathBuf,
}

/// Events of a directory arrive for as long as this is kept.
pub struct Directory {
    path: PathBuf,
    watch: Watch,
}

impl Watch {
    pub fn new() -> Watch {
        let listeners = Arc::new(Mutex::new(Listeners::default()));
        let told = Arc::clone(&listeners);
        let watcher = notify::recommended_watcher(move |event| lock(&told).hear(&event));
        Watch(Arc::new(Inner {
            watched: Mutex::new(Watched {
                watcher,
                directories: HashMap::new(),
            }),
            listeners,
        }))
    }

    /// Without a watcher (no inotify instance left, the directory is not there) the timer finds
    /// changes too, only later; the log says so.
    pub fn database(&self, database: &Path) -> Notice {
        let mut notice = Notice {
            changed: Arc::new(Notify::new()),
            files: Vec::new(),
            watch: self.clone(),
            directory: None,
            resting: false,
            told: false,
            database: database.to_owned(),
        };
        notice.renew();
        notice
    }

    /// The files of a directory itself, not those below its directories.
    pub fn directory(&self, path: &Path) -> notify::Result<Directory> {
        let path = fs::canonicalize(path)?;
        let mut watched = lock(&self.0.watched);
        let Watched {
            watcher,
            directories,
        } = &mut *watched;
        match watcher {
            // Once more for one that is watched is right: it may be another one of that name.
            Ok(watcher) => watcher.watch(&path, RecursiveMode::NonRecursive)?,
            Err(error) => return Err(notify::Error::generic(&error.to_string())),
        }
        *directories.entry(path.clone()).or_insert(0) += 1;
        drop(watched);
        Ok(Directory {
            path,
            watch: self.clone(),
        })
    }

    /// Wakes whoever waits on the answer when a file that `concerns` them is written, made or
    /// removed in a directory that is watched.
    pub fn gather(
        &self,
        concerns: impl Fn(&Path, &EventKind) -> bool + Send + 'static,
    ) -> Arc<Notify> {
        let changed = Arc::new(Notify::new());
        lock(&self.0.listeners).gatherers.push(Gatherer {
            concerns: Box::new(concerns),
            changed: Arc::clone(&changed),
        });
        changed
    }
}

impl Notice {
    /// To be called when the database's directory may be another one than before.
    pub fn renew(&mut self) {
        let database = &self.database;
        let parent = match database.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = match self.watch.directory(parent) {
            Ok(directory) => directory,
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    let database = database.display().to_string();
                    tracing::warn!(database, "changes are noticed by a timer only: {error}");
                }
                return;
            }
        };
        (self.resting, self.told) = (false, false);
        let name = database.file_name().unwrap_or_default();
        let file = directory.path.join(name);
        self.stop_listening();
        self.files = vec![with_suffix(&file, "-wal"), file];
        let mut listeners = lock(&self.watch.0.listeners);
        for file in &self.files {
            let changed = Arc::clone(&self.changed);
            listeners.files.insert(file.clone(), changed);
        }
        drop(listeners);
        self.directory = Some(directory);
    }

    /// Nothing is to be told for a while: an app that commits a thousand times a second would be
    /// heard each time. What happens meanwhile is not told later either.
    pub fn rest(&mut self) {
        self.resting |= self.directory.take().is_some();
    }

    /// The end of [`rest`](Self::rest). When that fails, the next call tries again.
    pub fn listen(&mut self) {
        if self.resting {
            self.renew();
        }
    }

    fn stop_listening(&mut self) {
        let mut listeners = lock(&self.watch.0.listeners);
        for file in self.files.drain(..) {
            let ours = |listener: &Arc<Notify>| Arc::ptr_eq(listener, &self.changed);
            if listeners.files.get(&file).is_some_and(ours) {
                listeners.files.remove(&file);
            }
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let mut watched = lock(&self.watch.0.watched);
        let Watched {
            watcher,
            directories,
        } = &mut *watched;
        let Some(count) = directories.get_mut(&self.path) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            directories.remove(&self.path);
            if let Ok(watcher) = watcher {
                // It may be gone already, and is then not watched any more.
                let _ = watcher.unwatch(&self.path);
            }
        }
    }
}

impl Listeners {
    fn hear(&self, event: &notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.wake_all(),
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(event) => {
                for path in &event.paths {
                    if let Some(changed) = self.files.get(path) {
                        changed.notify_one();
                    }
                    for gatherer in &self.gatherers {
                        if (gatherer.concerns)(path, &event.kind) {
                            gatherer.changed.notify_one();
                        }
                    }
                }
            }
            // Events were lost: look.
            Err(_) => self.wake_all(),
        }
    }

    fn wake_all(&self) {
        let gatherers = self.gatherers.iter().map(|gatherer| &gatherer.changed);
        for changed in self.files.values().chain(gatherers) {
            changed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const LONG: Duration = Duration::from_secs(5);
    const SHORT: Duration = Duration::from_millis(200);

    async fn heard(notice: &Notice, within: Duration) -> bool {
        let mut any = false;
        // One write is several events.
        while timeout(if any { SHORT } else { within }, notice.changed.notified())
            .await
            .is_ok()
        {
            any = true;
        }
        any
    }

    #[tokio::test]
    async fn each_database_of_a_directory_hears_of_its_own_files_only() {
        let place = tempfile::tempdir().unwrap();
        let watch = Watch::new();
        let one = watch.database(&place.path().join("one"));
        let two = watch.database(&place.path().join("two"));
        fs::write(place.path().join("one-wal"), "x").unwrap();
        assert!(heard(&one, LONG).await);
        assert!(!heard(&two, SHORT).await);
        drop(one);
        fs::write(place.path().join("two"), "x").unwrap();
        assert!(heard(&two, LONG).await);
    }

    #[tokio::test]
    async fn two_names_of_one_directory_do_not_hide_each_other() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().join("real");
        fs::create_dir(&real).unwrap();
        let alias = place.path().join("alias");
        std::os::unix::fs::symlink(&real, &alias).unwrap();
        let watch = Watch::new();
        let one = watch.database(&real.join("one"));
        let two = watch.database(&alias.join("two"));
        fs::write(real.join("one"), "x").unwrap();
        fs::write(real.join("two"), "x").unwrap();
        assert!(heard(&one, LONG).await);
        assert!(heard(&two, LONG).await);
    }

    #[tokio::test]
    async fn who_rests_hears_nothing_and_does_not_keep_others_from_hearing() {
        let place = tempfile::tempdir().unwrap();
        let watch = Watch::new();
        let mut one = watch.database(&place.path().join("one"));
        let two = watch.database(&place.path().join("two"));
        one.rest();
        fs::write(place.path().join("two"), "x").unwrap();
        assert!(heard(&two, LONG).await);
        drop(two);
        fs::write(place.path().join("one"), "x").unwrap();
        assert!(!heard(&one, SHORT).await);
        one.listen();
        fs::write(place.path().join("one"), "y").unwrap();
        assert!(heard(&one, LONG).await);
    }

    #[tokio::test]
    async fn a_directory_that_was_made_again_is_watched_again() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("data");
        fs::create_dir(&directory).unwrap();
        let watch = Watch::new();
        let mut notice = watch.database(&directory.join("db"));
        fs::remove_dir_all(&directory).unwrap();
        fs::create_dir(&directory).unwrap();
        notice.renew();
        heard(&notice, SHORT).await;
        fs::write(directory.join("db"), "x").unwrap();
        assert!(heard(&notice, LONG).await);
    }
}
