//! Entries of `dbs` that contradict themselves or each other.

use super::{config, environment, mistakes, with_database};
use crate::*;

#[test]
fn a_directory_needs_a_pattern_for_the_names_of_databases() {
    let dir = |lines: &str| {
        mistakes(&format!(
            "dbs:\n  - dir: /data\n    {lines}\n    replica: {{path: /b}}\n"
        ))
    };
    for (lines, message) in [
        (
            "recursive: true",
            "c.yml:2:5: dbs[0] has a dir but no pattern",
        ),
        (
            "pattern: '['",
            "c.yml:3:14: dbs[0].pattern: the pattern \"[\" has a \"[\"",
        ),
        (
            "pattern: 'a/*.db'",
            "c.yml:3:14: dbs[0].pattern: the pattern \"a/*.db\" is matched",
        ),
        (
            "pattern: '*-wal'",
            "c.yml:3:14: dbs[0].pattern: the pattern \"*-wal\" asks for files",
        ),
        (
            "path: /a",
            "c.yml:3:5: dbs[0] has both `path` (line 3) and `dir` (line 2)",
        ),
    ] {
        let found = dir(lines);
        assert!(found.starts_with(message), "{found}");
    }
    for key in ["watch: true", "meta-dir: /m"] {
        let found = mistakes(&with_database(key));
        assert!(found.contains("is for directories"), "{found}");
    }
}

#[test]
fn no_file_is_replicated_twice_and_no_two_to_one_place() {
    let entries = |entries: &[(&str, &str)]| {
        let mut source = "dbs:\n".to_owned();
        for (place, replica) in entries {
            source.push_str(&format!("  - {{{place}, replica: {{path: {replica}}}}}\n"));
        }
        Config::parse("c.yml", &source, true, &environment).map_err(|error| error.to_string())
    };
    let dir = "dir: /d, pattern: '*.db'";
    let below = "dir: /d/sub, pattern: '*.db'";
    let deep = "dir: /d, pattern: '*.db', recursive: true";
    for (first, second, problem) in [
        (
            (dir, "/r"),
            ("path: /d/a.db", "/q"),
            "would be replicated twice",
        ),
        (
            ("path: /d/a.db", "/q"),
            (dir, "/r"),
            "would be replicated twice",
        ),
        ((dir, "/r"), ("path: /x", "/r/a.db"), "are one place"),
        ((dir, "/r"), ("path: /x", "/r"), "are one place"),
        ((dir, "/r"), (dir, "/q"), "would be replicated twice"),
        ((deep, "/r"), (below, "/q"), "would be replicated twice"),
        ((below, "/q"), (deep, "/r"), "would be replicated twice"),
        (
            (dir, "/r"),
            ("dir: /e, pattern: '*.db'", "/r"),
            "are one place",
        ),
        (
            (deep, "/r"),
            ("dir: /e, pattern: '*.db'", "/r/sub"),
            "are one place",
        ),
    ] {
        let message = entries(&[first, second]).unwrap_err();
        assert!(message.contains(problem), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    for (first, second) in [
        ((dir, "/r"), ("path: /d/sub/a.db", "/q")),
        ((dir, "/r"), ("path: /d/a.sqlite", "/r/a.sqlite")),
        ((dir, "/r"), ("path: /x", "/r/sub/a.db")),
        ((dir, "/r"), (below, "/r/sub")),
        ((dir, "/r"), ("dir: /d, pattern: '*.sqlite'", "/r")),
    ] {
        let read = entries(&[first, second]);
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn two_databases_may_not_share_a_path_or_a_replica() {
    let source = |second_path, second_replica| {
        format!(
            "dbs:\n  - path: /a\n    replica: {{url: 's3://b/p'}}\n  \
             - path: {second_path}\n    replica: {{url: '{second_replica}'}}\n"
        )
    };
    assert_eq!(config(&source("/b", "s3://b/other")).databases.len(), 2);
    let path = mistakes(&source("sqlite:///a", "s3://b/other"));
    assert!(
        path.starts_with("c.yml:4:5: the database /a is listed twice: on line 2"),
        "{path}"
    );
    let replica = mistakes(&source("/b", "s3://b/p/"));
    assert!(
        replica.starts_with("c.yml:5:14: the replicas on line 3 and on line 5"),
        "{replica}"
    );
}
