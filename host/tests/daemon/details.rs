//! What `/status.json` leaves out when it is asked for a part.

use crate::observe::serving;
use crate::scene::{Scene, note, wait_for};
use crate::web::get;
use serde_json::Value;

const TWO: &str = "dbs:\n\
                   - {path: DIR/a b.db, replica: {path: DIR/1}}\n\
                   - {path: DIR/c.db, replica: {path: DIR/2}}\n";

#[test]
fn details_are_told_of_the_databases_that_are_asked_for() {
    let scene = Scene::new();
    for name in ["a b.db", "c.db"] {
        note(&scene.database(name), name);
    }
    let (running, addr) = serving(&scene, TWO);
    let databases = |query: &str| -> Vec<Value> {
        let answer = get(addr, &format!("/status.json{query}"));
        let mut status: Value = serde_json::from_str(&answer.body).unwrap();
        serde_json::from_value(status["databases"].take()).unwrap()
    };
    wait_for("both to be restorable", || {
        let all = databases("");
        all.len() == 2 && all.iter().all(|one| !one["restorable"].is_null())
    });
    let first = scene.text("a b.db").replace('/', "%2F").replace(' ', "+");
    let second = scene.text("c.db");
    for (query, told) in [
        (String::new(), [true, true]),
        ("?other=1".to_owned(), [true, true]),
        ("?details=".to_owned(), [false, false]),
        (format!("?details={first}"), [true, false]),
        (format!("?details={second}"), [false, true]),
        (format!("?details={first}&details={second}"), [true, true]),
    ] {
        for (one, told) in databases(&query).iter().zip(told) {
            let restorable = &one["restorable"];
            for detail in [
                &one["lag_history"],
                &one["recent_errors"],
                &restorable["moments"],
            ] {
                assert_eq!(detail.is_array(), told, "{query}: {one}");
            }
            // The rest is always there.
            assert!(restorable["from"]["txid"].as_u64() > Some(0), "{one}");
            assert_eq!(one["status"], "live");
        }
    }
    assert_eq!(running.stop(), 0);
}
