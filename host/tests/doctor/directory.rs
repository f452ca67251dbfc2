//! Replicas in directories.

use super::scene::Scene;
use std::fs;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.database("a.db", "wal");
    scene.config("dbs:\n  - path: DIR/a.db\n    replica: {url: 'file://DIR/r'}\n");
    scene
}

#[test]
fn a_replica_on_the_same_disk_is_told() {
    let said = scene().examine(&[]);
    let words = ["same disk", "does not survive", "s3://"];
    said.names("other disk", "warning", &words);
    said.complains_only_of(&["other disk"]);
    assert_eq!(said.code, 0, "a warning is no fault");
}

#[test]
fn a_directory_is_tried_and_left_as_it_was() {
    let scene = scene();
    fs::create_dir(scene.path("r")).unwrap();
    let before = scene.contents();
    let said = scene.examine(&[]);
    said.names(
        "write",
        "ok",
        &["written, not overwritten, read and removed"],
    );
    assert_eq!(scene.contents(), before);
    assert_eq!(fs::read_dir(scene.path("r")).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_place_of_the_directory_is_told() {
    let scene = scene();
    fs::write(scene.path("r"), "").unwrap();
    let said = scene.examine(&[]);
    said.names(
        "directory",
        "fault",
        &["is a file, not a directory", "path"],
    );
}

#[test]
fn a_replica_can_be_examined_by_its_url() {
    let scene = scene();
    fs::create_dir(scene.path("r")).unwrap();
    let url = format!("file://{}", scene.path("r").display());
    let said = scene.examine_by(&mut scene.seawall(), &[&url], &[]);
    said.names("write", "ok", &[]);
    said.complains_only_of(&[]);
}
