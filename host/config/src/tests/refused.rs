//! What files that are refused are told.

use super::{mistakes, with_database, with_replica};

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_key() {
    assert_eq!(
        mistakes(&with_replica(&["url: file:///b", "sync-intervall: 1s"])),
        "c.yml:5:7: unknown key \"sync-intervall\" in dbs[0].replica; \
         did you mean \"sync-interval\"?"
    );
    assert_eq!(
        mistakes("l0-retenton: 1h\nloging: {}\n"),
        "c.yml:1:1: unknown key \"l0-retenton\" at the top of the file; \
         did you mean \"l0-retention\"?\n\
         c.yml:2:1: unknown key \"loging\" at the top of the file; did you mean \"logging\"?"
    );
}

#[test]
fn a_key_in_another_spelling_is_recognised() {
    let message = mistakes(&with_replica(&["url: file:///b", "accessKeyID: x"]));
    assert!(
        message.ends_with("did you mean \"access-key-id\"?"),
        "{message}"
    );
}

#[test]
fn a_key_like_no_other_gets_the_list_of_those_that_work() {
    let message = mistakes("logging:\n  colour: red\n");
    assert_eq!(
        message,
        "c.yml:2:3: unknown key \"colour\" in logging; \
         the keys that work there are: level, type, stderr, source"
    );
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let message = mistakes(
        "logging: {level: loud}\nshutdown-sync-timeout: 5\ndbs:\n  - path: /a\n    replica: x\n",
    );
    let places: Vec<_> = message
        .lines()
        .map(|line| &line[..line.find(": ").unwrap()])
        .collect();
    assert_eq!(
        places,
        ["c.yml:1:18", "c.yml:2:24", "c.yml:5:14"],
        "{message}"
    );
}

#[test]
fn what_would_not_be_done_as_asked_is_refused() {
    let age = mistakes(&with_replica(&["url: file:///b", "age: {recipients: [x]}"]));
    assert!(
        age.starts_with("c.yml:5:7: \"dbs[0].replica.age\" is refused: "),
        "{age}"
    );
}

#[test]
fn a_kind_of_replica_that_is_not_there_is_refused_with_the_list_of_those_that_are() {
    for kind in ["sftp", "gs", "abs", "webdav", "nats", "bogus"] {
        for lines in [
            &[&*format!("type: {kind}"), "host: h"][..],
            &[&*format!("url: {kind}://h/p")],
        ] {
            let message = mistakes(&with_replica(lines));
            assert!(
                message.contains(&format!("type \"{kind}\" are ")),
                "{message}"
            );
            assert!(
                message.ends_with("this release has: s3, file, oss"),
                "{message}"
            );
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}

#[test]
fn a_database_has_exactly_one_replica() {
    let both =
        mistakes("dbs:\n  - path: /a\n    replica: {path: /b}\n    replicas: [{path: /c}]\n");
    assert!(
        both.contains("`replica` (line 3)") && both.contains("`replicas` (line 4)"),
        "{both}"
    );
    let two = mistakes("dbs:\n  - path: /a\n    replicas:\n      - path: /b\n      - path: /c\n");
    assert!(
        two.starts_with("c.yml:5:9: ") && two.contains("(lines 4 and 5)"),
        "{two}"
    );
    for none in ["", "    replicas: []\n", "    replica:\n"] {
        let message = mistakes(&format!("dbs:\n  - path: /a\n{none}"));
        assert!(
            message.starts_with("c.yml:2:5: dbs[0] has no replica; add"),
            "{message}"
        );
    }
}

#[test]
fn a_url_beside_path_or_bucket_is_an_error_that_names_both_lines() {
    for line in ["path: p", "bucket: b"] {
        let message = mistakes(&with_replica(&[line, "url: s3://b/p"]));
        assert!(message.starts_with("c.yml:5:7: "), "{message}");
        assert!(message.contains("on line 4"), "{message}");
    }
}

#[test]
fn an_incomplete_replica_says_what_is_missing() {
    for (lines, missing) in [
        (&["type: s3", "path: p"][..], "add `bucket: NAME`"),
        (&["bucket: b"], "add `type: s3`"),
        (&["sync-interval: 1s"], "add `url: s3://BUCKET/PATH`"),
        (
            &["type: s3", "bucket: b", "path: s3://b/p"],
            "write it as `url:`",
        ),
        (
            &["url: s3://b/p", "access-key-id: x"],
            "no secret-access-key",
        ),
        (
            &["url: s3://b/p", "secret-access-key: x"],
            "no access-key-id",
        ),
    ] {
        let message = mistakes(&with_replica(lines));
        assert!(
            message.contains(missing) && message.lines().count() == 1,
            "{message}"
        );
    }
}

#[test]
fn a_value_of_the_wrong_type_names_its_place_and_what_was_expected() {
    for (line, message) in [
        (
            "checkpoint-interval: 10",
            "c.yml:4:26: dbs[0].checkpoint-interval must be longer than",
        ),
        (
            "checkpoint-interval: 0s",
            "c.yml:4:26: dbs[0].checkpoint-interval must be longer than",
        ),
        (
            "restore-if-db-not-exists: maybe",
            "c.yml:4:31: dbs[0].restore-if-db-not-exists must be true or false",
        ),
        (
            "max-sync-wal-bytes: big",
            "c.yml:4:25: dbs[0].max-sync-wal-bytes must be a size in",
        ),
        (
            "min-checkpoint-page-count: 0",
            "c.yml:4:32: dbs[0].min-checkpoint-page-count must be a",
        ),
        (
            "truncate-page-n: [1]",
            "c.yml:4:22: dbs[0].truncate-page-n must be a number of pages",
        ),
    ] {
        let found = mistakes(&with_database(line));
        assert!(found.starts_with(message), "{found}");
    }
    let found = mistakes("require-fencing: 7\n");
    assert_eq!(
        found,
        "c.yml:1:18: require-fencing must be true or false, not \"7\""
    );
    let found = mistakes("dbs: {path: /a}\n");
    assert!(
        found.starts_with("c.yml:1:6: dbs must be a list"),
        "{found}"
    );
}

#[test]
fn levels_and_snapshots_are_bounded() {
    let with = |line: &str| mistakes(&format!("{line}\n{}", with_replica(&["path: /b"])));
    let nine = format!("levels: [{}]", ["{interval: 1s}"; 9].join(", "));
    assert!(with(&nine).contains("levels[8] is one too many; there are at most 8"));
    assert!(with("levels: [{}]").contains("levels[0] has no interval"));
    assert!(with("levels: [{interval: 0s}]").contains("levels[0].interval must be longer"));
    assert!(with("snapshot: {retention: 0s}").contains("snapshot.retention must be longer"));
    let two = "dbs:\n  - {path: /a, snapshot: {interval: 1h}, replica: {path: /r}}\n  \
               - {path: /b, snapshot: {interval: 2h}, replica: {path: /s}}\n";
    let message = mistakes(two);
    assert!(
        message.contains("snapshot.interval differs from that on line 2"),
        "{message}"
    );
}

#[test]
fn encryption_that_would_not_happen_as_written_is_refused() {
    const KEY: &str = "sse-customer-key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    for (lines, message) in [
        (&["sse-customer-key: hunter2!"][..], "is not base64"),
        (&["sse-customer-key: c2hvcnQ="], "holds 5 bytes"),
        (
            &["sse-customer-algorithm: AES256"],
            "without sse-customer-key",
        ),
        (&["sse-customer-algorithm: DES", KEY], "must be AES256"),
        (&[KEY, "sse-kms-key-id: x"], "exclude each other"),
        (&[KEY, "sse-customer-key-path: /x"], "are one key"),
        (
            &["sse-customer-key-path: /nowhere/key"],
            "/nowhere/key: No such file",
        ),
        (&[KEY, "endpoint: http://s3.example.com"], "without TLS"),
    ] {
        let lines = [&["url: s3://b/p"], lines].concat();
        let found = mistakes(&with_replica(&lines));
        assert!(found.contains(message), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn what_the_store_could_not_be_asked_for_is_found_at_once() {
    for (lines, message) in [
        (
            &["url: s3://a_b?endpoint=ftp://x"][..],
            "is neither http nor https",
        ),
        (
            &["type: s3", "bucket: a/b"],
            "cannot be the name of a bucket",
        ),
        (&["url: s3://b/a/../p"], "has a part `.` or `..`"),
        (
            &["url: s3://b/p", "part-size: 4MiB"],
            "part-size must be a size from 5MiB",
        ),
        (
            &["url: s3://b/p", "concurrency: 0"],
            "concurrency must be a number",
        ),
        (&["url: oss://b/p"], "has no credentials"),
    ] {
        let found = mistakes(&with_replica(lines));
        assert!(found.contains(message), "{found}");
    }
}

#[test]
fn a_syntax_error_has_a_place_and_no_advice_for_programmers() {
    assert_eq!(
        mistakes("dbs: [\n"),
        "c.yml:1:6: not valid YAML: unclosed bracket '['"
    );
    let twice = mistakes("dbs: []\ndbs: []\n");
    assert!(
        twice.starts_with("c.yml:2:1: not valid YAML: duplicate"),
        "{twice}"
    );
    assert!(!twice.contains("Options"), "{twice}");
}

#[test]
fn a_camel_case_key_may_not_contradict_the_other() {
    let lines = [
        "url: s3://b/p",
        "forcePathStyle: true",
        "force-path-style: false",
    ];
    assert!(mistakes(&with_replica(&lines)).contains("disagree"));
}
