//! Every key that Litestream 0.5 documents, and what becomes of it here: it works, it is warned
//! about by name, or it is refused. The JSON Schema must know it too.

use regex_lite::Regex;
use seawall::config::{Config, schema};
use serde_json::Value;

use Outcome::{Harmless, Refused, Warned, Works};
use Place::{Bucket, Database, Directory, File, Top};

/// Where in a config the line stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Top,
    /// In the entry of one database.
    Database,
    /// In the entry of a directory.
    Directory,
    /// In a replica in a bucket.
    Bucket,
    /// In a replica in a directory.
    File,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// The config is another one with the line than without it, and nothing is remarked.
    Works,
    /// It changes nothing and needs no remark.
    Harmless,
    Warned,
    Refused,
}

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[rustfmt::skip]
const KEYS: &[(Place, &str, Outcome)] = &[
    // The top of the file.
    (Top, "addr: ':9090'", Works),
    (Top, "addr: 9090", Works),
    (Top, "addr: 127.0.0.1", Refused), // without a port
    (Top, "ready-max-lag: 1m", Works),
    (Top, "mcp-addr: ':3001'", Warned),
    (Top, "exec: node app.js", Works),
    (Top, "levels: [{interval: 1s}]", Works),
    (Top, "snapshot: {interval: 1h}", Works),
    (Top, "snapshot: {retention: 1h}", Works),
    (Top, "validation: {interval: 1h}", Warned),
    (Top, "l0-retention: 1m", Works),
    (Top, "l0-retention-check-interval: 1m", Works),
    (Top, "verify: {interval: 1h}", Works),
    (Top, "verify: {bandwidth: 1MB}", Works),
    (Top, "verify-compaction: true", Warned),
    (Top, "retention: {enabled: false}", Works),
    (Top, "heartbeat-url: 'http://127.0.0.1/'", Works),
    (Top, "heartbeat-url: 'ftp://127.0.0.1/'", Refused),
    (Top, "heartbeat-interval: 7m", Works),
    (Top, "heartbeat-interval: 59s", Refused),
    (Top, "prices: {currency: EUR}", Works),
    (Top, "prices: {put-per-1000: 0.01}", Works),
    (Top, "prices: {get-per-1000: 0}", Works),
    (Top, "prices: {storage-gb-month: '0.02'}", Works),
    (Top, "prices: {egress-gb: 0.01}", Works),
    (Top, "prices: {egress-gb: -1}", Refused),
    (Top, "shutdown-sync-timeout: 5s", Works),
    (Top, "shutdown-sync-interval: 1s", Works),
    (Top, "socket: {enabled: true}", Works),
    (Top, "socket: {path: /run/s.sock}", Works),
    (Top, "socket: {permissions: 0660}", Works),
    (Top, "logging: {level: debug}", Works),
    (Top, "logging: {type: json}", Works),
    (Top, "logging: {stderr: true}", Works),
    (Top, "logging: {source: true}", Works),
    (Top, "require-fencing: true", Works),

    // An entry of `dbs`.
    (Database, "meta-path: /m", Warned),
    (Database, "monitor-interval: 2s", Warned),
    (Database, "checkpoint-interval: 2m", Works),
    (Database, "busy-timeout: 2s", Warned),
    (Database, "min-checkpoint-page-count: 7", Works),
    (Database, "max-checkpoint-page-count: 7", Warned),
    (Database, "truncate-page-n: 7", Works),
    (Database, "max-sync-wal-bytes: 1048576", Works),
    (Database, "restore-if-db-not-exists: true", Works),
    (Database, "snapshot: {interval: 1h}", Works),
    (Database, "snapshot: {retention: 1h}", Works),
    (Database, "sync-interval: 2s", Refused),
    (Database, "pattern: '*'", Warned),
    (Database, "recursive: true", Warned),
    (Database, "watch: true", Refused),
    (Database, "meta-dir: /m", Refused),
    (Database, "dir: /d", Refused),
    (Database, "replicas: [{path: /c}]", Refused),
    (Directory, "recursive: true", Works),
    (Directory, "watch: true", Works),
    (Directory, "meta-dir: /m", Warned),
    (Directory, "checkpoint-interval: 2m", Works),
    (Directory, "restore-if-db-not-exists: true", Works),

    // A replica in a bucket.
    (Bucket, "name: s3", Harmless),
    (Bucket, "path: q", Works),
    (Bucket, "url: 's3://b/p'", Refused),
    (Bucket, "sync-interval: 2s", Works),
    (Bucket, "validation-interval: 1h", Warned),
    (Bucket, "max-sync-ltx-files: 7", Warned),
    (Bucket, "auto-recover: true", Warned),
    (Bucket, "access-key-id: x", Refused), // half of the credentials
    (Bucket, "secret-access-key: x", Refused), // the other half
    (Bucket, "region: eu-1", Works),
    (Bucket, "endpoint: 'http://127.0.0.1:9000'", Works),
    (Bucket, "force-path-style: true", Works),
    (Bucket, "forcePathStyle: true", Works),
    (Bucket, "sign-payload: false", Works),
    (Bucket, "require-content-md5: false", Works),
    (Bucket, "skip-verify: true", Works),
    (Bucket, "storage-class: COLD", Works),
    (Bucket, "part-size: 8MiB", Works),
    (Bucket, "part-size: 1MiB", Refused),
    (Bucket, "concurrency: 2", Works),
    (Bucket, "sse-customer-algorithm: AES256", Refused), // without a key
    (Bucket, "sse-customer-key: $KEY", Works),
    (Bucket, "sse-customer-key-path: /nowhere", Refused), // there is no such file
    (Bucket, "sse-kms-key-id: x", Works),
    (Bucket, "age: {recipients: [x]}", Refused),
    (Bucket, "retention: 24h", Warned),
    (Bucket, "retention-check-interval: 1h", Warned),
    (Bucket, "snapshot-interval: 1h", Warned),

    // Other kinds of replicas, and their keys.
    (File, "type: file", Harmless),
    (File, "type: s3", Refused), // without a bucket
    (File, "type: oss", Refused), // without a bucket
    (File, "type: gs", Refused),
    (File, "type: abs", Refused),
    (File, "type: sftp", Refused),
    (File, "type: webdav", Refused),
    (File, "type: nats", Refused),
    (File, "bucket: b", Refused), // without a type
    (Bucket, "account-name: x", Warned),
    (Bucket, "account-key: x", Warned),
    (Bucket, "sas-token: x", Warned),
    (Bucket, "host: x", Warned),
    (Bucket, "user: x", Warned),
    (Bucket, "password: x", Warned),
    (Bucket, "key-path: x", Warned),
    (Bucket, "concurrent-writes: true", Warned),
    (Bucket, "host-key: x", Warned),
    (Bucket, "webdav-url: x", Warned),
    (Bucket, "webdav-username: x", Warned),
    (Bucket, "webdav-password: x", Warned),
    (Bucket, "jwt: x", Warned),
    (Bucket, "seed: x", Warned),
    (Bucket, "creds: x", Warned),
    (Bucket, "nkey: x", Warned),
    (Bucket, "username: x", Warned),
    (Bucket, "token: x", Warned),
    (Bucket, "tls: true", Warned),
    (Bucket, "root-cas: [x]", Warned),
    (Bucket, "client-cert: x", Warned),
    (Bucket, "client-key: x", Warned),
    (Bucket, "max-reconnects: 3", Warned),
    (Bucket, "reconnect-wait: 2s", Warned),
    (Bucket, "timeout: 5s", Warned),

    // Keys of a replica as defaults at the top.
    (Top, "bucket: c", Harmless), // this replica has its own
    (Top, "sync-interval: 2s", Works),
    (Top, "region: eu-1", Works),
    (Top, "endpoint: 'http://127.0.0.1:9000'", Works),
    (Top, "force-path-style: true", Works),
    (Top, "sign-payload: false", Works),
    (Top, "require-content-md5: false", Works),
    (Top, "skip-verify: true", Works),
    (Top, "storage-class: COLD", Works),
    (Top, "part-size: 8MiB", Works),
    (Top, "concurrency: 2", Works),
    (Top, "sse-customer-key: $KEY", Works),
    (Top, "sse-kms-key-id: x", Works),
    (Top, "age: {recipients: [x]}", Refused),
    (Top, "auto-recover: true", Warned),
    (Top, "max-sync-ltx-files: 7", Warned),
    (Top, "validation-interval: 1h", Warned),
    (Top, "account-name: x", Warned),
];

/// A config with the line at its place, or without it.
fn source(place: Place, line: &str) -> String {
    let line = line.replace("$KEY", KEY);
    let at = |wanted: Place| {
        let here = std::mem::discriminant(&wanted) == std::mem::discriminant(&place);
        if here { line.as_str() } else { "" }
    };
    // A `path` is replaced, as a key may be there only once.
    let prefix = if line.starts_with("path:") {
        ""
    } else {
        "path: p"
    };
    match place {
        Top | Bucket => format!(
            "{}\ndbs:\n  - path: /db\n    replica:\n      type: s3\n      bucket: b\n      {prefix}\n      {}\n",
            at(Top),
            at(Bucket)
        ),
        Database => format!("dbs:\n  - path: /db\n    replica: {{path: /r}}\n    {line}\n"),
        Directory => {
            format!("dbs:\n  - dir: /d\n    pattern: '*'\n    replica: {{path: /r}}\n    {line}\n")
        }
        File => format!("dbs:\n  - path: /db\n    replica:\n      path: /r\n      {line}\n"),
    }
}

fn read(source: &str) -> Result<Config, String> {
    Config::parse("c.yml", source, false, &|_| None).map_err(|error| error.to_string())
}

/// The key that the line sets, or the inner one of `outer: {inner: …}`.
fn key(line: &str) -> &str {
    let (outer, value) = line.split_once(": ").unwrap();
    match value
        .strip_prefix('{')
        .and_then(|value| value.split_once(": "))
    {
        Some((inner, _)) if outer != "age" => inner,
        _ => outer,
    }
}

#[test]
fn every_key_works_or_is_refused_or_is_warned_about_by_name() {
    for &(place, line, expected) in KEYS {
        let case = format!("{place:?} {line}");
        let plain = read(&source(place, "")).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(plain.warnings, [], "{case}");
        let outcome = match read(&source(place, line)) {
            Err(message) => {
                assert_eq!(message.lines().count(), 1, "{case}: {message}");
                Refused
            }
            Ok(config) => {
                let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
                let silenced = Config {
                    warnings: Vec::new(),
                    ..config
                };
                match warnings.as_slice() {
                    [] if silenced == plain => Harmless,
                    [] => Works,
                    [warning] => {
                        assert!(warning.contains(key(line)), "{case}: {warning}");
                        assert_eq!(silenced, plain, "{case}: {warning}");
                        Warned
                    }
                    several => panic!("{case}: {several:?}"),
                }
            }
        };
        assert_eq!(outcome, expected, "{case}");
    }
}

/// What the reader takes must never be marked as wrong by an editor.
#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema::document();
    for &(place, line, outcome) in KEYS {
        if outcome == Refused {
            continue;
        }
        let document: Value = serde_saphyr::from_str(&source(place, line)).unwrap();
        assert_eq!(check(&schema, &document), Ok(()), "{place:?} {line}");
    }
}

#[test]
fn the_schema_refuses_unknown_keys_and_wrong_values() {
    let schema = schema::document();
    for (place, line) in [
        (Top, "adr: x"),
        (Top, "levels: [{intervall: 1s}]"),
        (Top, "snapshot: {interval: soon}"),
        (Top, "logging: {level: loud}"),
        (Top, "socket: {enabled: 7}"),
        (Top, "prices: {egress-gb: free}"),
        (Database, "min-checkpoint-page-count: 0"),
        (Database, "max-sync-wal-bytes: big"),
        (Bucket, "sync-intervall: 1s"),
        (Bucket, "sync-interval: 10"),
        (Bucket, "skip-verify: perhaps"),
        (Bucket, "age: {recipients: [x]}"),
        (File, "type: gs"),
    ] {
        let document: Value = serde_saphyr::from_str(&source(place, line)).unwrap();
        assert!(check(&schema, &document).is_err(), "{place:?} {line}");
    }
}

/// And the other way round: no key of the schema is missing in the table above.
#[test]
fn every_key_of_the_schema_is_in_the_table() {
    let schema = schema::document();
    let database = &schema["properties"]["dbs"]["items"];
    let replica = &database["properties"]["replica"];
    // What every entry of the table has anyway.
    let present = ["path", "pattern", "replica", "bucket", "dir", "type"];
    for (group, places) in [
        (&schema, &[Top][..]),
        (database, &[Database, Directory]),
        (replica, &[Bucket, File]),
    ] {
        for name in group["properties"].as_object().unwrap().keys() {
            // What may stand in a replica and at the top is in the table for the replica.
            let shared = replica["properties"].get(name).is_some();
            let in_place = |place: &Place| {
                let same = |wanted: &Place| {
                    std::mem::discriminant(wanted) == std::mem::discriminant(place)
                };
                places.iter().any(same) || (shared && matches!(place, Bucket | File))
            };
            let listed = KEYS.iter().any(|(place, line, _)| {
                in_place(place) && line.split_once(": ").unwrap().0 == name
            });
            assert!(
                listed || name == "dbs" || present.contains(&name.as_str()),
                "{name}"
            );
        }
    }
}

/// The keywords that our schema uses, and no others.
fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let wrong = |keyword: &str| Err(format!("{keyword} of {schema} and {value}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "type" => types(rule).any(|kind| is_of(kind, value)),
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| matches(rule, text)),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().unwrap()),
            "not" => check(rule, value).is_err(),
            "anyOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .any(|any| check(any, value).is_ok()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(rule, item)?;
                }
                true
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(property) = rule.get(key) {
                        check(property, value)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, &Value::Bool(false));
                let mut keys = value.as_object().into_iter().flatten();
                keys.all(|(key, _)| schema["properties"].get(key).is_some())
            }
            "$schema" | "title" | "description" | "default" | "deprecated" | "writeOnly" => true,
            other => panic!("the schema uses {other}, which this test does not know"),
        };
        if !holds {
            return wrong(keyword);
        }
    }
    Ok(())
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let list = rule.as_array().into_iter().flatten();
    list.chain(std::iter::once(rule)).filter_map(Value::as_str)
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("no such type: {other}"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().unwrap())
        .unwrap()
        .is_match(text)
}
