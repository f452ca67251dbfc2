//! The control socket and the commands that use it.

use crate::scene::{Scene, note, wait_for};
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The `sync-interval` of the scene.
const INTERVAL: Duration = Duration::from_secs(2);

fn serving(scene: &Scene) -> crate::scene::Running {
    scene.config(
        "socket: {enabled: true, path: DIR/s.sock}\n\
         dbs: [{path: DIR/app.db, replica: {path: DIR/backup, sync-interval: 2s}}]\n",
    );
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    scene.wait_for_socket();
    running
}

/// One request as another program would make it; the status and the body.
fn http(scene: &Scene, method: &str, route: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(scene.path("s.sock")).unwrap();
    write!(
        stream,
        "{method} {route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

#[test]
fn a_waiting_sync_ends_when_all_is_in_the_replica_and_makes_no_object_of_its_own() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    let running = serving(&scene);
    let path = scene.text("app.db");
    let synced = || scene.ask("sync", &["-wait", &path]);
    note(&database, "one");
    let first = synced()["replica_txid"].as_u64().unwrap();
    assert_eq!(scene.restored("backup"), ["one"]);
    // Nothing new: nothing is made.
    assert_eq!(synced()["replica_txid"], first);
    assert_eq!(synced()["replica_txid"], first);
    // Each commit is waited for, and still no object begins earlier than one interval after the
    // one before.
    let began = Instant::now();
    let mut last = first;
    for text in ["two", "three", "four"] {
        note(&database, text);
        last = synced()["replica_txid"].as_u64().unwrap();
    }
    let objects = u32::try_from(last - first).unwrap();
    let least = INTERVAL * (objects - 1);
    assert!(
        began.elapsed() >= least,
        "{objects} objects in {:?}",
        began.elapsed()
    );
    assert_eq!(scene.restored("backup"), ["one", "two", "three", "four"]);
    assert_eq!(running.stop(), 0);
    assert!(!scene.path("s.sock").exists(), "the socket is removed");
}

#[test]
fn a_sync_that_cannot_be_done_in_time_says_why() {
    let scene = Scene::new();
    let running = serving(&scene);
    let socket = scene.text("s.sock");
    let path = scene.text("app.db");
    let said = scene.run(&["sync", "-wait", "-socket", &socket, &path]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("no database yet"), "{}", said.stderr);
    let said = scene.run(&["sync", "-socket", &socket, "/nowhere"]);
    assert_eq!(said.code, 1);
    let text = "sync failed: database not found: /nowhere";
    assert!(said.stderr.contains(text), "{}", said.stderr);
    assert_eq!(running.stop(), 0);
}

#[test]
fn databases_are_registered_stopped_started_and_unregistered() {
    let scene = Scene::new();
    scene.database("app.db");
    let running = serving(&scene);
    let other = scene.database("other.db");
    note(&other, "one");
    let (path, socket) = (scene.text("other.db"), scene.text("s.sock"));
    let replica = format!("file://{}", scene.text("other-backup"));
    let registered =
        |status| json!({"status": status, "db_path": path, "replica": replica, "socket": socket});
    let register = || scene.ask("register", &["-replica", &replica, &path]);
    assert_eq!(register(), registered("registered"));
    assert_eq!(register(), registered("already_registered"));
    let txid = scene.ask("sync", &["-wait", &path])["txid"].clone();
    let switched = |status, state| json!({"status": status, "db_path": path, "state": state, "txid": txid, "socket": socket});

    // Whatever was committed before it stops is shipped; what comes later is not, until it starts.
    let stopped = scene.ask("stop", &[&path]);
    assert_eq!(stopped, switched("stopped", "stopped"));
    assert_eq!(
        scene.ask("stop", &[&path]),
        switched("already_stopped", "stopped")
    );
    note(&other, "two");
    assert_eq!(scene.restored("other-backup"), ["one"]);
    let said = scene.run(&["sync", "-socket", &socket, &path]);
    assert!(said.stderr.contains("database not open"), "{}", said.stderr);
    assert_eq!(scene.ask("start", &[&path])["status"], "started");
    assert_eq!(scene.ask("start", &[&path])["status"], "already_running");
    scene.ask("sync", &["-wait", &path]);
    assert_eq!(scene.restored("other-backup"), ["one", "two"]);

    note(&other, "three");
    assert_eq!(scene.ask("unregister", &[&path])["status"], "unregistered");
    assert_eq!(
        scene.ask("unregister", &[&path])["status"],
        "already_unregistered"
    );
    assert_eq!(scene.restored("other-backup"), ["one", "two", "three"]);
    assert_eq!(scene.ask("info", &[])["database_count"], 1);
    assert_eq!(running.stop(), 0);
}

#[test]
fn a_replica_that_another_database_has_is_refused() {
    let scene = Scene::new();
    scene.database("app.db");
    scene.database("other.db");
    let running = serving(&scene);
    let (path, socket) = (scene.text("other.db"), scene.text("s.sock"));
    let replica = format!("file://{}", scene.text("backup"));
    let said = scene.run(&["register", "-socket", &socket, "-replica", &replica, &path]);
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("overwrite each other"),
        "{}",
        said.stderr
    );
    assert_eq!(running.stop(), 0);
}

#[test]
fn the_routes_answer_as_litestreams_do() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    let running = serving(&scene);
    note(&database, "one");
    let path = scene.text("app.db");
    scene.ask("sync", &["-wait", &path]);
    let (status, body) = http(&scene, "GET", &format!("/txid?path={path}"), "");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["txid"].is_u64()), (200, true), "{body}");
    for (method, route, body, status, answer) in [
        ("GET", "/txid", "", 400, r#"{"error":"path required"}"#),
        (
            "GET",
            "/txid?path=/no",
            "",
            404,
            r#"{"error":"database not found"}"#,
        ),
        ("POST", "/sync", "{}", 400, r#"{"error":"path required"}"#),
        (
            "POST",
            "/stop",
            r#"{"path":"/no"}"#,
            500,
            r#"{"error":"database not found: /no"}"#,
        ),
        (
            "POST",
            "/start",
            r#"{"path":"/no"}"#,
            500,
            r#"{"error":"database not found: /no"}"#,
        ),
        (
            "POST",
            "/register",
            r#"{"path":"/no"}"#,
            400,
            r#"{"error":"replica_url required"}"#,
        ),
        (
            "POST",
            "/unregister",
            r#"{"path":"/no"}"#,
            200,
            r#"{"status":"already_unregistered","path":"/no","txid":0}"#,
        ),
        ("GET", "/sync", "", 405, ""),
        ("GET", "/nowhere", "", 404, ""),
    ] {
        assert_eq!(
            http(&scene, method, route, body),
            (status, answer.to_owned()),
            "{method} {route} {body}"
        );
    }
    let (status, body) = http(&scene, "GET", "/debug/sync-status", "");
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["databases"][0]["path"], path.as_str());
    assert_eq!(body["databases"][0]["phase"], "live");
    assert_eq!(running.stop(), 0);
}

#[test]
fn a_second_process_does_not_take_the_socket_and_one_after_a_crash_does() {
    let scene = Scene::new();
    scene.database("app.db");
    let running = serving(&scene);
    let mode = fs::metadata(scene.path("s.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = scene.run(&["replicate", "-config", "c.yml"]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout.contains("another process serves it"),
        "{}",
        said.stdout
    );
    running.signal("KILL");
    drop(running);
    assert!(scene.path("s.sock").exists());
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    let socket = scene.text("s.sock");
    wait_for("the new one", || {
        scene.run(&["info", "-socket", &socket]).code == 0
    });
    assert_eq!(running.stop(), 0);
}

#[test]
fn the_status_of_a_database_is_told_with_and_without_a_process() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    scene.config(
        "socket: {enabled: true, path: DIR/s.sock}\n\
         dbs:\n- {path: DIR/app.db, replica: {path: DIR/backup}}\n\
         - {path: DIR/missing.db, replica: {path: DIR/missing}}\n",
    );
    let status = || {
        let said = scene.run(&["status", "-config", "c.yml", "-json"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let status: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let words = |index: usize| {
            let of = &status[index];
            let word = |key: &str| of[key].as_str().unwrap().to_owned();
            (word("status"), word("local_txid"))
        };
        [words(0), words(1)]
    };
    let word = |status: &str, txid: &str| (status.to_owned(), txid.to_owned());
    let missing = word("no database", "-");
    assert_eq!(status(), [word("not initialized", "-"), missing.clone()]);
    note(&database, "one");
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    scene.wait_for_socket();
    scene.ask("sync", &["-wait", &scene.text("app.db")]);
    let shipped = status();
    assert_eq!(shipped[0].0, "ok");
    assert_eq!(running.stop(), 0);
    assert_eq!(status(), shipped);
}
