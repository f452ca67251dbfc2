//! Replicas in buckets: from a name that nobody knows to a store that does not keep its word.

use super::scene::{SECRET, Said, Scene};
use super::store::{Faults, Store, replica};

fn with_replica(replica: &str) -> Scene {
    let scene = Scene::new();
    scene.database("a.db", "wal");
    scene.config(&format!(
        "dbs:\n  - path: DIR/a.db\n    replica: {replica}\n"
    ));
    scene
}

fn about(faults: Faults) -> (Said, Store) {
    let store = Store::start(faults);
    let said = with_replica(&store.replica()).examine(&[]);
    (said, store)
}

#[test]
fn of_a_healthy_set_up_nothing_is_complained() {
    let (said, store) = about(Faults::default());
    said.complains_only_of(&[]);
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(said.json["ok"], true);
    for check in [
        "clock",
        "credentials",
        "list",
        "put",
        "get",
        "conditional put",
        "delete",
    ] {
        assert_eq!(said.status(check).as_deref(), Some("ok"), "{check}");
    }
    assert_eq!(store.keys(), [""; 0], "what was written is deleted");
}

#[test]
fn people_get_a_list_with_what_to_do() {
    let store = Store::start(Faults {
        keeps_versions: true,
        ..Faults::default()
    });
    let scene = with_replica(&store.replica());
    let mut command = scene.seawall();
    let output = command
        .args(["doctor", "-config", "c.yml"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for line in [
        "config c.yml\n",
        "  warning  old versions",
        " -> have a lifecycle rule",
        "No faults, ",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(!text.contains(SECRET));
}

#[test]
fn an_endpoint_where_nothing_listens_is_told() {
    let port = Store::start(Faults::default()).stop();
    let said = with_replica(&replica(&format!("http://127.0.0.1:{port}"))).examine(&[]);
    said.names(
        "connection",
        "fault",
        &["nothing listens", &port.to_string(), "`endpoint`"],
    );
    said.names("list", "skipped", &["cannot be reached"]);
    said.names("credentials", "ok", &["an-id from the config"]);
}

#[test]
fn what_listens_and_does_not_answer_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        // Hangs up on everybody.
        for stream in listener.incoming() {
            drop(stream);
        }
    });
    let said = with_replica(&replica(&format!("http://127.0.0.1:{port}"))).examine(&[]);
    said.names("HTTP", "fault", &["does not answer", "`endpoint`"]);
    said.names("put", "skipped", &["cannot be reached"]);
}

#[test]
fn a_name_that_does_not_resolve_is_told() {
    let said = with_replica(&replica("http://no-such-store.invalid:9000")).examine(&[]);
    said.names(
        "DNS",
        "fault",
        &["no-such-store.invalid does not resolve", "`endpoint`"],
    );
}

#[test]
fn credentials_that_are_nowhere_are_told() {
    let store = Store::start(Faults::default());
    let endpoint = format!("http://127.0.0.1:{}", store.port);
    let scene = with_replica(&format!("{{url: 's3://notes/app?endpoint={endpoint}'}}"));
    let said = scene.examine(&[]);
    said.names(
        "credentials",
        "fault",
        &["no credentials found", "AWS_ACCESS_KEY_ID"],
    );
    said.names("put", "skipped", &["no credentials"]);
    let variables = [
        ("AWS_ACCESS_KEY_ID", "an-id"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let said = scene.examine(&variables);
    let words = ["from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"];
    said.names("credentials", "ok", &words);
    said.complains_only_of(&[]);
}

#[test]
fn a_bucket_that_is_not_there_is_told() {
    let store = Store::start(Faults::default());
    let other = store.replica().replace("bucket: notes", "bucket: votes");
    let said = with_replica(&other).examine(&[]);
    said.names(
        "list",
        "fault",
        &["there is no bucket", "votes", "make the bucket"],
    );
    said.names("put", "skipped", &["cannot be listed"]);
}

#[test]
fn missing_rights_are_told_apart() {
    let (said, _store) = about(Faults {
        refuses_listings: true,
        ..Faults::default()
    });
    said.names("list", "fault", &["AccessDenied", "s3:ListBucket"]);
    said.names("put", "ok", &[]);

    let (said, _store) = about(Faults {
        refuses_everything: true,
        ..Faults::default()
    });
    said.names(
        "list",
        "fault",
        &["AccessDenied", "check access key and secret key"],
    );
    said.names("put", "skipped", &["access is denied"]);
}

#[test]
fn a_store_that_ignores_conditions_is_told() {
    let faults = Faults {
        ignores_conditions: true,
        ..Faults::default()
    };
    let (said, store) = about(faults);
    let words = [
        "ignores conditions",
        "overwrite each other",
        "only one runs",
    ];
    said.names("conditional put", "warning", &words);
    assert_eq!(said.code, 0, "it works with one writer");
    assert_eq!(store.keys(), [""; 0]);

    let scene = Scene::new();
    scene.database("a.db", "wal");
    let replica = store.replica();
    scene.config(&format!(
        "require-fencing: true\ndbs:\n  - path: DIR/a.db\n    replica: {replica}\n"
    ));
    let said = scene.examine(&[]);
    said.names(
        "conditional put",
        "fault",
        &["`require-fencing` is set", "does not start"],
    );
}

#[test]
fn a_store_that_keeps_conditions_only_in_sequence_is_told() {
    let (said, _store) = about(Faults {
        careless: true,
        ..Faults::default()
    });
    said.names(
        "conditional put",
        "warning",
        &["under load", "of 8 writers", "only one runs"],
    );
}

#[test]
fn a_store_that_does_not_delete_is_told() {
    let (said, store) = about(Faults {
        refuses_deletes: true,
        ..Faults::default()
    });
    said.names(
        "delete",
        "warning",
        &["cannot be deleted", "s3:DeleteObject", "lifecycle"],
    );
    assert!(store.keys().iter().all(|key| key.starts_with("app/probe/")));

    let (said, _store) = about(Faults {
        pretends_to_delete: true,
        ..Faults::default()
    });
    said.names(
        "delete",
        "warning",
        &["cannot be deleted", "still lists it"],
    );
}

#[test]
fn a_clock_that_is_wrong_is_told() {
    for (seconds, status, words) in [
        (-20 * 60, "fault", "s ahead of the store's"),
        (20 * 60, "fault", "s behind the store's"),
        (60, "warning", "s behind the store's"),
        (1, "ok", "within seconds"),
    ] {
        let (said, _store) = about(Faults {
            clock_seconds: seconds,
            ..Faults::default()
        });
        let remedy = if status == "ok" { "" } else { "NTP" };
        said.names("clock", status, &[words, remedy]);
    }
}
