//! Upkeep that somebody asks for by hand or by the clock.

use crate::exports::seawall::edge::upkeep as wit;
use crate::{Component, database};
use engine::replica::levels::schedule::Schedule;

impl wit::Guest for Component {
    async fn maintain(schedule: wit::Schedule) -> Result<wit::Maintained, String> {
        let database = database()?;
        let schedule = Schedule {
            levels: schedule.level_intervals_ms,
            snapshot: schedule.snapshot_interval_ms,
            snapshot_retention: schedule.snapshot_retention_ms,
            shipped_retention: schedule.l0_retention_ms,
            retention_check: 0,
            retention: schedule.retention,
        };
        let done = database.edge().maintain(&schedule, None).await;
        let done = done.map_err(|error| error.to_string())?;
        Ok(wit::Maintained {
            written: done.written,
            deleted: done.deleted,
            due_ms: done.due_ms,
        })
    }
}
