//! Databases whose files, directories and users are not as they should be.

use super::scene::{Running, Scene, am_root};
use rusqlite::Connection;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Somebody without rights.
const NOBODY: u32 = 65534;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.config("dbs:\n  - path: DIR/a.db\n    replica: {url: 'file://DIR/r'}\n");
    scene
}

/// The program as somebody who is not root, wherever it was built.
fn seawall_as_nobody(scene: &Scene) -> Command {
    if !am_root() {
        return scene.seawall();
    }
    let copy = scene.path("seawall");
    fs::copy(env!("CARGO_BIN_EXE_seawall"), &copy).unwrap();
    let mut command = scene.command(&copy);
    command.uid(NOBODY).gid(NOBODY);
    command
}

#[test]
fn a_directory_that_is_not_there_is_told() {
    let scene = Scene::new();
    scene.config("dbs:\n  - path: DIR/volume/a.db\n    replica: {url: 'file://DIR/r'}\n");
    let said = scene.examine(&[]);
    said.names(
        "directory",
        "fault",
        &["volume does not exist", "mount the volume"],
    );
    said.names("file", "skipped", &["its directory cannot be used"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_told_with_who_asks() {
    let scene = scene();
    scene.database("a.db", "wal");
    fs::set_permissions(scene.path("c.yml"), Permissions::from_mode(0o644)).unwrap();
    let mut seawall = seawall_as_nobody(&scene);
    fs::set_permissions(scene.path(""), Permissions::from_mode(0o555)).unwrap();
    let said = scene.examine_by(&mut seawall, &["-config", "c.yml"], &[]);
    fs::set_permissions(scene.path(""), Permissions::from_mode(0o755)).unwrap();
    said.names(
        "directory",
        "fault",
        &["may not be written by uid", "runAsUser"],
    );
    if am_root() {
        said.names(
            "file",
            "fault",
            &["a.db may not be written by uid 65534", "owner 0:0"],
        );
    }
}

#[test]
fn a_directory_that_may_not_be_searched_is_told() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("closed/data")).unwrap();
    scene.database("closed/data/a.db", "wal");
    scene.config("dbs:\n  - path: DIR/closed/data/a.db\n    replica: {url: 'file://DIR/r'}\n");
    fs::set_permissions(scene.path("c.yml"), Permissions::from_mode(0o644)).unwrap();
    let mut seawall = seawall_as_nobody(&scene);
    fs::set_permissions(scene.path("closed"), Permissions::from_mode(0o600)).unwrap();
    let said = scene.examine_by(&mut seawall, &["-config", "c.yml"], &[]);
    fs::set_permissions(scene.path("closed"), Permissions::from_mode(0o755)).unwrap();
    said.names(
        "directory",
        "fault",
        &["closed may not be searched by uid", "mode 0600"],
    );
}

#[test]
fn a_database_that_is_not_there_is_a_warning() {
    let said = scene().examine(&[]);
    said.names(
        "file",
        "warning",
        &["a.db is not there", "start the app", "seawall restore"],
    );
}

#[test]
fn what_is_no_database_is_told() {
    let scene = scene();
    let path = scene.path("a.db");
    let text = b"dbs: nothing that SQLite has written".as_slice();
    let encrypted: Vec<u8> = (0..4096).map(|byte| (byte * 151 + 128) as u8).collect();
    for (content, word) in [(text, "text file"), (&encrypted, "encrypted")] {
        fs::write(&path, content).unwrap();
        let said = scene.examine(&[]);
        said.names(
            "format",
            "fault",
            &["not an SQLite database", word, "seawall restore"],
        );
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    scene
        .examine(&[])
        .names("file", "fault", &["not a file", "write `dir:`"]);
}

#[test]
fn a_symbolic_link_is_told_with_the_path_to_write() {
    let scene = scene();
    let real = scene.database("real.db", "wal");
    symlink(&real, scene.path("a.db")).unwrap();
    let said = scene.examine(&[]);
    said.names(
        "file",
        "fault",
        &["symbolic link", real.to_str().unwrap(), "config"],
    );
}

#[test]
fn a_rollback_journal_is_told_and_left() {
    let scene = scene();
    scene.database("a.db", "delete");
    let before = scene.contents();
    let said = scene.examine(&[]);
    said.names(
        "journal mode",
        "ok",
        &["rollback journal", "switches the database to WAL"],
    );
    said.complains_only_of(&["other disk"]);
    assert_eq!(scene.contents(), before, "nothing is changed");
}

#[test]
fn a_file_beside_the_database_that_belongs_to_another_is_told() {
    if !am_root() {
        return; // Only root may give files away.
    }
    let scene = scene();
    let path = scene.database("a.db", "wal");
    let wal = scene.path("a.db-wal");
    fs::write(&wal, "").unwrap();
    fs::set_permissions(&wal, Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(&path, Some(NOBODY), None).unwrap();
    let said = scene.examine(&[]);
    said.names(
        "-wal and -shm",
        "warning",
        &["a.db-wal has another owner", "chown"],
    );
}

#[test]
fn an_app_with_an_old_sqlite_is_named_with_its_version() {
    let scene = scene();
    let path = scene.database("a.db", "wal");
    // A program that carries what SQLite 3.44.2 carries, and has the database open.
    let app = scene.path("old-app");
    let mut program = fs::read("/bin/sleep").unwrap();
    // Put together here, so that this test itself does not carry it.
    let version = [3, 44, 2].map(|number| number.to_string()).join(".");
    let source_id = format!("2023-11-24 11:41:44 {}", "ab".repeat(32));
    program.extend(format!("\0{version}\0{source_id}\0").into_bytes());
    fs::write(&app, program).unwrap();
    fs::set_permissions(&app, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&app);
    command.arg("600").stdin(File::open(&path).unwrap());
    let _app = Running(command.spawn().unwrap());
    let said = scene.examine(&[]);
    said.names("held open by", "ok", &["old-app (pid "]);
    let words = ["3.44.2 in ", "old-app", "3.51.3", "checkpoint lock"];
    said.names("app's SQLite", "warning", &words);
}

#[test]
fn an_app_with_a_new_sqlite_is_named_with_its_version() {
    let scene = scene();
    // This test is the app.
    let connection = Connection::open(scene.database("a.db", "wal")).unwrap();
    let sql = "SELECT count(*) FROM notes";
    connection.query_row(sql, [], |_| Ok(())).unwrap();
    let said = scene.examine(&[]);
    let pid = format!("(pid {}", std::process::id());
    said.names("held open by", "ok", &[&pid]);
    said.names("app's SQLite", "ok", &[rusqlite::version()]);
    said.complains_only_of(&["other disk"]);
}

#[test]
fn another_seawall_is_named() {
    let scene = scene();
    scene.database("a.db", "wal");
    let mut command = scene.seawall();
    command.args(["replicate", "-config", "c.yml"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let seawall = Running(command.spawn().unwrap());
    wait_until_it_keeps_the_lock(&scene.path("a.db"));
    let said = scene.examine(&[]);
    let pid = format!("seawall (pid {}", seawall.0.id());
    said.names(
        "replicator",
        "warning",
        &["another seawall", &pid, "do not start a second"],
    );

    let mut command = scene.seawall();
    let target = format!("file://{}", scene.path("r2").display());
    command.args(["replicate", scene.path("a.db").to_str().unwrap(), &target]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let second = Running(command.spawn().unwrap());
    let began = Instant::now();
    let pid = second.0.id().to_string();
    while began.elapsed() < Duration::from_secs(60) {
        let said = scene.examine(&[]);
        if said.status("replicator").as_deref() == Some("fault") {
            return said.names(
                "replicator",
                "fault",
                &["several seawalls", &pid, "stop all but one"],
            );
        }
    }
    panic!("the second seawall is not seen");
}

fn wait_until_it_keeps_the_lock(database: &Path) {
    let connection = Connection::open(database).unwrap();
    let began = Instant::now();
    loop {
        let sql = "PRAGMA wal_checkpoint";
        let busy: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        if busy != 0 {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it keeps no lock"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
