//! What may happen to a program that runs beside an app: a signal at once, a log that nobody reads.

use crate::scene::{Scene, note, wait_for};
use std::fs;
use std::process::Child;
use std::time::Instant;

const DATABASES: &str = "dbs: [{path: DIR/app.db, replica: {path: DIR/backup}}]\n";

/// Whether it has a handler for SIGTERM.
fn listens(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    caught & (1 << (libc::SIGTERM - 1)) != 0
}

fn terminate(child: &Child) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn a_signal_at_the_very_start_ends_it_as_any_later_one() {
    let scene = Scene::new();
    note(&scene.database("app.db"), "kept");
    scene.config(DATABASES);
    for _ in 0..3 {
        let began = Instant::now();
        let mut command = scene.command(&["replicate", "-config", "c.yml"]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        while !listens(&child) {
            assert_eq!(child.try_wait().unwrap(), None);
        }
        println!("listens after {:?}", began.elapsed());
        terminate(&child);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}");
    }
    assert_eq!(scene.restored("backup"), ["kept"]);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    scene.config(DATABASES);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = scene.command(&["replicate", "-log-level", "debug", "-config", "c.yml"]);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    drop(reader);
    note(&database, "kept");
    wait_for("an object", || scene.path("backup/ltx/0").exists());
    note(&database, "too");
    terminate(&child);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(scene.restored("backup"), ["kept", "too"]);
}
