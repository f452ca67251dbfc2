//! Paths as users write them: with `~`, or as an SQLite connection string.

use super::Environment;
use std::path::{Path, PathBuf};

/// The absolute path of a database: `sqlite://` and `sqlite3://` are stripped, `~` is the home.
pub fn database(text: &str, environment: Environment<'_>) -> Result<PathBuf, String> {
    let text = ["sqlite3://", "sqlite://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    local(text, environment)
}

/// The absolute path of a file or directory; `~` is the home.
pub fn local(text: &str, environment: Environment<'_>) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".to_owned());
    }
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = environment("HOME").filter(|home| !home.is_empty());
            let home = home.ok_or("\"~\" stands for the home directory, but HOME is not set")?;
            Path::new(&home).join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether the text names a replica by URL rather than a file of this machine.
pub fn is_replica_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !matches!(scheme, "sqlite" | "sqlite3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/ann".to_owned())
    }

    #[test]
    fn a_database_path_may_be_a_connection_string_or_start_at_home() {
        for (text, path) in [
            ("/data/app.db", "/data/app.db"),
            ("sqlite:///data/app.db", "/data/app.db"),
            ("sqlite3://~/app.db", "/home/ann/app.db"),
            ("~", "/home/ann"),
            ("/data//./app.db", "/data/app.db"),
            ("/data/~app.db", "/data/~app.db"),
        ] {
            assert_eq!(
                database(text, &environment),
                Ok(PathBuf::from(path)),
                "{text}"
            );
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(database("app.db", &environment), Ok(here.join("app.db")));
        assert_eq!(database("~app.db", &environment), Ok(here.join("~app.db")));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        assert!(database("", &environment).is_err());
        assert!(database("sqlite://", &environment).is_err());
        assert!(local("~/x", &|_| None).unwrap_err().contains("HOME"));
    }

    #[test]
    fn sqlite_urls_are_paths_and_others_are_replicas() {
        assert!(is_replica_url("s3://bucket/path"));
        assert!(is_replica_url("file:///backup"));
        assert!(!is_replica_url("sqlite:///data/app.db"));
        assert!(!is_replica_url("/data/app.db"));
    }
}
