//! A replica with a past: moments whose state, TXID and time are known.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::ltx::Header;
use crate::places::wal_of;
use crate::process::Running;
use crate::program::Program;
use crate::replica::{Replica, Settings};
use crate::scene::{Machine, Scene};
use crate::shell::{Shell, sql};
use crate::stock::SOME_ROWS;
use crate::upkeep::Upkeep;
use crate::{now_ms, pages, wait_for};

const LIMIT: Duration = Duration::from_secs(60);
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// Moments that are merged away before the last one is made.
const MERGED_MOMENTS: usize = 3;
/// Transactions between two moments, and the time between two transactions: several objects.
const TRANSACTIONS: usize = 4;
const STEP: Duration = Duration::from_millis(250);
/// Between two moments: so that level 1 has an object for each.
const PAUSE: Duration = Duration::from_millis(1500);
/// Around the time of a moment: times in objects have milliseconds.
const MARGIN: Duration = Duration::from_millis(100);

pub struct Moment {
    pub txid: u64,
    /// After the moment's last object and before the next one's, Unix milliseconds.
    pub at_ms: f64,
    /// The database as it was, with its WAL beside it.
    pub db: PathBuf,
}

impl Moment {
    /// As `-txid` takes it.
    pub fn txid(&self) -> String {
        format!("{:016x}", self.txid)
    }

    /// As `-timestamp` takes it.
    pub fn timestamp(&self) -> Result<String> {
        rfc3339(self.at_ms)
    }

    /// Insists that `restored` is the database of this moment.
    pub fn assert_restored(&self, restored: &Path) -> Result<()> {
        let of = || format!("the database of TXID {}", self.txid());
        pages::assert_same(&self.db, restored).with_context(of)
    }
}

/// UTC with milliseconds.
pub fn rfc3339(unix_ms: f64) -> Result<String> {
    let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ?, 'unixepoch')";
    let seconds = unix_ms / 1000.0;
    let connection = rusqlite::Connection::open_in_memory()?;
    Ok(connection.query_row(sql, [seconds], |row| row.get(0))?)
}

pub struct History {
    pub machine: Machine,
    pub replica: Replica,
    /// In the order of their TXIDs. The last one is not merged yet.
    pub moments: Vec<Moment>,
    /// All that the writer said.
    pub said: String,
}

/// What both programs need to be told for a history: the WAL must not start again, for its length
/// tells whether all of it is shipped.
pub fn settings(program: Program, upkeep: &Upkeep) -> Settings {
    let mut db = vec![
        "min-checkpoint-page-count: 1000000".to_owned(),
        "checkpoint-interval: 1h".to_owned(),
    ];
    if program == Program::Litestream {
        // It looks at the WAL only so often.
        db.push(format!("monitor-interval: {}ms", SYNC_INTERVAL.as_millis()));
    }
    Settings {
        sync_interval: SYNC_INTERVAL,
        db,
        global: upkeep.lines(),
    }
}

impl History {
    /// `writer` ships some moments, and waits until every level holds the older of them.
    pub fn of(scene: &Scene, writer: Program, replica: &Replica, upkeep: &Upkeep) -> Result<Self> {
        let machine = scene.machine()?;
        let db = machine.db();
        sql(scene, &db, SOME_ROWS)?;
        let settings = settings(writer, upkeep);
        let mut sidecar = writer.replicate(scene, &db, replica, &settings)?;
        let running = |sidecar: &mut Running| -> Result<()> {
            let running = sidecar.is_running()?;
            ensure!(running, "{} ended:\n{}", writer.name(), sidecar.said()?);
            Ok(())
        };
        let mut app = Shell::open(scene, &db)?;
        replica.wait_for_txid(1, LIMIT)?;
        let mut moments = Vec::new();
        for _ in 0..MERGED_MOMENTS {
            moments.push(moment(scene, &mut app, replica, &db)?);
            running(&mut sidecar)?;
            std::thread::sleep(PAUSE);
        }
        let merged = moments.last().map_or(0, |moment: &Moment| moment.txid);
        let what = format!("all of levels {:?}", upkeep.all_levels());
        wait_for(&what, LIMIT, || {
            running(&mut sidecar)?;
            std::thread::sleep(Duration::from_millis(200));
            Ok(upkeep.missing(replica, merged)?.is_empty().then_some(()))
        })?;
        moments.push(moment(scene, &mut app, replica, &db)?);
        app.close()?;
        let said = sidecar.terminate(LIMIT)?.ok()?.output;
        Ok(Self {
            machine,
            replica: replica.clone(),
            moments,
            said,
        })
    }
}

/// Writes, waits until all is shipped, and keeps what the database is like.
fn moment(scene: &Scene, app: &mut Shell, replica: &Replica, db: &Path) -> Result<Moment> {
    for _ in 0..TRANSACTIONS {
        app.run("UPDATE t SET body = randomblob(3000) WHERE id % 7 = abs(random()) % 7")?;
        app.run("INSERT INTO t(body) VALUES (randomblob(9000))")?;
        std::thread::sleep(STEP);
    }
    let txid = wait_for("everything to be shipped", LIMIT, || shipped(replica, db))?;
    std::thread::sleep(MARGIN);
    let at_ms = now_ms();
    let kept = scene.fresh("moment.db");
    std::fs::copy(db, &kept)?;
    std::fs::copy(wal_of(db), wal_of(&kept))?;
    std::thread::sleep(MARGIN);
    Ok(Moment {
        txid,
        at_ms,
        db: kept,
    })
}

/// The newest TXID, when its object reaches to the end of the WAL.
fn shipped(replica: &Replica, db: &Path) -> Result<Option<u64>> {
    let Some((span, key)) = replica.level(0)?.pop() else {
        return Ok(None);
    };
    let header = Header::parse(&replica.objects.get(&key)?)?;
    let reached = header.wal_offset + header.wal_size;
    Ok((reached >= wal_of(db).metadata()?.len()).then_some(span.max))
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_as_both_programs_read_them() {
        let at_ms = 1_795_347_231_909.0;
        assert_eq!(rfc3339(at_ms).unwrap(), "2026-11-22T11:33:51.909Z");
    }
}
