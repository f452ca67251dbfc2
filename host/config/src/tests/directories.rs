//! Directories of databases, on disk.

use super::environment;
use crate::Location;
use crate::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

const DATABASE: &[u8] = b"SQLite format 3\0 and the rest of it";

/// A folder with a config's directory in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
        };
        for (name, bytes) in files {
            let path = place.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn directory(&self, keys: &str, replica: &str) -> Directory {
        let dir = self.path("data");
        let source = format!(
            "dbs:\n  - dir: {}\n    {keys}\n    replica: {{url: '{replica}'}}\n",
            dir.display()
        );
        let config = Config::parse("c.yml", &source, true, &environment).unwrap();
        assert_eq!(config.warnings, []);
        config.directories.into_iter().next().unwrap()
    }

    /// The names of what is found.
    fn scan(&self, keys: &str) -> Vec<String> {
        let directory = self.directory(keys, "/backup");
        let found = directory.scan().unwrap();
        for path in &found {
            assert!(
                directory.matches(path) && directory.holds(path).unwrap(),
                "{path:?}"
            );
        }
        let relative = |path: &PathBuf| path.strip_prefix(self.path("data")).unwrap().to_owned();
        found
            .iter()
            .map(|path| relative(path).display().to_string())
            .collect()
    }
}

#[test]
fn databases_are_found_by_name_and_content_in_the_order_of_their_names() {
    let place = Place::with(&[
        ("data/b.db", DATABASE),
        ("data/a.db", DATABASE),
        ("data/.hidden.db", DATABASE),
        ("data/c.sqlite", DATABASE),
        ("data/empty.db", b""),
        ("data/text.db", b"not a database at all"),
        ("data/sub/deep/d.db", DATABASE),
    ]);
    assert_eq!(
        place.scan("pattern: '*.db'"),
        [".hidden.db", "a.db", "b.db"]
    );
    assert_eq!(
        place.scan("pattern: '*.db'\n    recursive: true"),
        [".hidden.db", "a.db", "b.db", "sub/deep/d.db"]
    );
}

#[test]
fn files_that_belong_to_a_database_are_none_of_their_own() {
    let place = Place::with(&[
        ("data/a.db", DATABASE),
        ("data/a.db-wal", DATABASE),
        ("data/a.db-shm", DATABASE),
        ("data/a.db-journal", DATABASE),
        ("data/a.db.tmp", DATABASE),
        ("data/.a.db-seawall", DATABASE),
        ("data/.a.db-litestream/ltx/x", DATABASE),
    ]);
    assert_eq!(place.scan("pattern: '*'\n    recursive: true"), ["a.db"]);
    let directory = place.directory("pattern: '*'\n    recursive: true", "/backup");
    let ours = place.path("data/.a.db-litestream/ltx/x");
    assert!(!directory.matches(&ours));
    assert!(!directory.matches(&place.path("elsewhere/a.db")));
    assert!(!directory.matches(&place.path("data/../a.db")));
    assert!(!directory.matches(&place.path("data")));
}

#[test]
fn symbolic_links_are_not_followed_and_told_of() {
    let place = Place::with(&[("data/a.db", DATABASE), ("elsewhere/b.db", DATABASE)]);
    symlink(place.path("elsewhere/b.db"), place.path("data/link.db")).unwrap();
    symlink(place.path("elsewhere"), place.path("data/folder")).unwrap();
    let keys = "pattern: '*.db'\n    recursive: true";
    assert_eq!(place.scan(keys), ["a.db"]);
    let directory = place.directory(keys, "/backup");
    for link in ["data/link.db", "data/folder/b.db"] {
        assert!(!directory.holds(&place.path(link)).unwrap(), "{link}");
    }
    let left_out = directory.look().unwrap().left_out;
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert_eq!(left_out[0].0, place.path("data/link.db"));
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let place = Place::with(&[]);
    let directory = place.directory("pattern: '*.db'", "/backup");
    let error = directory.scan().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn each_database_is_replicated_to_its_own_place() {
    let place = Place::with(&[]);
    let keys = "pattern: '*.db'\n    recursive: true\n    min-checkpoint-page-count: 7";
    for (replica, expected) in [
        ("/backup/", "file:///backup/sub/a.db"),
        ("s3://b/pre/?region=r", "s3://b/pre/sub/a.db?region=r"),
        ("s3://b", "s3://b/sub/a.db"),
    ] {
        let directory = place.directory(keys, replica);
        let path = place.path("data/sub/a.db");
        let database = directory.database(&path);
        assert_eq!(database.replica.location.url(), expected);
        assert_eq!((database.path, database.min_checkpoint_pages), (path, 7));
    }
}

#[test]
fn a_database_of_a_directory_is_known_by_its_path_before_it_exists() {
    let source = "dbs:\n  - {dir: /d, pattern: '*.db', replica: {path: /r}}\n  \
                  - {path: /a, replica: {path: /q}}\n";
    let config = Config::parse("c.yml", source, true, &environment).unwrap();
    let location = |path: &str| {
        let database = config.database(Path::new(path))?;
        match database.replica.location {
            Location::Directory { path } => Some(path.display().to_string()),
            Location::S3(_) => None,
        }
    };
    assert_eq!(location("/d/x.db").as_deref(), Some("/r/x.db"));
    assert_eq!(location("/a").as_deref(), Some("/q"));
    assert_eq!(location("/d/x.sqlite"), None);
}
