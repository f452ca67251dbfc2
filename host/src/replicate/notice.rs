//! Tells when the files of a database change.

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// Wakes whoever waits on `changed` when the database or its WAL is written, made or removed.
pub struct Notice {
    pub changed: Arc<Notify>,
    // Watching ends when this is dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl Notice {
    /// Without a watcher (no inotify instance left, the directory is not there) the timer finds
    /// changes too, only later; the log says so.
    pub fn watch(database: &Path) -> Notice {
        let changed = Arc::new(Notify::new());
        let watcher = start(database, Arc::clone(&changed))
            .inspect_err(|error| {
                let database = database.display().to_string();
                tracing::warn!(database, "changes are noticed by a timer only: {error}");
            })
            .ok();
        Notice {
            changed,
            _watcher: watcher,
        }
    }
}

fn start(database: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let directory = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = database.file_name().map(PathBuf::from).unwrap_or_default();
    let wal = crate::live::with_suffix(&name, "-wal");
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let relevant = match &event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => event.paths.iter().any(|path| {
                let changed = path.file_name().map(Path::new);
                changed == Some(&name) || changed == Some(&wal)
            }),
            // Events were lost: look.
            Err(_) => true,
        };
        if relevant {
            changed.notify_one();
        }
    })?;
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
