//! `restore -f`: a copy that is kept up to date.

use crate::scene::{Scene, note, notes, wait_for};
use rusqlite::{Connection, OpenFlags};
use std::fs;

fn read(scene: &Scene) -> Vec<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let copy = Connection::open_with_flags(scene.path("copy.db"), flags).unwrap();
    copy.busy_timeout(std::time::Duration::from_secs(5))
        .unwrap();
    notes(&copy)
}

#[test]
fn a_follower_shows_what_is_written_goes_on_after_a_restart_and_ends_with_0() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    note(&database, "one");
    let replica = format!("file://{}", scene.text("backup"));
    let primary = scene.start(&["replicate", "app.db", &replica]);
    wait_for("the first object", || scene.path("backup/ltx/0").exists());
    let follow = [
        "restore",
        "-f",
        "-follow-interval",
        "100ms",
        "-o",
        "copy.db",
        &replica,
    ];
    let follower = scene.start(&follow);
    wait_for("the copy", || scene.path("copy.db").exists());
    note(&database, "two");
    wait_for("the second note", || read(&scene) == ["one", "two"]);
    assert_eq!(follower.stop(), 0);

    note(&database, "three");
    let follower = scene.start(&follow);
    follower.wait_for_line("going on with it");
    wait_for("the third note", || read(&scene) == ["one", "two", "three"]);
    assert_eq!(follower.stop(), 0);
    assert_eq!(primary.stop(), 0);
}

#[test]
fn a_follower_that_cannot_follow_says_so() {
    let scene = Scene::new();
    note(&scene.database("app.db"), "one");
    let replica = format!("file://{}", scene.text("backup"));
    assert_eq!(
        scene.run(&["replicate", "-once", "app.db", &replica]).code,
        0
    );
    let follower = scene.start(&[
        "restore",
        "-f",
        "-follow-interval",
        "100ms",
        "-o",
        "copy.db",
        &replica,
    ]);
    follower.wait_for_line("following the replica");
    fs::write(scene.path("copy.db-txid"), "nonsense").unwrap();
    follower.wait_for_line("not following");
    assert_eq!(follower.stop(), 0);
}

#[test]
fn a_plan_names_the_objects_and_writes_nothing() {
    let scene = Scene::new();
    note(&scene.database("app.db"), "one");
    let replica = format!("file://{}", scene.text("backup"));
    assert_eq!(
        scene.run(&["replicate", "-once", "app.db", &replica]).code,
        0
    );
    let said = scene.run(&["restore", "-dry-run", "-json", "-o", "copy.db", &replica]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let plan: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(plan["source"], replica.as_str());
    assert_eq!(plan["replica"], "file");
    assert_eq!(plan["min_txid"], "0000000000000001");
    assert!(!plan["files"].as_array().unwrap().is_empty());
    for left in ["copy.db", "copy.db.tmp", "copy.db-txid"] {
        assert!(!scene.path(left).exists(), "{left}");
    }
    let nothing = format!("file://{}", scene.text("nothing"));
    let said = scene.run(&["restore", "-dry-run", "-o", "copy.db", &nothing]);
    assert_eq!(said.code, 5, "{}", said.stderr);
}

#[test]
fn a_restored_file_has_the_permissions_that_were_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    note(&scene.database("app.db"), "one");
    let replica = format!("file://{}", scene.text("backup"));
    assert_eq!(
        scene.run(&["replicate", "-once", "app.db", &replica]).code,
        0
    );
    let said = scene.run(&["restore", "-mode", "0666", "-o", "copy.db", &replica]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let mode = fs::metadata(scene.path("copy.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o666);
}
