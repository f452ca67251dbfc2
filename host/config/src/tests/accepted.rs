//! What files that are accepted resolve to, and what is remarked about them.

use super::{config, environment, with_database, with_replica};
use crate::Location;
use crate::logging::{Format, Level};
use crate::*;
use s3_protocol::{Encryption, S3Location, Secret};

/// The file of the article that Seawall is first of all for, as its author meant to indent it.
const ARTICLE: &str = "\
dbs:
  - path: /data/hedgedoc.sqlite
    replicas:
      - type: s3
        endpoint: https://s3.tebi.io
        name: hedgedoc.sqlite
        bucket: hedgedoc-backup
        path: hedgedoc.sqlite
        forcePathStyle: true
        sync-interval: 1s
        access-key-id: an-id
        secret-access-key: hunter2
";

fn warnings(source: &str) -> Vec<String> {
    config(source)
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn s3(config: &Config) -> &S3Location {
    match &config.databases[0].replica.location {
        Location::S3(location) => location,
        other => panic!("expected a bucket, found {other:?}"),
    }
}

#[test]
fn the_article_works_as_it_stands() {
    let config = config(ARTICLE);
    assert_eq!(config.warnings, []);
    let location = Location::from(S3Location {
        endpoint: Some("https://s3.tebi.io".to_owned()),
        force_path_style: Some(true),
        access_key_id: Some("an-id".to_owned()),
        secret_access_key: Some(Secret::new("hunter2")),
        ..S3Location::new("hedgedoc-backup", "hedgedoc.sqlite")
    });
    let replica = Replica {
        location,
        sync_interval: Duration::from_secs(1),
        part_bytes: None,
        concurrency: None,
    };
    let path = PathBuf::from("/data/hedgedoc.sqlite");
    assert_eq!(config.databases, [Database::new(path, replica)]);
}

#[test]
fn no_secret_is_in_the_debug_output_of_a_config() {
    let printed = format!("{:?}", config(ARTICLE));
    assert!(
        printed.contains("an-id") && !printed.contains("hunter2"),
        "{printed}"
    );
}

#[test]
fn every_key_that_works_reaches_the_database() {
    let config = config(
        "shutdown-sync-timeout: 5s
shutdown-sync-interval: 100ms
require-fencing: true
exec: node app.js
levels: [{interval: 1s}, {interval: 1m}]
snapshot: {interval: 2h, retention: 48h}
retention: {enabled: false}
l0-retention: 0s
l0-retention-check-interval: 3s
socket: {enabled: true, path: /run/s.sock, permissions: 0660}
logging: {level: DEBUG, type: json, stderr: true, source: true}
dbs:
  - path: sqlite://~/app.db
    checkpoint-interval: 2m
    min-checkpoint-page-count: 50
    truncate-page-n: 500
    max-sync-wal-bytes: 1MiB
    restore-if-db-not-exists: true
    replica:
      type: s3
      bucket: $BUCKET
      path: a/b
      region: eu-1
      endpoint: http://127.0.0.1:9000
      force-path-style: false
      access-key-id: an-id
      secret-access-key: hunter2
      skip-verify: true
      sign-payload: false
      require-content-md5: false
      storage-class: COLD
      part-size: 8MiB
      concurrency: 3
      sse-kms-key-id: a-key
      sync-interval: 250ms
",
    );
    assert_eq!(config.warnings, []);
    assert_eq!(config.shutdown_sync_timeout, Duration::from_secs(5));
    assert_eq!(config.shutdown_sync_interval, Duration::from_millis(100));
    assert_eq!(config.exec.as_deref(), Some("node app.js"));
    let socket = Socket {
        enabled: true,
        path: PathBuf::from("/run/s.sock"),
        permissions: 0o660,
    };
    assert_eq!(config.socket, socket);
    let logging = Logging {
        level: Some(Level::Debug),
        format: Format::Json,
        stderr: true,
        source: true,
    };
    assert_eq!(config.logging, logging);
    let location = Location::from(S3Location {
        region: Some("eu-1".to_owned()),
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        force_path_style: Some(false),
        access_key_id: Some("an-id".to_owned()),
        secret_access_key: Some(Secret::new("hunter2")),
        skip_verify: true,
        sign_payload: false,
        content_md5: false,
        storage_class: Some("COLD".to_owned()),
        encryption: Some(Encryption::Kms {
            key_id: "a-key".to_owned(),
        }),
        ..S3Location::new("backup", "a/b")
    });
    let database = Database {
        path: PathBuf::from("/home/ann/app.db"),
        replica: Replica {
            location,
            sync_interval: Duration::from_millis(250),
            part_bytes: Some(8 << 20),
            concurrency: Some(3),
        },
        min_checkpoint_pages: 50,
        truncate_pages: 500,
        max_sync_bytes: 1 << 20,
        checkpoint_interval: Duration::from_secs(120),
        upkeep: Upkeep {
            levels: vec![Duration::from_secs(1), Duration::from_secs(60)],
            snapshot_interval: Duration::from_secs(2 * 3600),
            snapshot_retention: Duration::from_secs(48 * 3600),
            l0_retention: Duration::ZERO,
            l0_retention_check: Duration::from_secs(3),
            retention: false,
        },
        restore_if_db_not_exists: true,
        verify: Verify::default(),
        require_fencing: true,
    };
    assert_eq!(config.databases, [database]);
}

#[test]
fn settings_at_the_top_are_defaults_and_the_replica_wins() {
    let source = format!(
        "region: top\nendpoint: https://top\nbucket: b\nsync-interval: 9s\n{}",
        with_replica(&["type: s3", "region: own"])
    );
    let config = config(&source);
    assert_eq!(s3(&config).region.as_deref(), Some("own"));
    assert_eq!(s3(&config).endpoint.as_deref(), Some("https://top"));
    assert_eq!(s3(&config).bucket, "b");
    assert_eq!(
        config.databases[0].replica.sync_interval,
        Duration::from_secs(9)
    );
}

#[test]
fn a_url_may_stand_for_bucket_and_path() {
    let source = with_replica(&["url: s3://b/p?region=eu-1", "sync-interval: 2s"]);
    let expected = S3Location {
        region: Some("eu-1".to_owned()),
        ..S3Location::new("b", "p")
    };
    assert_eq!(s3(&config(&source)), &expected);
}

#[test]
fn a_directory_is_the_default_type() {
    for lines in [
        &["path: /backup"][..],
        &["type: file", "path: /backup"],
        &["url: file:///backup"],
    ] {
        let location = Location::Directory {
            path: PathBuf::from("/backup"),
        };
        assert_eq!(
            config(&with_replica(lines)).databases[0].replica.location,
            location
        );
    }
}

#[test]
fn the_complaint_about_a_long_wal_can_be_left_at_its_default_or_switched_off() {
    let pages = |line| config(&with_database(line)).databases[0].truncate_pages;
    assert_eq!(pages("truncate-page-n: 0"), 121_359);
    assert_eq!(pages("truncate-page-n: -1"), NEVER);
}

#[test]
fn litestreams_credentials_stand_in_for_those_of_aws() {
    let source = with_replica(&["url: s3://b/p"]);
    let litestream = |name: &str| match name {
        "LITESTREAM_ACCESS_KEY_ID" => Some("id".to_owned()),
        "LITESTREAM_SECRET_ACCESS_KEY" => Some("hunter2".to_owned()),
        _ => None,
    };
    let with_aws = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some("aws".to_owned()),
        name => litestream(name),
    };
    let id = |environment: Environment<'_>| {
        let config = Config::parse("c.yml", &source, true, environment).unwrap();
        s3(&config).access_key_id.clone()
    };
    assert_eq!(id(&litestream).as_deref(), Some("id"));
    assert_eq!(id(&with_aws), None);
}

#[test]
fn keys_without_effect_are_warned_of_by_name_and_line() {
    let source = "mcp-addr: :9090\nauto-recover: true\nvalidation: {interval: 1h}\n".to_owned()
        + &with_replica(&["url: file:///b", "retention: 24h"]);
    let starts: Vec<_> = warnings(&source)
        .iter()
        .map(|text| text.split_once(" in this release: ").unwrap().0.to_owned())
        .collect();
    assert_eq!(
        starts,
        [
            "c.yml:1:1: \"mcp-addr\" has no effect",
            "c.yml:2:1: \"auto-recover\" has no effect",
            "c.yml:3:14: \"validation.interval\" has no effect",
            "c.yml:8:7: \"dbs[0].replica.retention\" has no effect",
        ]
    );
}

#[test]
fn a_database_may_say_for_all_how_often_snapshots_are_taken() {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let database = |path: &str, line: &str| {
        format!("  - path: {path}\n    replica: {{path: /backup{path}}}\n    {line}\n")
    };
    let (first, second) = (
        database("/a", ""),
        database("/b", "snapshot: {interval: 2h}"),
    );
    let promoted = config(&format!("dbs:\n{first}{second}"));
    assert_eq!(promoted.warnings, []);
    for database in &promoted.databases {
        assert_eq!(database.upkeep.snapshot_interval, hours(2));
        assert_eq!(database.upkeep.snapshot_retention, hours(24));
    }
    // As with Litestream the top wins; but it is told.
    let top = format!("snapshot: {{interval: 9h}}\ndbs:\n{first}{second}");
    assert_eq!(config(&top).databases[1].upkeep.snapshot_interval, hours(9));
    let warnings = warnings(&top);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("c.yml:8:16: snapshot.interval has no effect here"),
        "{warnings:?}"
    );
}

#[test]
fn an_empty_list_of_levels_merges_nothing() {
    let levels = |line: &str| {
        let source = format!("{line}\n{}", with_replica(&["path: /b"]));
        config(&source).databases[0].upkeep.levels.len()
    };
    assert_eq!(levels("levels: []"), 0);
    assert_eq!(levels(""), 3);
}

#[test]
fn oss_is_spoken_to_through_its_s3_interface() {
    for lines in [
        &["type: oss", "bucket: b", "path: p", "region: cn-beijing"][..],
        &[
            "type: oss",
            "bucket: b",
            "path: p",
            "endpoint: oss-cn-beijing.aliyuncs.com",
        ],
        &["url: oss://b.oss-cn-beijing.aliyuncs.com/p"],
        &["url: oss://b/p?region=cn-beijing"],
    ] {
        let keys = ["access-key-id: an-id", "secret-access-key: hunter2"];
        let config = config(&with_replica(&[lines, &keys].concat()));
        let expected = S3Location {
            endpoint: Some("https://s3.oss-cn-beijing.aliyuncs.com".to_owned()),
            region: Some("cn-beijing".to_owned()),
            force_path_style: Some(false),
            access_key_id: Some("an-id".to_owned()),
            secret_access_key: Some(Secret::new("hunter2")),
            ..S3Location::new("b", "p")
        };
        assert_eq!(s3(&config), &expected, "{lines:?}");
    }
}

#[test]
fn the_credentials_of_oss_may_come_from_the_environment_with_their_token() {
    let environment = |name: &str| match name {
        "OSS_ACCESS_KEY_ID" | "AWS_ACCESS_KEY_ID" => Some(name.to_owned()),
        "OSS_ACCESS_KEY_SECRET" | "OSS_SESSION_TOKEN" => Some("hunter2".to_owned()),
        _ => None,
    };
    let location = |lines: &[&str]| {
        let config = Config::parse("c.yml", &with_replica(lines), true, &environment).unwrap();
        let s3 = s3(&config);
        (s3.access_key_id.clone(), s3.session_token.is_some())
    };
    assert_eq!(
        location(&["url: oss://b/p"]),
        (Some("OSS_ACCESS_KEY_ID".to_owned()), true)
    );
    let own = [
        "url: oss://b/p",
        "access-key-id: own",
        "secret-access-key: x",
    ];
    assert_eq!(location(&own), (Some("own".to_owned()), false));
}

#[test]
fn a_key_of_a_customer_may_stand_in_a_file() {
    const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let expected = Some(Encryption::Customer {
        algorithm: "AES256".to_owned(),
        key_base64: Secret::new(KEY),
    });
    for line in [
        format!("sse-customer-key: {KEY}"),
        format!("sse-customer-key-path: {}", file.display()),
    ] {
        let config = config(&with_replica(&["url: s3://b/p", &line]));
        assert_eq!(s3(&config).encryption, expected, "{line}");
    }
}

#[test]
fn variables_are_left_alone_on_request() {
    let source = with_replica(&["url: s3://b/p", "region: $BUCKET"]);
    let region = |expand| {
        let config = Config::parse("c.yml", &source, expand, &environment).unwrap();
        s3(&config).region.clone()
    };
    assert_eq!(region(true).as_deref(), Some("backup"));
    assert_eq!(region(false).as_deref(), Some("$BUCKET"));
}

#[test]
fn a_variable_that_is_not_set_is_a_warning_without_its_name() {
    let source = with_replica(&[
        "url: s3://b/p",
        "access-key-id: x",
        "secret-access-key: hunter2$OOPS",
    ]);
    let warnings = warnings(&source);
    assert!(
        warnings[0].starts_with("c.yml:6:33: the variable"),
        "{warnings:?}"
    );
    assert!(!warnings[0].contains("OOPS"), "{warnings:?}");
}

#[test]
fn s3_keys_of_a_directory_are_warned_of() {
    let warnings = warnings(&with_replica(&[
        "path: /b",
        "region: eu-1",
        "sync-interval: 1s",
    ]));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("it is a directory"), "{warnings:?}");
}
