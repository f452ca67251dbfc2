//! `seawall config` as a user meets it.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const CONFIG: &str = "\
mcp-addr: ':9090'
dbs:
  - path: /data/hedgedoc.sqlite
    replicas:
      - type: s3
        endpoint: https://s3.tebi.io
        bucket: hedgedoc-backup
        path: hedgedoc.sqlite
        forcePathStyle: true
        access-key-id: an-id
        secret-access-key: hunter2
";

const WARNING: &str = "c.yml:1:1: \"mcp-addr\" has no effect in this release: ";

/// A directory to run the program in.
struct Place(TempDir);

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self(TempDir::new().unwrap());
        for (name, text) in files {
            std::fs::write(place.path(name), text).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn seawall(&self, line: &str) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_seawall"))
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_clear()
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self, line: &str) -> (i32, Value) {
        let said = self.seawall(line);
        (said.code, serde_json::from_str(&said.stdout).unwrap())
    }
}

#[test]
fn check_tells_what_would_run_without_secrets() {
    let place = Place::with(&[("c.yml", CONFIG)]);
    let text = place.seawall("config check c.yml");
    assert_eq!((text.code, text.stderr.as_str()), (0, ""));
    for part in [
        "/data/hedgedoc.sqlite\n",
        "s3://hedgedoc-backup/hedgedoc.sqlite?endpoint=https://s3.tebi.io&forcePathStyle=true\n",
        "every 30s, 5m, 1h\n",
        "every 24h, kept for 24h\n",
        WARNING,
    ] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    let (code, json) = place.json("config check -json=true c.yml");
    assert!(
        !format!("{}{json}", text.stdout).contains("hunter2"),
        "{json}"
    );
    assert_eq!((code, &json["valid"]), (0, &true.into()));
    assert_eq!(json["databases"][0]["path"], "/data/hedgedoc.sqlite");
    assert_eq!(json["upkeep"]["levels"][2], "1h");
    assert!(json["warnings"][0].as_str().unwrap().starts_with(WARNING));
}

#[test]
fn check_tells_which_databases_a_directory_has() {
    let place = Place::with(&[("a.db", "SQLite format 3\0"), ("b.db", "no database")]);
    let config = format!(
        "dbs: [{{dir: '{}', pattern: '*.db', replica: {{path: /r}}}}]\n",
        place.0.path().display()
    );
    std::fs::write(place.path("c.yml"), config).unwrap();
    let (_, json) = place.json("config check --json c.yml");
    let found = json["directories"][0]["databases"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{json}");
    assert_eq!(found[0]["replica"], "file:///r/a.db");
}

#[test]
fn check_exits_with_2_and_tells_every_mistake() {
    let place = Place::with(&[("c.yml", "adr: x\nlevels: 7\n")]);
    let said = place.seawall("config check c.yml");
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    for mistake in [
        "seawall: c.yml:1:1: unknown key \"adr\"",
        "seawall: c.yml:2:9: levels must be a list",
    ] {
        assert!(said.stderr.contains(mistake), "{}", said.stderr);
    }
    let (code, json) = place.json("config check -json c.yml");
    assert_eq!((code, &json["valid"]), (2, &false.into()));
    assert_eq!(json["errors"][1]["line"], 2);
    let missing = place.seawall("config check nowhere.yml");
    assert_eq!(missing.code, 2);
    assert!(
        missing
            .stderr
            .contains("config file not found: nowhere.yml")
    );
}

#[test]
fn schema_prints_a_json_schema() {
    let (code, schema) = Place::with(&[]).json("config schema");
    assert_eq!(code, 0);
    assert_eq!(schema["properties"]["l0-retention"]["default"], "5m");
}
