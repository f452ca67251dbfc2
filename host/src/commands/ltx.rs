//! `seawall ltx`: the objects of a replica.

use crate::component::{self, Program, Session, wit};
use crate::config::Replica;
use crate::exit::Code;
use crate::live::Files;
use crate::output::print;
use crate::table;
use anyhow::bail;
use serde::Serialize;
use std::path::Path;

/// As Litestream prints it.
#[derive(Serialize)]
struct Listed {
    level: u8,
    min_txid: String,
    max_txid: String,
    size: u64,
    timestamp: String,
}

/// `level`: None for all of them.
pub async fn run(
    replica: &Replica,
    level: Option<u8>,
    source: &str,
    json: bool,
) -> anyhow::Result<Code> {
    let program = Program::load().map_err(component::failed)?;
    let listed = |object: &wit::Object| Listed {
        level: object.level,
        min_txid: table::txid(object.min_txid),
        max_txid: table::txid(object.max_txid),
        size: object.bytes,
        timestamp: table::time(object.time_ms),
    };
    let objects = objects(&program, replica, level, source).await?;
    let listed: Vec<_> = objects.iter().map(listed).collect();
    if json {
        table::print_json(&listed)?;
        return Ok(Code::Ok);
    }
    let row = |object: Listed| {
        [
            object.level.to_string(),
            object.min_txid,
            object.max_txid,
            object.size.to_string(),
            object.timestamp,
        ]
    };
    let rows: Vec<_> = listed.into_iter().map(row).collect();
    let head = ["level", "min_txid", "max_txid", "size", "created"];
    print(table::render(head, &rows))?;
    Ok(Code::Ok)
}

/// The objects of a replica, which messages call `source`.
pub async fn objects(
    program: &Program,
    replica: &Replica,
    level: Option<u8>,
    source: &str,
) -> anyhow::Result<Vec<wit::Object>> {
    // No file is touched.
    let files = Files::new(Path::new(source));
    let mut session = Session::reading(program, source.to_owned(), files, replica).await?;
    match session.objects(level).await? {
        Ok(objects) => Ok(objects),
        Err(error) => bail!("{}", component::text(&error)),
    }
}
