//! `-once`: replicates what is there, and ends.

use crate::scene::{Scene, note};
use std::fs;

fn levels(scene: &Scene, replica: &str) -> Vec<(u64, String)> {
    let source = format!("file://{}", scene.text(replica));
    let said = scene.run(&["ltx", "-level", "all", "-json", &source]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let objects: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let object = |object: &serde_json::Value| {
        let max = object["max_txid"].as_str().unwrap().to_owned();
        (object["level"].as_u64().unwrap(), max)
    };
    objects.as_array().unwrap().iter().map(object).collect()
}

#[test]
fn everything_is_shipped_and_a_forced_snapshot_is_of_the_newest_state() {
    let scene = Scene::new();
    let one = scene.database("one.db");
    let two = scene.database("two.db");
    scene.config(
        "dbs:\n\
         - {path: DIR/one.db, replica: {path: DIR/1}}\n\
         - {path: DIR/two.db, replica: {path: DIR/2}}\n",
    );
    for round in ["first", "second"] {
        note(&one, round);
        note(&two, round);
        let said = scene.run(&["replicate", "-once", "-config", "c.yml"]);
        assert_eq!(said.code, 0, "{}", said.stdout);
    }
    assert_eq!(scene.restored("1"), ["first", "second"]);
    assert_eq!(scene.restored("2"), ["first", "second"]);

    note(&one, "third");
    let said = scene.run(&["replicate", "-once", "-force-snapshot", "-config", "c.yml"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let newest = levels(&scene, "1");
    let newest = newest.iter().rfind(|(level, _)| *level == 0);
    let snapshot = (9, newest.unwrap().1.clone());
    assert!(levels(&scene, "1").contains(&snapshot), "{snapshot:?}");
}

#[test]
fn a_database_that_is_not_there_is_an_error_and_the_others_are_shipped() {
    let scene = Scene::new();
    note(&scene.database("there.db"), "kept");
    scene.config(
        "dbs:\n\
         - {path: DIR/missing.db, replica: {path: DIR/1}}\n\
         - {path: DIR/there.db, replica: {path: DIR/2}}\n",
    );
    let said = scene.run(&["replicate", "-once", "-config", "c.yml"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(said.stdout.contains("missing.db"), "{}", said.stdout);
    assert_eq!(scene.restored("2"), ["kept"]);
}

#[test]
fn the_databases_of_a_directory_are_shipped_too() {
    let scene = Scene::new();
    for name in ["data/a.db", "data/b.db"] {
        note(&scene.database(name), name);
    }
    fs::write(scene.path("data/c.db"), "no database").unwrap();
    scene.config("dbs: [{dir: DIR/data, pattern: '*.db', replica: {path: DIR/backup}}]\n");
    let said = scene.run(&["replicate", "-once", "-config", "c.yml"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert_eq!(scene.restored("backup/a.db"), ["data/a.db"]);
    assert_eq!(scene.restored("backup/b.db"), ["data/b.db"]);
}
