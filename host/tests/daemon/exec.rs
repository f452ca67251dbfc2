//! `-exec`: a program that runs while its database is replicated.

use crate::scene::{Scene, note};
use std::fs;

fn run(scene: &Scene, command: &str) -> i32 {
    let replica = format!("file://{}", scene.text("backup"));
    let said = scene.run(&["replicate", "-exec", command, "app.db", &replica]);
    said.code
}

#[test]
fn its_exit_code_is_ours() {
    let scene = Scene::new();
    scene.database("app.db");
    assert_eq!(run(&scene, "true"), 0);
    assert_eq!(run(&scene, "sh -c 'exit 7'"), 7);
    assert_eq!(run(&scene, "sh -c 'kill -9 $$'"), 128 + 9);
    assert_eq!(run(&scene, "/no/such/program"), 1);
}

#[test]
fn what_it_wrote_last_is_shipped_after_its_end() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    note(&database, "early");
    drop(database);
    let script = "import sqlite3\nc = sqlite3.connect('app.db')\n\
                  c.execute(\"INSERT INTO notes VALUES ('last')\")\nc.commit()\n";
    fs::write(scene.path("app.py"), script).unwrap();
    assert_eq!(run(&scene, "python3 app.py"), 0);
    assert_eq!(scene.restored("backup"), ["early", "last"]);
}

#[test]
fn signals_are_passed_on_and_its_answer_is_waited_for() {
    let scene = Scene::new();
    scene.database("app.db");
    let replica = format!("file://{}", scene.text("backup"));
    for (signal, code) in [("TERM", 3), ("INT", 5)] {
        let script = "trap 'sleep 1; echo got TERM; exit 3' TERM; \
                      trap 'sleep 1; echo got INT; exit 5' INT; echo ready; \
                      while :; do sleep 0.1; done";
        fs::write(scene.path("app.sh"), script).unwrap();
        let _ = fs::remove_file(scene.path("log"));
        let mut running = scene.start(&["replicate", "-exec", "sh app.sh", "app.db", &replica]);
        running.wait_for_line("ready");
        running.signal(signal);
        assert_eq!(running.wait(), code, "{}", running.log());
        let log = running.log();
        let answered = log.find(&format!("got {signal}")).unwrap();
        let shipped = log.find("everything is shipped").unwrap();
        assert!(answered < shipped, "{log}");
    }
}

#[test]
fn the_program_of_the_config_runs_and_the_flags_one_instead_of_it() {
    let scene = Scene::new();
    scene.database("app.db");
    scene.config(
        "exec: sh -c 'exit 9'\n\
         dbs: [{path: DIR/app.db, replica: {path: DIR/backup}}]\n",
    );
    assert_eq!(scene.run(&["replicate", "-config", "c.yml"]).code, 9);
    let said = scene.run(&["replicate", "-config", "c.yml", "-exec", "sh -c 'exit 4'"]);
    assert_eq!(said.code, 4);
}

#[test]
fn a_database_that_is_not_there_is_restored_before_the_program_starts() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    note(&database, "kept");
    drop(database);
    assert_eq!(run(&scene, "true"), 0);
    for file in ["app.db", "app.db-wal", "app.db-shm", ".app.db-seawall"] {
        let _ = fs::remove_file(scene.path(file));
    }
    let replica = format!("file://{}", scene.text("backup"));
    let count = "python3 -c \"import sqlite3, sys; \
                 sys.exit(sqlite3.connect('app.db').execute('SELECT 40 + count(*) FROM notes').fetchone()[0])\"";
    let arguments = [
        "replicate",
        "-restore-if-db-not-exists",
        "-exec",
        count,
        "app.db",
        &replica,
    ];
    let said = scene.run(&arguments);
    assert_eq!(said.code, 41, "{}{}", said.stdout, said.stderr);

    // Without a backup it begins anew.
    let nothing = format!("file://{}", scene.text("nothing"));
    let said = scene.run(&[
        "replicate",
        "-restore-if-db-not-exists",
        "-exec",
        "true",
        "new.db",
        &nothing,
    ]);
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
}

#[test]
fn a_program_does_not_start_with_an_empty_database_while_the_replica_cannot_be_read() {
    let scene = Scene::new();
    note(&scene.database("app.db"), "kept");
    assert_eq!(run(&scene, "true"), 0);
    for file in ["app.db", "app.db-wal", "app.db-shm", ".app.db-seawall"] {
        let _ = fs::remove_file(scene.path(file));
    }
    // Nobody answers at this address.
    let replica = "s3://bucket/app.db?endpoint=http://127.0.0.1:9&region=here";
    let mut running = scene.start(&[
        "replicate",
        "-restore-if-db-not-exists",
        "-exec",
        "touch started",
        "app.db",
        replica,
    ]);
    running.wait_for_line("not restored");
    assert!(running.is_running(), "{}", running.log());
    running.signal("TERM");
    assert_eq!(running.wait(), 0);
    assert!(!scene.path("started").exists());
    assert!(!scene.path("app.db").exists());
}
