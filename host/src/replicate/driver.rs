//! One database with its instance of the component, from its start to its end.

use super::compaction::Schedule;
use super::desk::{Ask, Desk};
use super::notice::Notice;
use super::opening::Opening;
use super::probes::Known;
use super::waiting::Waiting;
use super::work::{FIRST_LOOK_AGAIN, Work};
use super::{Shutdown, Stop, Tools};
use crate::component::{self, Instance, wit};
use crate::config::Database;
use crate::exit::Code;
use crate::health::{Health, Task};
use crate::live::Files;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub struct Driver {
    instance: Instance,
    settings: wit::Settings,
    notice: Notice,
    name: String,
    sync_interval: Duration,
    shutdown: Shutdown,
    desk: Arc<Desk>,
    opening: Opening,
    conditions: Known,
}

impl Driver {
    pub async fn start(
        tools: &Tools,
        database: &Database,
        shutdown: Shutdown,
        desk: Arc<Desk>,
        opening: Opening,
    ) -> anyhow::Result<Driver> {
        let program = &tools.program;
        let (store, layout) = component::open_replica(program, &database.replica).await?;
        let name = database.path.display().to_string();
        let files = Files::new(&database.path);
        let instance = program
            .instantiate(name.clone(), files, store, Arc::new(|_, _| {}))
            .await
            .map_err(component::failed)?;
        Ok(Driver {
            instance,
            settings: component::settings(layout, database),
            notice: tools.watch.database(&database.path),
            name,
            sync_interval: database.replica.sync_interval,
            shutdown,
            desk,
            opening,
            conditions: tools.probes.of(&database.replica.location),
        })
    }

    pub async fn run(
        self,
        stopping: watch::Receiver<Stop>,
        asked: &mut mpsc::Receiver<Ask>,
    ) -> Code {
        let Instance {
            mut store,
            replicate,
        } = self.instance;
        let record = Arc::clone(&self.desk.record);
        let telling = || record.telling.clone();
        let mut work = Work {
            replicate: &replicate,
            notice: self.notice,
            stopping,
            asked,
            waiting: Waiting::default(),
            desk: self.desk,
            opening: Some(self.opening),
            sync_interval: self.sync_interval,
            shutdown: self.shutdown,
            shipping: Health::new(Task::Shipping, self.name.clone(), telling()),
            compacting: Health::new(Task::Compacting, self.name.clone(), telling()),
            schedule: Schedule::new(),
            next: Some(Instant::now()),
            paced: false,
            look_again: FIRST_LOOK_AGAIN,
            probe_due: Some(Instant::now()),
            conditions: self.conditions,
            live: false,
            name: self.name,
        };
        let ended = store
            .run_concurrent(async |accessor| {
                let replicator = replicate.seawall_replicator_replicator();
                replicator.call_configure(accessor, self.settings).await?;
                work.run(accessor).await
            })
            .await;
        match ended {
            Ok(Ok(code)) => code,
            Ok(Err(error)) | Err(error) => {
                let database = work.name;
                tracing::error!(database, "the component failed: {error:?}");
                work.desk.fails("the component failed, see the log");
                Code::Error
            }
        }
    }
}
