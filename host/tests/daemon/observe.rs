//! What others see: metrics, readiness, status, heartbeats, OTLP.

use crate::scene::{Running, Scene, note, wait_for};
use crate::web::{Answer, Peer, ask, get};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

const DATABASES: &str = "dbs: [{path: DIR/app.db, replica: {path: DIR/backup}}]\n";

/// A program that serves, and where.
pub fn serving(scene: &Scene, more: &str) -> (Running, SocketAddr) {
    scene.config(&format!("addr: 127.0.0.1:0\n{more}"));
    let running = scene.start(&["replicate", "-config", "c.yml"]);
    let addr = served_at(&running);
    (running, addr)
}

fn served_at(running: &Running) -> SocketAddr {
    running.wait_for_line("status: http://");
    let log = running.log();
    let (_, rest) = log.split_once("status: http://").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

fn status(addr: SocketAddr) -> Value {
    let Answer { status, body, .. } = get(addr, "/status.json");
    assert_eq!(status, 200, "{body}");
    let mut status: Value = serde_json::from_str(&body).unwrap();
    // It begins to serve before it knows its databases.
    status["databases"]
        .get_mut(0)
        .map_or(Value::Null, Value::take)
}

/// The number of a line of the metrics.
#[track_caller]
fn metric(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|each| each.strip_prefix(line));
    let number = found.unwrap_or_else(|| panic!("no {line} in:\n{text}"));
    number.trim().parse().unwrap()
}

/// Until it is live and its store has been tried out, which ends with a deletion.
fn wait_until_live(addr: SocketAddr) {
    wait_for("a live database", || {
        let now = status(addr);
        now["status"] == "live" && now["requests"]["delete"].as_u64() > Some(0)
    });
}

#[test]
fn metrics_and_status_tell_the_same_of_a_database() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    for text in ["one", "two"] {
        note(&database, text);
    }
    let (running, addr) = serving(&scene, DATABASES);
    wait_until_live(addr);
    wait_for("a current replica", || status(addr)["lag_seconds"] == 0.0);
    assert_eq!(scene.restored("backup"), ["one", "two"]);

    let now = status(addr);
    let metrics = get(addr, "/metrics");
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(kind));
    let path = scene.text("app.db");
    let number = |name: &str| metric(&metrics.body, &format!("{name}{{db=\"{path}\"}}"));
    for (name, key) in [
        ("seawall_durable_txid", "durable_txid"),
        ("seawall_lag_seconds", "lag_seconds"),
        ("seawall_lag_bytes", "lag_bytes"),
        ("litestream_txid", "durable_txid"),
        ("litestream_db_size", "size_bytes"),
        ("litestream_wal_size", "wal_bytes"),
    ] {
        assert_eq!(Some(number(name)), now[key].as_f64(), "{name}");
    }
    assert_eq!(number("litestream_db_size"), 8192.0);
    assert!(number("litestream_sync_count") > 0.0);
    let of = |name: &str, label: &str| {
        metric(&metrics.body, &format!("{name}{{db=\"{path}\",{label}}}"))
    };
    assert_eq!(of("seawall_state", "state=\"live\""), 1.0);
    assert_eq!(of("seawall_state", "state=\"fenced\""), 0.0);
    assert!(of("seawall_requests_total", "kind=\"put\"") >= 1.0);
    assert!(of("seawall_bytes_total", "direction=\"sent\"") > 100.0);
    assert_eq!(of("seawall_store_errors_total", "kind=\"denied\""), 0.0);
    let puts = "litestream_replica_operation_total{replica_type=\"file\",operation=\"PUT\"}";
    assert!(metric(&metrics.body, puts) >= 1.0);

    assert_eq!(
        now["replica"]["url"],
        format!("file://{}", scene.text("backup"))
    );
    let command = format!(
        "seawall restore -config {} -o restored.db {path}",
        scene.text("c.yml")
    );
    assert_eq!(now["restore_command"], command);
    assert_eq!(running.stop(), 0);
}

#[test]
fn only_what_there_is_is_served_and_nothing_is_changed() {
    let scene = Scene::new();
    let (running, addr) = serving(&scene, DATABASES);
    for (method, route, expected) in [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/healthz", 200),
        ("HEAD", "/metrics", 200),
        ("GET", "/status.json", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/debug/pprof", 404),
        ("POST", "/", 405),
        ("DELETE", "/status.json", 405),
    ] {
        let answer = ask(addr, method, route);
        assert_eq!(answer.status, expected, "{method} {route}");
        if expected == 200 {
            assert_eq!(
                answer.header("x-content-type-options"),
                Some("nosniff"),
                "{route}"
            );
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'"),
                "{route}: {policy}"
            );
        }
    }
    let page = get(addr, "/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(running.stop(), 0);
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let scene = Scene::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    scene.config(&format!("addr: {addr}\n{DATABASES}"));
    let said = scene.run(&["replicate", "-config", "c.yml"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    let text = format!("cannot listen at addr {addr}");
    assert!(said.stdout.contains(&text), "{}", said.stdout);
}

fn goes_on(now: &Value) -> bool {
    let errors = now["recent_errors"].as_array().unwrap();
    errors.iter().any(|error| error["recovered_at"].is_null())
}

#[test]
fn an_outage_is_told_once_and_over_once_and_readiness_follows() {
    let scene = Scene::new();
    let database = scene.database("app.db");
    let (running, addr) = serving(&scene, &format!("ready-max-lag: 3s\n{DATABASES}"));
    wait_until_live(addr);
    wait_for("readiness", || get(addr, "/readyz").status == 200);
    assert_eq!(get(addr, "/readyz").body, "ready\n");

    // A file stands where the directory was.
    fs::rename(scene.path("backup"), scene.path("moved")).unwrap();
    fs::write(scene.path("backup"), "").unwrap();
    note(&database, "one");
    wait_for("an error", || !status(addr)["error"].is_null());
    wait_for("unreadiness", || get(addr, "/readyz").status == 503);
    let unready = get(addr, "/readyz").body;
    assert!(unready.starts_with(&scene.text("app.db")), "{unready}");
    assert!(
        unready.contains("s behind, at most 3 s are allowed"),
        "{unready}"
    );
    assert_eq!(get(addr, "/healthz").status, 200);
    let now = status(addr);
    assert!(now["lag_seconds"].as_f64() > Some(2.9), "{now}");
    assert!(now["lag_bytes"].as_u64() > Some(0), "{now}");
    // Compaction may have failed, too, and be in a pause.
    assert!(goes_on(&now), "{now}");

    fs::remove_file(scene.path("backup")).unwrap();
    fs::rename(scene.path("moved"), scene.path("backup")).unwrap();
    wait_for("readiness", || get(addr, "/readyz").status == 200);
    let now = status(addr);
    assert!(
        now["error"].is_null() && now["error_since"].is_null(),
        "{now}"
    );
    wait_for("the end of all errors", || !goes_on(&status(addr)));
    let history = now["lag_history"].as_array().unwrap();
    let most = history
        .iter()
        .map(|point| point["seconds"].as_f64().unwrap());
    assert!(most.fold(0.0, f64::max) > 2.9, "{now}");

    assert_eq!(scene.restored("backup"), ["one"]);
    let log = running.log();
    assert_eq!(log.matches(" ERROR ").count(), 1, "{log}");
    assert_eq!(log.matches("not shipping").count(), 1, "{log}");
    assert_eq!(
        log.matches("recovered; nothing was lost").count(),
        1,
        "{log}"
    );
    assert_eq!(running.stop(), 0);
}

#[test]
fn a_database_that_is_not_there_yet_is_nothing_to_wait_for() {
    let scene = Scene::new();
    let (running, addr) = serving(&scene, DATABASES);
    wait_for("it", || status(addr)["status"] == "waiting");
    assert_eq!(get(addr, "/readyz").status, 200);
    assert_eq!(status(addr)["lag_seconds"], 0.0);
    assert_eq!(running.stop(), 0);
}

#[test]
fn a_heartbeat_is_sent_once_all_is_current_and_not_before() {
    let scene = Scene::new();
    let peer = Peer::start(200);
    // Of two databases one has a file for its replica, which cannot be.
    fs::write(scene.path("other-backup"), "").unwrap();
    scene.database("app.db");
    scene.database("other.db");
    let beat = format!("heartbeat-url: 'http://{}/ping/token-1'\n", peer.addr);
    let other = "- {path: DIR/other.db, replica: {path: DIR/other-backup}}\n";
    let databases = "dbs:\n- {path: DIR/app.db, replica: {path: DIR/backup}}\n";
    let (running, addr) = serving(&scene, &format!("{beat}{databases}{other}"));
    wait_until_live(addr);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(peer.requests(), [] as [String; 0]);
    fs::remove_file(scene.path("other-backup")).unwrap();
    wait_for("a heartbeat", || !peer.requests().is_empty());
    std::thread::sleep(Duration::from_secs(3));
    let requests = peer.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(
        requests[0].starts_with("GET /ping/token-1 "),
        "{requests:?}"
    );
    assert_eq!(running.stop(), 0);
}

#[test]
fn a_heartbeat_that_is_refused_is_a_warning_without_the_url() {
    let scene = Scene::new();
    let peer = Peer::start(500);
    scene.database("app.db");
    let beat = format!("heartbeat-url: 'http://{}/ping/token-1'\n", peer.addr);
    let (running, _) = serving(&scene, &format!("{beat}{DATABASES}"));
    running.wait_for_line("the heartbeat failed");
    let log = running.log();
    assert!(log.contains("500"), "{log}");
    assert!(!log.contains("token-1"), "{log}");
    assert_eq!(log.matches(" WARN ").count(), 1, "{log}");
    assert_eq!(running.stop(), 0);
}

#[test]
fn metrics_are_sent_by_otlp_when_the_environment_names_an_endpoint() {
    let scene = Scene::new();
    let peer = Peer::start(200);
    let database = scene.database("app.db");
    note(&database, "one");
    scene.config(DATABASES);
    let endpoint = format!("http://{}", peer.addr);
    let running = scene.start_with(
        &["replicate", "-config", "c.yml"],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20key"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
            ("OTEL_SERVICE_NAME", "notes"),
        ],
    );
    let txid = |request: &str| {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let resource = &body["resourceMetrics"][0];
        let service = &resource["resource"]["attributes"][0]["value"]["stringValue"];
        assert_eq!(service, "notes");
        let metrics = resource["scopeMetrics"][0]["metrics"].as_array().unwrap();
        let named = |metric: &&Value| metric["name"] == "seawall_durable_txid";
        let point = &metrics.iter().find(named).unwrap()["gauge"]["dataPoints"][0];
        point["asInt"].as_str().unwrap().parse::<u64>().unwrap()
    };
    wait_for("the transaction", || {
        peer.requests().iter().any(|request| txid(request) > 0)
    });
    let first = &peer.requests()[0];
    assert!(first.starts_with("POST /v1/metrics "), "{first}");
    assert!(first.contains("x-key: a key\r\n"), "{first}");
    assert_eq!(running.stop(), 0);
}

#[test]
fn nothing_secret_is_in_any_answer_or_line() {
    let scene = Scene::new();
    scene.database("app.db");
    let (running, addr) = serving(
        &scene,
        "heartbeat-url: 'http://127.0.0.1:9/quince-1'\n\
         dbs:\n- path: DIR/app.db\n  replica:\n    type: s3\n    bucket: b\n    path: p\n    \
         endpoint: http://127.0.0.1:9\n    access-key-id: quince-2\n    \
         secret-access-key: quince-3\n    sse-customer-key: aHVzaC00aHVzaC00aHVzaC00aHVzaC00aHVzaC00MTI=\n",
    );
    wait_for("an error", || !status(addr)["error"].is_null());
    for route in ["/", "/metrics", "/readyz", "/healthz", "/status.json"] {
        let answer = get(addr, route);
        for secret in ["quince", "aHVzaC00"] {
            assert!(!answer.body.contains(secret), "{route}: {}", answer.body);
        }
    }
    let log = running.log();
    assert!(
        !log.contains("quince") && !log.contains("aHVzaC00"),
        "{log}"
    );
    drop(running);
}

/// What Litestream named is named so, whatever the checker thinks of these names.
const PEERS: [&str; 5] = [
    "litestream_sync_count",
    "litestream_sync_error_count",
    "litestream_replica_operation_bytes",
    "litestream_sync_seconds",
    "litestream_txid",
];

#[test]
fn promtool_finds_nothing_wrong_with_our_metrics() {
    let scene = Scene::new();
    let database = scene.database("quo\"te.db");
    note(&database, "one");
    let (running, addr) = serving(
        &scene,
        "dbs: [{path: 'DIR/quo\"te.db', replica: {path: DIR/backup}}]\n",
    );
    wait_until_live(addr);
    let metrics = get(addr, "/metrics").body;
    assert_eq!(running.stop(), 0);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("scripts/setup test installs promtool");
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(metrics.as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let ours: Vec<_> = said
        .lines()
        .filter(|line| {
            !PEERS
                .iter()
                .any(|name| line.starts_with(&format!("{name} ")))
        })
        .collect();
    assert_eq!(ours, [] as [&str; 0], "in:\n{metrics}");
    // 1: it could not be read.
    assert!([Some(0), Some(3)].contains(&output.status.code()), "{said}");
}
