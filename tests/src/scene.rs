//! One test's own directory, machines and logs, and what is shown when the test fails.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use crate::judge::sha256;

/// What a failed test shows of each log.
const LOG_TAIL_BYTES: usize = 6000;

pub struct Scene {
    dir: PathBuf,
    count: Cell<u32>,
}

/// Runs one test. When it fails, prints the end of every log.
#[track_caller]
pub fn scene(test: impl FnOnce(&Scene) -> Result<()>) {
    let dir = TempDir::with_prefix("scene-").expect("a test needs a temporary directory");
    let scene = Scene::in_dir(dir.path());
    let result = catch_unwind(AssertUnwindSafe(|| test(&scene)));
    if !matches!(result, Ok(Ok(()))) {
        scene.show_logs();
    }
    if std::env::var_os("KEEP_SCENES").is_some() {
        eprintln!("kept: {}", dir.keep().display());
    }
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error:#}"),
        Err(panic) => resume_unwind(panic),
    }
}

impl Scene {
    /// A scene in a directory of the caller's.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            dir: dir.into(),
            count: Cell::new(0),
        }
    }

    /// A directory that outlives every machine of this test.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A name that no other file of this test has.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let number = self.count.get() + 1;
        self.count.set(number);
        self.dir.join(format!("{number:02}-{name}"))
    }

    /// A new, empty machine.
    pub fn machine(&self) -> Result<Machine> {
        let dir = self.fresh("machine");
        std::fs::create_dir(&dir)?;
        Ok(Machine { dir })
    }

    fn show_logs(&self) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return;
        };
        let mut logs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        logs.retain(|path| path.extension().is_some_and(|end| end == "log"));
        logs.sort();
        for log in logs {
            let bytes = std::fs::read(&log).unwrap_or_default();
            let tail = &bytes[bytes.len().saturating_sub(LOG_TAIL_BYTES)..];
            let text = String::from_utf8_lossy(tail);
            eprintln!("--- {} ---\n{text}", log.display());
        }
    }
}

/// The disk of one machine. What was not shipped is gone when it is lost.
pub struct Machine {
    dir: PathBuf,
}

impl Machine {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn db(&self) -> PathBuf {
        self.dir.join("app.db")
    }

    /// Every file on the disk with its content's checksum.
    pub fn contents(&self) -> Result<BTreeMap<PathBuf, String>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.is_file() {
                let hash = sha256(&std::fs::read(&path)?);
                found.insert(path, hash);
            }
        }
        Ok(found)
    }

    /// Loses the disk.
    pub fn lose(self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.dir)?)
    }
}
