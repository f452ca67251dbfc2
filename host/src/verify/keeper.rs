//! Verifies the replica of one database again and again while it is replicated, without ever being
//! in the way: an instance of its own, one database at a time, little bandwidth, shipping first.

use super::{Failure, Pace, Success, temporary};
use crate::component::{self, Program, Session, wit};
use crate::config::Database;
use crate::live::Files;
use crate::replicate::{Ask, Desk, Phase};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep};

/// The first proof comes at most so long after the first sync.
const FIRST_MOST: Duration = Duration::from_secs(60);
/// What could not be checked is tried again after this long, or the interval if that is shorter.
const RETRY: Duration = Duration::from_secs(300);
/// How often is looked whether the database is live.
const LOOK: Duration = Duration::from_millis(250);
/// Requests under way at once.
const PARALLELISM: u32 = 2;

const WHAT_TO_DO: &str = "The live database is as it was. Do not restart on another machine before a \
    new snapshot is taken: stop seawall, run `seawall replicate -once -force-snapshot`, and start it \
    again. docs/verify.md tells what else to do";

const MAKE_ROOM: &str = "Make room there, beside the database: the WAL needs it, too. By hand, \
    `seawall verify -temp-dir DIR` restores elsewhere";

/// Whose replica is verified.
pub struct Subject {
    pub program: Program,
    pub database: Database,
    pub desk: Arc<Desk>,
    /// One at a time in a process.
    pub turns: Arc<Semaphore>,
}

/// How a proof ended.
enum Outcome {
    Sound(wit::Verified),
    Damaged(Vec<String>),
    /// It cannot be told.
    Unchecked(String),
}

/// For ever, if there is an interval.
pub async fn keep(subject: Subject) {
    let Some(interval) = subject.database.verify.interval else {
        return;
    };
    let first = FIRST_MOST.min(interval);
    let mut wait = first.mul_f64(rand::random());
    let before = subject.desk.report().verify.last_attempt;
    if let Some(since) = before.and_then(|at| at.elapsed().ok()) {
        // It was begun again after a failure.
        wait = wait.max(interval.saturating_sub(since));
    }
    subject.desk.update(|report| {
        report.verify.interval = Some(interval);
        report.verify.running = false;
    });
    loop {
        subject.until_live().await;
        sleep(wait).await;
        // The semaphore is never closed.
        let turn = subject.turns.acquire().await;
        let began = Instant::now();
        subject.desk.update(|report| {
            report.verify.running = true;
            report.verify.last_attempt = Some(SystemTime::now());
        });
        let outcome = subject.prove().await;
        let outcome = outcome.unwrap_or_else(|error| Outcome::Unchecked(format!("{error:#}")));
        drop(turn);
        let next = match outcome {
            Outcome::Unchecked(_) => interval.min(RETRY),
            _ => interval,
        };
        subject.tell(outcome, began.elapsed());
        wait = next.saturating_sub(began.elapsed());
    }
}

impl Subject {
    async fn until_live(&self) {
        loop {
            let report = self.desk.report();
            if report.phase == Phase::Live && report.txid > 0 {
                return;
            }
            sleep(LOOK).await;
        }
    }

    async fn prove(&self) -> anyhow::Result<Outcome> {
        let (name, path) = (self.name(), &self.database.path);
        let directory = path.parent().unwrap_or(Path::new("."));
        let file = temporary::create(directory)?;
        let files = Files::nameless(Arc::clone(&file));
        let nobody = Arc::new(|_, _| {});
        let mut session =
            Session::of_database(&self.program, name, files, &self.database, nobody).await?;
        let desk = Arc::clone(&self.desk);
        let pace = Pace::new(self.database.verify.bandwidth, move || desk.is_shipping());
        session.at_pace(Arc::new(pace));
        temporary::check_space(&mut session, &file, directory, MAKE_ROOM).await?;
        let expected = self.held().await;
        let verified = match session.verify(expected, PARALLELISM).await? {
            Ok(verified) => verified,
            Err(error) => return Ok(Outcome::Unchecked(component::text(&error).to_owned())),
        };
        let mut findings = verified.findings.clone();
        if !verified.missing.is_empty() {
            // What was deleted meanwhile is not missed.
            let held: HashSet<String> = self.held().await.into_iter().collect();
            let missing = verified.missing.iter().filter(|key| held.contains(*key));
            findings.extend(missing.map(|key| {
                format!("{key} is missing: it was written, and seawall did not delete it")
            }));
        }
        Ok(match findings.is_empty() {
            true => Outcome::Sound(verified),
            false => Outcome::Damaged(findings),
        })
    }

    /// What the replica must hold. Nothing is known while it is not replicated.
    async fn held(&self) -> Vec<String> {
        let (answer, answered) = oneshot::channel();
        if self.desk.asks.send(Ask::Held(answer)).await.is_err() {
            return Vec::new();
        }
        answered.await.unwrap_or_default()
    }

    fn name(&self) -> String {
        self.database.path.display().to_string()
    }

    /// Tells the log and the desk.
    fn tell(&self, outcome: Outcome, took: Duration) {
        let (database, at) = (self.name(), SystemTime::now());
        let before = self.desk.report().verify.sound;
        match outcome {
            Outcome::Sound(verified) => {
                let objects = verified.objects;
                let moments: Vec<String> = verified
                    .moments
                    .iter()
                    .map(|moment| format!("{:016x}", moment.txid))
                    .collect();
                let moments = moments.join(" and ");
                let what = match before {
                    Some(true) => "the replica is sound",
                    Some(false) => "the replica is sound again",
                    None => "the replica is sound (first proof)",
                };
                let seconds = took.as_secs_f64();
                tracing::info!(
                    database,
                    "{what}: {objects} objects read, TXID {moments} restored and checked in \
                     {seconds:.1} s"
                );
                let success = Success {
                    at,
                    txid: verified.moments.iter().map(|it| it.txid).max().unwrap_or(0),
                    seconds,
                    downloaded: verified.downloaded,
                    moments: verified.moments.len(),
                };
                self.desk.update(|report| {
                    report.verify.running = false;
                    report.verify.sound = Some(true);
                    report.verify.last_success = Some(success);
                });
            }
            Outcome::Damaged(findings) => {
                for finding in &findings {
                    tracing::error!(database, "the replica is damaged: {finding}. {WHAT_TO_DO}");
                }
                let error = format!("the replica is damaged: {}", findings.join("; "));
                self.desk.update(|report| {
                    report.verify.running = false;
                    report.verify.sound = Some(false);
                    report.verify.last_failure = Some(Failure { at, error });
                });
            }
            Outcome::Unchecked(why) => {
                tracing::warn!(
                    database,
                    "the replica could not be checked, which says nothing of it: {why}"
                );
                let error = format!("the replica could not be checked: {why}");
                self.desk.update(|report| {
                    report.verify.running = false;
                    report.verify.last_failure = Some(Failure { at, error });
                });
            }
        }
    }
}
