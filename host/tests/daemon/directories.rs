//! `dir` and `watch`: databases that come and go.

use crate::scene::{Scene, note, wait_for};
use std::fs;

fn watching(scene: &Scene, recursive: bool) {
    fs::create_dir_all(scene.path("data")).unwrap();
    scene.config(&format!(
        "socket: {{enabled: true, path: DIR/s.sock}}\n\
         dbs: [{{dir: DIR/data, pattern: '*.db', recursive: {recursive}, watch: true,\n\
         \u{20}       replica: {{path: DIR/backup}}}}]\n"
    ));
}

fn listed(scene: &Scene) -> Vec<String> {
    let list = scene.ask("list", &[]);
    let databases = list["databases"].as_array().unwrap().iter();
    let mut names: Vec<String> = databases
        .map(|database| {
            let path = database["path"].as_str().unwrap();
            path.trim_start_matches(&scene.text("data/")).to_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_database_is_replicated_as_it_appears_and_let_go_of_as_it_goes() {
    let scene = Scene::new();
    watching(&scene, false);
    note(&scene.database("data/first.db"), "first");
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    scene.wait_for_socket();
    wait_for("the first", || listed(&scene) == ["first.db"]);

    let second = scene.database("data/second.db");
    note(&second, "second");
    fs::write(scene.path("data/not-a.db"), "text").unwrap();
    wait_for("the second", || listed(&scene) == ["first.db", "second.db"]);
    scene.ask("sync", &["-wait", &scene.text("data/second.db")]);
    assert_eq!(scene.restored("backup/second.db"), ["second"]);

    // What it holds when it goes is still shipped.
    note(&second, "goes");
    for file in ["second.db", "second.db-wal", "second.db-shm"] {
        fs::remove_file(scene.path("data").join(file)).unwrap();
    }
    wait_for("its leaving", || listed(&scene) == ["first.db"]);
    assert_eq!(scene.restored("backup/second.db"), ["second", "goes"]);
    drop(second);

    // And one of that name may come again.
    note(&scene.database("data/second.db"), "again");
    wait_for("its return", || listed(&scene) == ["first.db", "second.db"]);
    scene.ask("sync", &["-wait", &scene.text("data/second.db")]);
    assert_eq!(scene.restored("backup/second.db"), ["again"]);
    assert_eq!(running.stop(), 0);
}

#[test]
fn databases_in_directories_that_come_later_are_found() {
    let scene = Scene::new();
    watching(&scene, true);
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    scene.wait_for_socket();
    note(&scene.database("data/a/b/deep.db"), "deep");
    wait_for("the deep one", || listed(&scene) == ["a/b/deep.db"]);
    note(&scene.database("data/a/b/deeper.db"), "deeper");
    wait_for("the other", || listed(&scene).len() == 2);
    scene.ask("sync", &["-wait", &scene.text("data/a/b/deep.db")]);
    assert_eq!(scene.restored("backup/a/b/deep.db"), ["deep"]);
    assert_eq!(running.stop(), 0);
}
