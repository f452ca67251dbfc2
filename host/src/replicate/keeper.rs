//! Keeps one database replicated: starts it, and starts it again when it failed.

use super::desk::{Ask, Desk, Phase};
use super::driver::Driver;
use super::opening::Opening;
use super::{Shutdown, Stop, Tools};
use crate::component;
use crate::config::Database;
use crate::exit::Code;
use crate::health::{self, BLIP, Health, Task};
use crate::restore;
use crate::verify;
use anyhow::bail;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// A database that failed is tried again after this long; the wait doubles up to the most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(60);
/// How often a restore that goes on is looked at.
const LOOK: Duration = Duration::from_millis(250);

pub struct Keeper {
    pub tools: Tools,
    pub database: Database,
    pub shutdown: Shutdown,
    pub desk: Arc<Desk>,
    pub asked: mpsc::Receiver<Ask>,
    pub stopping: watch::Receiver<Stop>,
    /// Told when the database is open, or cannot be opened.
    pub opened: watch::Sender<bool>,
    /// True: whatever ends this database ends the process.
    pub alone: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Keeper {
    /// Until it is stopped, fenced, or has failed and is alone.
    pub async fn keep(mut self) -> Code {
        let name = self.database.path.display().to_string();
        let mut to_restore = self.database.restore_if_db_not_exists;
        let mut wait = RETRY;
        let code = loop {
            let began = Instant::now();
            let attempt = AssertUnwindSafe(self.replicate(&mut to_restore)).catch_unwind();
            let code = attempt.await.unwrap_or_else(|_| {
                tracing::error!(database = name, "the replication died of a panic");
                Code::Error
            });
            if code != Code::Error || self.is_stopping() || (self.alone)() {
                break code;
            }
            if began.elapsed() > RETRY_MOST {
                wait = RETRY;
            }
            tracing::warn!(database = name, "not replicated; tried again in {wait:?}");
            if self.pause(wait).await {
                break Code::Error;
            }
            wait = (wait * 2).min(RETRY_MOST);
        };
        self.desk.update(|report| {
            report.phase = match code {
                Code::Fenced => Phase::Fenced,
                _ => Phase::Stopped,
            };
        });
        code
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow() != Stop::No
    }

    async fn replicate(&mut self, to_restore: &mut bool) -> Code {
        if *to_restore {
            let mut stopping = self.stopping.clone();
            let restored = tokio::select! {
                restored = self.restore() => restored,
                // Nothing appears under the database's name before it is complete.
                _ = stopping.wait_for(|stop| *stop != Stop::No) => return Code::Ok,
            };
            if let Err(error) = restored {
                self.cannot("be restored", &error);
                return Code::Error;
            }
            *to_restore = false;
        }
        let mut stopping = self.stopping.clone();
        let opening = tokio::select! {
            opening = Opening::begin(&self.tools.limits, self.opened.clone()) => opening,
            _ = stopping.wait_for(|stop| *stop != Stop::No) => return Code::Ok,
        };
        let driver = Driver::start(
            &self.tools,
            &self.database,
            self.shutdown,
            Arc::clone(&self.desk),
            opening,
        );
        match driver.await {
            Ok(driver) => {
                // A task of its own, which ends with this one.
                let mut beside = JoinSet::new();
                beside.spawn(verify::keep(verify::Subject {
                    program: self.tools.program.clone(),
                    database: self.database.clone(),
                    desk: Arc::clone(&self.desk),
                    turns: Arc::clone(&self.tools.limits.proofs),
                }));
                driver.run(self.stopping.clone(), &mut self.asked).await
            }
            Err(error) => {
                self.cannot("be replicated", &error);
                Code::Error
            }
        }
    }

    fn cannot(&self, what: &str, error: &anyhow::Error) {
        let database = self.database.path.display().to_string();
        tracing::error!(database, "cannot {what}: {error:#}");
        self.desk.fails(&format!("{error:#}"));
    }

    /// Until it is there, or there is no backup of it. A store that is away is waited for: an app
    /// that began with an empty database would be worse.
    async fn restore(&self) -> anyhow::Result<()> {
        let name = self.database.path.display().to_string();
        let record = &self.desk.record;
        let mut health = Health::new(Task::Restoring, name, record.telling.clone());
        let mut wait = RETRY;
        while !self.database.path.exists() {
            // The semaphore is never closed.
            let turn = self.tools.limits.restores.acquire().await;
            let restored = self.restore_once(&mut health).await?;
            drop(turn);
            match restored {
                Ok(()) => {
                    health.works();
                    break;
                }
                Err(error) if health::is_passing(&error) => {
                    health.fails(&error);
                    let text = component::text(&error);
                    self.desk.update(|report| report.fails(text));
                }
                Err(error) => bail!("{}", component::text(&error)),
            }
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_MOST);
        }
        Ok(())
    }

    /// That its requests fail is told while they are tried again.
    async fn restore_once(&self, health: &mut Health) -> component::Answer<()> {
        let restored = restore::if_absent(&self.tools.program, &self.database);
        tokio::pin!(restored);
        loop {
            tokio::select! {
                restored = &mut restored => return restored,
                () = sleep(LOOK) => {}
            }
            let trouble = self.desk.record.meter.trouble();
            if let Some(trouble) = trouble.filter(|trouble| trouble.since.elapsed() >= BLIP) {
                let error = component::wit::Error::Store(trouble.text);
                self.desk
                    .update(|report| report.fails(component::text(&error)));
                health.fails_since(trouble.since, &error);
            }
        }
    }

    /// Until `wait` is over. True: it is to stop.
    async fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                () = sleep_until(until) => return false,
                _ = stopping.wait_for(|stop| *stop != Stop::No) => return true,
                Some(ask) = self.asked.recv() => self.decline(ask),
            }
        }
    }

    fn decline(&self, ask: Ask) {
        if let Ask::WhenShipped(answer) = ask {
            let why = self.desk.report().error;
            let why = why.unwrap_or_else(|| "the replication failed".to_owned());
            // Nobody may be waiting any more.
            let _ = answer.send(Err(format!("not replicated at the moment: {why}")));
        }
    }
}
