//! Many databases in one process.

use crate::scene::{Scene, note, wait_for};
use rusqlite::Connection;
use std::fmt::Write;
use std::fs;

#[test]
fn of_twenty_databases_one_that_is_garbage_does_not_touch_the_others() {
    let scene = Scene::new();
    let mut config = "dbs:\n".to_owned();
    let mut databases: Vec<Connection> = Vec::new();
    for number in 0..20 {
        let name = format!("{number}.db");
        if number == 7 {
            fs::write(scene.path(&name), "garbage, ".repeat(1000)).unwrap();
        } else {
            databases.push(scene.database(&name));
        }
        writeln!(
            config,
            "- {{path: DIR/{name}, replica: {{path: DIR/backup/{number}}}}}"
        )
        .unwrap();
    }
    scene.config(&config);
    let mut running = scene.start(&["replicate", "-config", "c.yml"]);
    for database in &databases {
        note(database, "kept");
    }
    running.wait_for_line("7.db");
    let shipped = |number| scene.path(&format!("backup/{number}/ltx/0")).exists();
    wait_for("all objects", || {
        (0..20).filter(|number| *number != 7).all(shipped)
    });
    assert!(running.is_running(), "{}", running.log());
    let log = running.log();
    assert!(log.contains("not a SQLite database"), "{log}");
    assert!(log.contains("tried again in 1s"), "{log}");

    // It is tried again, and replicated when it is mended.
    fs::remove_file(scene.path("7.db")).unwrap();
    note(&scene.database("7.db"), "mended");
    wait_for("the object of the mended one", || shipped(7));
    for database in &databases {
        note(database, "last");
    }
    assert_eq!(running.stop(), 0);
    assert_eq!(scene.restored("backup/7"), ["mended"]);
    for number in [0, 13, 19] {
        let notes = scene.restored(&format!("backup/{number}"));
        assert_eq!(notes, ["kept", "last"], "{number}");
    }
}

#[test]
fn a_single_database_that_is_garbage_ends_the_process() {
    let scene = Scene::new();
    fs::write(scene.path("a.db"), "garbage, ".repeat(1000)).unwrap();
    let replica = format!("file://{}", scene.text("backup"));
    let said = scene.run(&["replicate", "a.db", &replica]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(
        said.stdout.contains("not a SQLite database"),
        "{}",
        said.stdout
    );
}

#[test]
fn one_watcher_serves_all_databases() {
    let scene = Scene::new();
    let mut config = "dbs:\n".to_owned();
    for number in 0..8 {
        scene.database(&format!("{number}/app.db"));
        writeln!(
            config,
            "- {{path: DIR/{number}/app.db, replica: {{path: DIR/backup/{number}}}}}"
        )
        .unwrap();
    }
    scene.config(&config);
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    wait_for("all objects", || {
        (0..8).all(|number| scene.path(&format!("backup/{number}/ltx/0")).exists())
    });
    assert_eq!(running.inotify_instances(), 1);
    assert_eq!(running.stop(), 0);
}
