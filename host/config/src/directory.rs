//! A directory of databases: which of its files are databases, and where each is replicated to.

use super::database::Database;
use super::pattern::Pattern;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// What every SQLite database begins with (<https://www.sqlite.org/fileformat.html>).
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Files that are part of a database, or that `restore` is still building.
pub const COMPANIONS: [&str; 4] = ["-wal", "-shm", "-journal", ".tmp"];

/// The files and directories that Seawall and Litestream keep beside a database.
const OWN_FILES: [&str; 2] = ["-seawall", "-litestream"];

/// One `dir` entry of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Absolute.
    pub path: PathBuf,
    pub pattern: Pattern,
    /// Databases below its directories count, too.
    pub recursive: bool,
    /// Databases come and go while Seawall runs.
    pub watch: bool,
    /// What its databases have in common; the location is that of the directory.
    template: Database,
}

/// What a directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub databases: Vec<PathBuf>,
    /// Files with a fitting name that are left out though somebody may expect them, and why.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

impl Directory {
    pub fn new(template: Database, pattern: Pattern, recursive: bool, watch: bool) -> Self {
        Self {
            path: template.path.clone(),
            pattern,
            recursive,
            watch,
            template,
        }
    }

    /// What its databases have in common, at the directory's own path and place in the replica.
    pub fn template(&self) -> &Database {
        &self.template
    }

    pub fn template_mut(&mut self) -> &mut Database {
        &mut self.template
    }

    /// Whether a database at `path` belongs here, by its name alone.
    pub fn matches(&self, path: &Path) -> bool {
        self.relative(path).is_some()
    }

    /// Whether `path` is a database that belongs here now.
    pub fn holds(&self, path: &Path) -> io::Result<bool> {
        let Some(relative) = self.relative(path) else {
            return Ok(false);
        };
        let mut step = self.path.clone();
        for part in relative {
            step.push(part);
            if fs::symlink_metadata(&step)?.is_symlink() {
                return Ok(false);
            }
        }
        Ok(fs::metadata(path)?.is_file() && is_database(path)?)
    }

    /// The database at `path`, which must match: its place in the replica is its place here.
    pub fn database(&self, path: &Path) -> Database {
        let mut database = self.template.clone();
        let relative = path.strip_prefix(&self.path).unwrap_or(path);
        database.replica.location = database.replica.location.join(relative);
        database.path = path.to_owned();
        database
    }

    /// The databases that are there, in the order of their names.
    ///
    /// Errors: the directory itself cannot be read. What cannot be read below it is left out.
    pub fn scan(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.look()?.databases)
    }

    /// The same, and what was left out.
    pub fn look(&self) -> io::Result<Found> {
        fs::read_dir(&self.path)?;
        let depth = if self.recursive { usize::MAX } else { 1 };
        let files = WalkDir::new(&self.path)
            .min_depth(1)
            .max_depth(depth)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !is_own(entry));
        let mut found = Found::default();
        for entry in files {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => self.judge(&entry, &mut found),
                // It went away meanwhile.
                Err(error) if error.io_error().is_some_and(is_absence) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(&self.path).to_owned();
                    found.left_out.push((path, "it cannot be read"));
                }
            }
        }
        Ok(found)
    }

    fn judge(&self, entry: &DirEntry, found: &mut Found) {
        let path = entry.path();
        if path.to_str().is_none() {
            let name = path.file_name().map(|name| name.to_string_lossy());
            if name.is_some_and(|name| self.pattern.matches(&name)) {
                found
                    .left_out
                    .push((path.to_owned(), "its name is not UTF-8"));
            }
            return;
        }
        if !self.matches(path) {
            return;
        }
        if entry.path_is_symlink() {
            let why = "it is a symbolic link; name the file that it points to by a `path`";
            found.left_out.push((path.to_owned(), why));
            return;
        }
        match is_database(path) {
            Ok(true) => found.databases.push(path.to_owned()),
            Ok(false) => {}
            Err(error) if is_absence(&error) => {}
            Err(_) => found.left_out.push((path.to_owned(), "it cannot be read")),
        }
    }

    /// The path below the directory of a file that may be one of its databases.
    fn relative<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let relative = path.strip_prefix(&self.path).ok()?;
        let depth = relative.components().count();
        let plain = relative
            .components()
            .all(|part| matches!(part, Component::Normal(name) if !is_own_name(name.to_str())));
        let name = relative.to_str().and(relative.file_name())?.to_str()?;
        let fits = plain
            && (depth == 1 || self.recursive)
            && !COMPANIONS.iter().any(|suffix| name.ends_with(suffix))
            && self.pattern.matches(name);
        fits.then_some(relative)
    }
}

/// Whether the file begins as SQLite databases do; one that is still empty is none yet.
pub fn is_database(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut head = [0; SQLITE_MAGIC.len()];
    match File::open(path)?.read_exact(&mut head) {
        Ok(()) => Ok(&head == SQLITE_MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn is_own(entry: &DirEntry) -> bool {
    is_own_name(entry.file_name().to_str())
}

fn is_own_name(name: Option<&str>) -> bool {
    name.is_some_and(|name| {
        name.starts_with('.') && OWN_FILES.iter().any(|suffix| name.ends_with(suffix))
    })
}
