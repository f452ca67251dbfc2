//! `seawall status`: how the databases of the config stand.

use super::{databases, ltx};
use crate::component::{self, Program};
use crate::config::{Config, Database};
use crate::exit::Code;
use crate::live::with_suffix;
use crate::output::print;
use crate::socket::client::Control;
use crate::socket::messages::{Position, SyncStatus, VerifyStatus};
use crate::table;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What is on this machine answers at once, or is not there.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(2);

const NONE: &str = "-";

/// As Litestream prints it.
#[derive(Serialize)]
struct Status {
    database: String,
    status: &'static str,
    local_txid: String,
    wal_size: String,
    /// Ours: what the running seawall found when it verified the replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<VerifyStatus>,
}

/// `only`: a database of the config; None: all of them.
pub async fn run(config: &Config, only: Option<&Database>, json: bool) -> anyhow::Result<Code> {
    let databases = match only {
        Some(database) => vec![database.clone()],
        None => databases::all(config)?,
    };
    let program = Program::load().map_err(component::failed)?;
    let control = match config.socket.enabled {
        true => Some(Control::new(&config.socket.path, SOCKET_TIMEOUT)?),
        false => None,
    };
    let mut statuses = Vec::new();
    for database in &databases {
        statuses.push(status(&program, control.as_ref(), database).await);
    }
    if json {
        table::print_json(&statuses)?;
        return Ok(Code::Ok);
    }
    let row = |status: Status| {
        let Status {
            database,
            status,
            local_txid,
            wal_size,
            verify: _,
        } = status;
        [database, status.to_owned(), local_txid, wal_size]
    };
    let rows: Vec<_> = statuses.into_iter().map(row).collect();
    let head = ["database", "status", "local txid", "wal size"];
    print(table::render(head, &rows))?;
    Ok(Code::Ok)
}

async fn status(program: &Program, control: Option<&Control>, database: &Database) -> Status {
    let name = database.path.display().to_string();
    if !database.path.exists() {
        return Status {
            database: name,
            status: "no database",
            local_txid: NONE.to_owned(),
            wal_size: NONE.to_owned(),
            verify: None,
        };
    }
    let (status, local_txid) = match shipped(program, control, database).await {
        Ok(Some(txid)) => ("ok", table::txid(txid)),
        Ok(None) => ("not initialized", NONE.to_owned()),
        Err(error) => {
            tracing::error!(database = name, "{error:#}");
            ("error", NONE.to_owned())
        }
    };
    Status {
        verify: verify(control, &name).await,
        database: name,
        status,
        local_txid,
        wal_size: wal_size(&database.path),
    }
}

/// Nobody may be running.
async fn verify(control: Option<&Control>, name: &str) -> Option<VerifyStatus> {
    let SyncStatus { databases } = control?.get("/debug/sync-status").await.ok()?;
    let database = databases.into_iter().find(|it| it.path == name);
    database?.verify
}

/// The TXID of what is in the replica.
async fn shipped(
    program: &Program,
    control: Option<&Control>,
    database: &Database,
) -> anyhow::Result<Option<u64>> {
    let name = database.path.display().to_string();
    if let Some(control) = control {
        let which = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("path", &name)
            .finish();
        // Nobody may be running, and the replica knows as well.
        if let Ok(Position { txid }) = control.get(&format!("/txid?{which}")).await
            && txid > 0
        {
            return Ok(Some(txid));
        }
    }
    // The newest object of level 0 is never deleted.
    let objects = ltx::objects(program, &database.replica, Some(0), &name).await?;
    Ok(objects.iter().map(|object| object.max_txid).max())
}

fn wal_size(database: &Path) -> String {
    let wal = fs::metadata(with_suffix(database, "-wal"));
    table::size(wal.map_or(0, |wal| wal.len()))
}
