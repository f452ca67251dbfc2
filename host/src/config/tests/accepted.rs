//! What files that are accepted resolve to, and what is remarked about them.

use super::{config, environment, with_database, with_replica};
use crate::config::*;
use crate::logging::{Format, Level};

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

fn bucket_and_path(bucket: &str, path: &str) -> S3Location {
    S3Location {
        bucket: bucket.to_owned(),
        path: path.to_owned(),
        endpoint: None,
        region: None,
        force_path_style: None,
        access_key_id: None,
        secret_access_key: None,
        skip_verify: false,
        sign_payload: true,
        storage_class: None,
    }
}

#[test]
fn the_article_works_as_it_stands() {
    let config = config(ARTICLE);
    assert_eq!(config.warnings, []);
    let location = Location::S3(S3Location {
        endpoint: Some("https://s3.tebi.io".to_owned()),
        force_path_style: Some(true),
        access_key_id: Some("an-id".to_owned()),
        secret_access_key: Some(Secret::new("hunter2")),
        ..bucket_and_path("hedgedoc-backup", "hedgedoc.sqlite")
    });
    let replica = Replica {
        location,
        sync_interval: Duration::from_secs(1),
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
require-fencing: true
logging: {level: DEBUG, type: json, stderr: true}
dbs:
  - path: sqlite://~/app.db
    checkpoint-interval: 2m
    min-checkpoint-page-count: 50
    truncate-page-n: 500
    max-sync-wal-bytes: 1MiB
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
      storage-class: COLD
      sync-interval: 250ms
",
    );
    assert_eq!(config.warnings, []);
    assert_eq!(config.shutdown_sync_timeout, Duration::from_secs(5));
    let logging = Logging {
        level: Some(Level::Debug),
        format: Format::Json,
        stderr: true,
    };
    assert_eq!(config.logging, logging);
    let location = Location::S3(S3Location {
        region: Some("eu-1".to_owned()),
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        force_path_style: Some(false),
        access_key_id: Some("an-id".to_owned()),
        secret_access_key: Some(Secret::new("hunter2")),
        skip_verify: true,
        sign_payload: false,
        storage_class: Some("COLD".to_owned()),
        ..bucket_and_path("backup", "a/b")
    });
    let database = Database {
        path: PathBuf::from("/home/ann/app.db"),
        replica: Replica {
            location,
            sync_interval: Duration::from_millis(250),
        },
        min_checkpoint_pages: 50,
        truncate_pages: 500,
        max_sync_bytes: 1 << 20,
        checkpoint_interval: Duration::from_secs(120),
        upkeep: crate::config::Upkeep::default(),
        restore_if_db_not_exists: false,
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
        ..bucket_and_path("b", "p")
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
fn truncation_can_be_left_at_its_default_or_switched_off() {
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
    let source = "addr: :9090\nsnapshot: {interval: 1h}\nauto-recover: true\n".to_owned()
        + &with_replica(&[
            "url: file:///b",
            "retention: 24h",
            "validation-interval: 1h",
        ]);
    let starts: Vec<_> = warnings(&source)
        .iter()
        .map(|text| text.split_once(" in this release: ").unwrap().0.to_owned())
        .collect();
    assert_eq!(
        starts,
        [
            "c.yml:1:1: \"addr\" has no effect",
            "c.yml:2:1: \"snapshot\" has no effect",
            "c.yml:3:1: \"auto-recover\" has no effect",
            "c.yml:8:7: \"dbs[0].replica.retention\" has no effect",
            "c.yml:9:7: \"dbs[0].replica.validation-interval\" has no effect",
        ]
    );
}

#[test]
fn variables_are_left_alone_on_request() {
    let source = with_replica(&["type: s3", "bucket: $BUCKET"]);
    let bucket = |expand| {
        let config = Config::parse("c.yml", &source, expand, &environment).unwrap();
        s3(&config).bucket.clone()
    };
    assert_eq!(bucket(true), "backup");
    assert_eq!(bucket(false), "$BUCKET");
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
