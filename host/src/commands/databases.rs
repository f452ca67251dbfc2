//! `seawall databases`: what the config names.

use crate::component;
use crate::config::{Config, Database};
use crate::exit::Code;
use crate::output::print;
use crate::table;
use anyhow::Context;
use serde::Serialize;

#[derive(Serialize)]
struct Listed {
    path: String,
    replica: &'static str,
}

pub fn run(config: &Config, json: bool) -> anyhow::Result<Code> {
    let listed = |database: &Database| Listed {
        path: database.path.display().to_string(),
        replica: component::kind(&database.replica),
    };
    let listed: Vec<_> = all(config)?.iter().map(listed).collect();
    if json {
        table::print_json(&listed)?;
    } else {
        let rows: Vec<_> = listed
            .into_iter()
            .map(|database| [database.path, database.replica.to_owned()])
            .collect();
        print(table::render(["path", "replica"], &rows))?;
    }
    Ok(Code::Ok)
}

/// The databases that are named, and those of directories that are there now.
pub fn all(config: &Config) -> anyhow::Result<Vec<Database>> {
    let mut databases = config.databases.clone();
    for directory in &config.directories {
        let found = directory.scan();
        let found = found.with_context(|| directory.path.display().to_string())?;
        databases.extend(found.iter().map(|path| directory.database(path)));
    }
    Ok(databases)
}
