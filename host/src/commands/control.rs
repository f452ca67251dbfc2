//! The commands that ask a running seawall by its control socket.

use crate::exit::Code;
use crate::output::print;
use crate::socket::client::Control;
use crate::socket::messages::{Changed, Info, List, Named, Register, Sync, Synced};
use crate::table;
use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where to ask, for how long, and how to tell what came of it.
pub struct Way<'a> {
    pub socket: &'a Path,
    /// Seconds.
    pub timeout: u64,
    pub json: bool,
}

impl Way<'_> {
    fn control(&self) -> anyhow::Result<Control> {
        Control::new(self.socket, Duration::from_secs(self.timeout))
    }

    fn named(&self, path: &Path) -> Named {
        Named {
            path: path.display().to_string(),
            timeout: self.timeout,
        }
    }

    /// As JSON, or as one line for each key.
    fn print(&self, value: &impl Serialize) -> anyhow::Result<Code> {
        if self.json {
            table::print_json(value)?;
        } else {
            table::print_lines(value)?;
        }
        Ok(Code::Ok)
    }

    fn socket(&self) -> String {
        self.socket.display().to_string()
    }
}

#[derive(Serialize)]
struct SyncDone {
    db_path: String,
    txid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica_txid: Option<u64>,
    duration_ms: u128,
}

pub async fn sync(way: &Way<'_>, path: &Path, wait: bool) -> anyhow::Result<Code> {
    let began = Instant::now();
    let wanted = Sync {
        path: path.display().to_string(),
        wait,
        timeout: way.timeout,
    };
    let synced: Synced = way
        .control()?
        .post("/sync", &wanted)
        .await
        .context("sync failed")?;
    way.print(&SyncDone {
        db_path: synced.path,
        txid: synced.txid,
        replica_txid: wait.then_some(synced.replicated_txid),
        duration_ms: began.elapsed().as_millis(),
    })
}

#[derive(Serialize)]
struct Registered {
    status: String,
    db_path: String,
    replica: String,
    socket: String,
}

pub async fn register(way: &Way<'_>, path: &Path, replica: &str) -> anyhow::Result<Code> {
    let wanted = Register {
        path: path.display().to_string(),
        replica_url: replica.to_owned(),
    };
    let registered: Changed = way
        .control()?
        .post("/register", &wanted)
        .await
        .context("register failed")?;
    way.print(&Registered {
        status: registered.status,
        db_path: registered.path,
        replica: replica.to_owned(),
        socket: way.socket(),
    })
}

#[derive(Serialize)]
struct Unregistered {
    status: String,
    db_path: String,
    final_txid: u64,
    socket: String,
}

pub async fn unregister(way: &Way<'_>, path: &Path, dry_run: bool) -> anyhow::Result<Code> {
    if dry_run {
        print(format_args!(
            "Dry run: unregister request preview\n  database: {}\n  socket: {}\n  \
             replicas: the one of this database; what is in it stays\n  \
             final sync: what is left is uploaded before the command completes\n  \
             timeout: {}s\nNo unregister request was sent.\n",
            path.display(),
            way.socket(),
            way.timeout
        ))?;
        return Ok(Code::Ok);
    }
    let gone: Changed = way
        .control()?
        .post("/unregister", &way.named(path))
        .await
        .context("unregister failed")?;
    way.print(&Unregistered {
        status: gone.status,
        db_path: gone.path,
        final_txid: gone.txid.unwrap_or(0),
        socket: way.socket(),
    })
}

#[derive(Serialize)]
struct Switched {
    status: String,
    db_path: String,
    state: &'static str,
    txid: u64,
    socket: String,
}

pub async fn start(way: &Way<'_>, path: &Path) -> anyhow::Result<Code> {
    let started = way.control()?.post("/start", &way.named(path)).await;
    switched(way, started.context("start failed")?, "running")
}

pub async fn stop(way: &Way<'_>, path: &Path) -> anyhow::Result<Code> {
    let stopped = way.control()?.post("/stop", &way.named(path)).await;
    switched(way, stopped.context("stop failed")?, "stopped")
}

fn switched(way: &Way<'_>, changed: Changed, state: &'static str) -> anyhow::Result<Code> {
    way.print(&Switched {
        status: changed.status,
        db_path: changed.path,
        state,
        txid: changed.txid.unwrap_or(0),
        socket: way.socket(),
    })
}

pub async fn list(way: &Way<'_>) -> anyhow::Result<Code> {
    let list: List = way.control()?.get("/list").await?;
    if way.json {
        return way.print(&list);
    }
    let mut text = String::new();
    for database in list.databases {
        let last = database.last_sync_at.as_deref().map(to_the_second);
        let last = last.unwrap_or_else(|| "never".to_owned());
        text += &format!(
            "{} [{}] (last sync: {last})\n",
            database.path, database.status
        );
        if let Some(error) = database.error {
            text += &format!("  {error}\n");
        }
    }
    print(text)?;
    Ok(Code::Ok)
}

pub async fn info(way: &Way<'_>) -> anyhow::Result<Code> {
    let info: Info = way.control()?.get("/info").await?;
    if way.json {
        return way.print(&info);
    }
    print(format_args!(
        "Seawall {}\n  PID:        {}\n  Uptime:     {}s\n  Started at: {}\n  Databases:  {}\n",
        info.version,
        info.pid,
        info.uptime_seconds,
        to_the_second(&info.started_at),
        info.database_count
    ))?;
    Ok(Code::Ok)
}

fn to_the_second(moment: &str) -> String {
    let moment = moment.parse::<Timestamp>().map(Timestamp::as_millisecond);
    let ms = moment.ok().and_then(|ms| u64::try_from(ms).ok());
    ms.map_or_else(|| "unknown".to_owned(), table::time)
}
