//! An instance that works for one command: it reads a replica, and writes one file at most.

use super::{Instance, Program, Progress, State, bindings, failed, wit};
use crate::config::{Database, Replica};
use crate::live::Files;
use crate::objects::{Location, Store};
use crate::verify::Pace;
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;

/// Large objects are sent in parts of this size, so many at once.
const PART_BYTES: u32 = 8 << 20;
const PARTS_IN_FLIGHT: u32 = 2;

/// What a call answered; the outer error is a failure of the component itself.
pub type Answer<T> = anyhow::Result<Result<T, wit::Error>>;

/// The store of a replica, and where in it the parts of keys go.
pub async fn open_replica(
    program: &Program,
    replica: &Replica,
) -> anyhow::Result<(Store, wit::Layout)> {
    let location = replica.location.clone();
    let layout = match location {
        Location::S3(_) => wit::Layout::Hexadecimal,
        Location::Directory { .. } => wit::Layout::Decimal,
    };
    let store = Store::open_shared(location, &program.shared).await;
    let store = store.context("the replica")?;
    Ok((store, layout))
}

/// The replica's type, as Litestream calls it.
pub fn kind(replica: &Replica) -> &'static str {
    match &replica.location {
        Location::S3(_) => "s3",
        Location::Directory { .. } => "file",
    }
}

/// What the component is told of a database.
pub fn settings(layout: wit::Layout, database: &Database) -> wit::Settings {
    let milliseconds = |duration: Duration| duration.as_millis() as u64;
    let (upkeep, replica) = (&database.upkeep, &database.replica);
    wit::Settings {
        layout,
        min_checkpoint_pages: database.min_checkpoint_pages,
        max_wal_pages: database.truncate_pages,
        max_sync_bytes: database.max_sync_bytes,
        checkpoint_interval_ms: milliseconds(database.checkpoint_interval),
        require_fencing: database.require_fencing,
        level_intervals_ms: upkeep.levels.iter().copied().map(milliseconds).collect(),
        snapshot_interval_ms: milliseconds(upkeep.snapshot_interval),
        snapshot_retention_ms: milliseconds(upkeep.snapshot_retention),
        l0_retention_ms: milliseconds(upkeep.l0_retention),
        l0_retention_check_ms: milliseconds(upkeep.l0_retention_check),
        retention: upkeep.retention,
        part_bytes: replica.part_bytes.map_or(PART_BYTES, at_most_u32),
        parts_in_flight: replica
            .concurrency
            .map_or(PARTS_IN_FLIGHT, |count| at_most_u32(count as u64)),
    }
}

/// For an instance that replicates nothing.
fn idle(layout: wit::Layout) -> wit::Settings {
    wit::Settings {
        layout,
        min_checkpoint_pages: 0,
        max_wal_pages: 0,
        max_sync_bytes: 0,
        checkpoint_interval_ms: 0,
        require_fencing: false,
        level_intervals_ms: Vec::new(),
        snapshot_interval_ms: 0,
        snapshot_retention_ms: 0,
        l0_retention_ms: 0,
        l0_retention_check_ms: 0,
        retention: false,
        part_bytes: PART_BYTES,
        parts_in_flight: PARTS_IN_FLIGHT,
    }
}

fn at_most_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub struct Session {
    store: wasmtime::Store<State>,
    replicate: bindings::Replicate,
}

impl Session {
    /// `subject` is what log lines are about.
    pub async fn open(
        program: &Program,
        subject: String,
        files: Files,
        replica: &Replica,
        progress: Progress,
    ) -> anyhow::Result<Session> {
        let (store, layout) = open_replica(program, replica).await?;
        let settings = idle(layout);
        Session::begin(program, subject, files, store, progress, settings).await
    }

    /// As [`Session::open`], with what the config says of the database: what is kept in its replica
    /// for how long.
    pub async fn of_database(
        program: &Program,
        subject: String,
        files: Files,
        database: &Database,
        progress: Progress,
    ) -> anyhow::Result<Session> {
        let (store, layout) = open_replica(program, &database.replica).await?;
        let settings = settings(layout, database);
        Session::begin(program, subject, files, store, progress, settings).await
    }

    /// As [`Session::open`], for what writes no file and takes no time.
    pub async fn reading(
        program: &Program,
        subject: String,
        files: Files,
        replica: &Replica,
    ) -> anyhow::Result<Session> {
        Session::open(program, subject, files, replica, Arc::new(|_, _| {})).await
    }

    async fn begin(
        program: &Program,
        subject: String,
        files: Files,
        store: Store,
        progress: Progress,
        settings: wit::Settings,
    ) -> anyhow::Result<Session> {
        let instance = program.instantiate(subject, files, store, progress).await;
        let Instance {
            mut store,
            replicate,
        } = instance.map_err(failed)?;
        let guest = replicate.seawall_replicator_replicator();
        let done =
            store.run_concurrent(async |accessor| guest.call_configure(accessor, settings).await);
        done.await.and_then(|done| done).map_err(failed)?;
        Ok(Session { store, replicate })
    }

    /// Reads the store no faster from now on.
    pub fn at_pace(&mut self, pace: Arc<Pace>) {
        self.store.data_mut().store.pace = Some(pace);
    }

    pub async fn verify(
        &mut self,
        expected: Vec<String>,
        parallelism: u32,
    ) -> Answer<wit::Verified> {
        let guest = self.replicate.seawall_replicator_replicator();
        let answer = self.store.run_concurrent(async |accessor| {
            guest.call_verify(accessor, expected, parallelism).await
        });
        answer.await.and_then(|answer| answer).map_err(failed)
    }

    pub async fn restore(&mut self, options: wit::RestoreOptions) -> Answer<wit::Restored> {
        let guest = self.replicate.seawall_replicator_replicator();
        let answer = self
            .store
            .run_concurrent(async |accessor| guest.call_restore(accessor, options).await);
        answer.await.and_then(|answer| answer).map_err(failed)
    }

    pub async fn plan(&mut self, target: wit::Target) -> Answer<wit::RestorePlan> {
        let guest = self.replicate.seawall_replicator_replicator();
        let answer = self
            .store
            .run_concurrent(async |accessor| guest.call_plan(accessor, target).await);
        answer.await.and_then(|answer| answer).map_err(failed)
    }

    pub async fn follow(&mut self, parallelism: u32) -> Answer<wit::Followed> {
        let guest = self.replicate.seawall_replicator_replicator();
        let answer = self
            .store
            .run_concurrent(async |accessor| guest.call_follow(accessor, parallelism).await);
        answer.await.and_then(|answer| answer).map_err(failed)
    }

    pub async fn objects(&mut self, level: Option<u8>) -> Answer<Vec<wit::Object>> {
        let guest = self.replicate.seawall_replicator_replicator();
        let answer = self
            .store
            .run_concurrent(async |accessor| guest.call_objects(accessor, level).await);
        answer.await.and_then(|answer| answer).map_err(failed)
    }
}
