//! Whole config files and what they resolve to.

mod accepted;
mod defaults;
mod directories;
mod entries;
mod refused;

use super::Config;

fn environment(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/ann".to_owned()),
        "BUCKET" => Some("backup".to_owned()),
        _ => None,
    }
}

fn config(source: &str) -> Config {
    Config::parse("c.yml", source, true, &environment).unwrap()
}

/// A file with one database at /db, whose replica has these lines.
fn with_replica(lines: &[&str]) -> String {
    let mut source = "dbs:\n  - path: /db\n    replica:\n".to_owned();
    for line in lines {
        source.push_str(&format!("      {line}\n"));
    }
    source
}

/// A file with one database at /db, replicated to /backup, with one more line.
fn with_database(line: &str) -> String {
    format!("dbs:\n  - path: /db\n    replica: {{url: file:///backup}}\n    {line}\n")
}

/// What is wrong with `source`, one mistake a line.
fn mistakes(source: &str) -> String {
    Config::parse("c.yml", source, true, &environment)
        .unwrap_err()
        .to_string()
}
