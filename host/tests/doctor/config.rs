//! Configs that cannot be read or do not say what they should.

use super::scene::Scene;

#[test]
fn a_config_that_is_not_there_is_named_with_what_to_do() {
    let said = Scene::new().examine(&[]);
    said.names(
        "file",
        "fault",
        &["config file not found", "c.yml", "-config"],
    );
}

#[test]
fn a_misspelt_key_is_named_with_the_right_one() {
    let scene = Scene::new();
    scene.config(
        "dbs:\n  - path: DIR/a.db\n    replica: {url: 'file://DIR/r'}\n    sync-intervall: 1s\n",
    );
    let said = scene.examine(&[]);
    said.names(
        "keys and values",
        "fault",
        &["sync-intervall", "sync-interval"],
    );
    said.names(
        "databases and replicas",
        "skipped",
        &["the config cannot be read"],
    );
}

#[test]
fn a_variable_that_is_not_set_is_named_with_where_to_set_it() {
    let scene = Scene::new();
    scene.database("a.db", "wal");
    scene.config(
        "dbs:\n  - path: DIR/a.db\n    replica: {url: 'file://DIR/r', sync-interval: $INTERVAL }\n",
    );
    let said = scene.examine(&[]);
    said.names(
        "variables",
        "fault",
        &["c.yml:3:", "INTERVAL is not set", "EnvironmentFile"],
    );
    let said = scene.examine(&[("INTERVAL", "1s")]);
    said.names("variables", "ok", &[]);
}

#[test]
fn half_a_pair_of_keys_is_told() {
    let scene = Scene::new();
    scene.config("dbs:\n  - path: DIR/a.db\n    replica: {url: 'file://DIR/r'}\n");
    let said = scene.examine(&[("AWS_ACCESS_KEY_ID", "x")]);
    said.names(
        "variables",
        "warning",
        &["AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"],
    );
}

#[test]
fn a_config_without_databases_is_told() {
    let scene = Scene::new();
    scene.config("dbs: []\n");
    scene
        .examine(&[])
        .names("keys and values", "fault", &["names no database", "dbs:"]);
}

#[test]
fn a_database_that_the_config_does_not_have_is_told() {
    let scene = Scene::new();
    scene.config("dbs:\n  - path: DIR/a.db\n    replica: {url: 'file://DIR/r'}\n");
    let arguments = ["-config", "c.yml", "b.db"];
    let said = scene.examine_by(&mut scene.seawall(), &arguments, &[]);
    said.names(
        "databases",
        "fault",
        &["has no database", "b.db", "seawall databases"],
    );
}

#[test]
fn a_file_in_place_of_the_control_socket_is_told() {
    let scene = Scene::new();
    std::fs::write(scene.path("s.sock"), "").unwrap();
    scene.config("socket: {enabled: true, path: DIR/s.sock}\ndbs: []\n");
    scene.examine(&[]).names(
        "control socket",
        "fault",
        &["is not a socket", "socket.path"],
    );
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let scene = Scene::new();
    let replica = "replica: {url: 'file://DIR/r'}";
    scene.config(&format!(
        "addr: '{addr}'\ndbs:\n  - path: DIR/a.db\n    {replica}\n"
    ));
    let said = scene.examine(&[]);
    let words = ["somebody listens at", &addr.to_string(), "another `addr`"];
    said.names("addr", "warning", &words);
    drop(taken);
    scene.examine(&[]).names("addr", "ok", &["is free"]);
}
