//! What the log says of the ups and downs of something that goes on for ever: each change of state
//! once, not each try.

mod journal;
mod outages;

pub use journal::{Entry, Journal};
pub use outages::Outages;

use crate::component::{text, wit};
use std::time::{Duration, Instant};

/// A failure that lasts is told again after this long.
const REMIND: Duration = Duration::from_secs(60);
/// A store that is back before that was not away: such blips are common.
pub const BLIP: Duration = Duration::from_secs(1);

/// Whether trying again later is of use when nothing ever worked: a store that is away, or a
/// database that is locked, comes back; wrong credentials and a wrong file do not by themselves.
pub fn is_passing(error: &wit::Error) -> bool {
    matches!(error, wit::Error::Store(_) | wit::Error::Busy(_))
}

/// What goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A database that is not there is brought back before anything else.
    Restoring,
    /// Commits are sent to the replica.
    Shipping,
    /// Objects are merged, snapshots taken, what has expired deleted.
    Compacting,
    /// A restored file is kept up to date.
    Following,
}

/// Where the errors of one database are told besides the log.
#[derive(Debug, Clone, Default)]
pub struct Telling {
    pub journal: Journal,
    /// Those of all databases of the process.
    pub outages: Outages,
    /// The store that others may share.
    pub store: String,
}

/// The state of one task of one database.
#[derive(Debug)]
pub struct Health {
    task: Task,
    database: String,
    telling: Telling,
    failing: Option<Failing>,
    /// Something worked since the start.
    pub proven: bool,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    /// When it was told last; None: not yet, as it may be a blip.
    told: Option<Instant>,
    /// It was told as one of the databases of a store that is away.
    together: bool,
}

impl Health {
    pub fn new(task: Task, database: String, telling: Telling) -> Health {
        Health {
            task,
            database,
            telling,
            failing: None,
            proven: false,
        }
    }

    pub fn works(&mut self) {
        self.proven = true;
        self.telling.journal.works(self.task);
        let Some(failing) = self.failing.take() else {
            return;
        };
        let since = match failing.together {
            true => self.leave_outage(),
            false => failing.told.map(|_| failing.since),
        };
        if let Some(since) = since {
            let database = &self.database;
            let seconds = since.elapsed().as_secs_f64();
            let what = match self.task {
                Task::Restoring => "restored, or nothing was to be restored",
                Task::Shipping => "recovered; nothing was lost",
                Task::Compacting => "compaction works again",
                Task::Following => "following again",
            };
            tracing::info!(database, "after {seconds:.1} s: {what}");
        }
    }

    pub fn fails(&mut self, error: &wit::Error) {
        self.fails_since(Instant::now(), error);
    }

    /// As [`Health::fails`], for what is known later than it began.
    pub fn fails_since(&mut self, since: Instant, error: &wit::Error) {
        if let Some(line) = self.judge(since, Instant::now(), error) {
            self.log(error, &line);
        }
    }

    /// What is to be told; None: it may be a blip, or was told a moment ago.
    fn judge(&mut self, since: Instant, now: Instant, error: &wit::Error) -> Option<Line> {
        let failing = self.failing.get_or_insert(Failing {
            since,
            told: None,
            together: false,
        });
        let away = matches!(error, wit::Error::Store(_));
        if away && now.duration_since(failing.since) < BLIP {
            return None;
        }
        self.telling.journal.fails(self.task, text(error));
        if away && matches!(self.task, Task::Shipping | Task::Restoring) {
            failing.together = true;
            let Telling { outages, store, .. } = &self.telling;
            return outages.fails(store, &self.database, failing.since, now);
        }
        if let Some(told) = failing.told
            && now.duration_since(told) < REMIND
        {
            return None;
        }
        let again = failing.told.replace(now).is_some();
        Some(Line {
            seconds: again.then(|| now.duration_since(failing.since).as_secs()),
            databases: 1,
        })
    }

    fn log(&self, error: &wit::Error, line: &Line) {
        let database = &self.database;
        let text = text(error);
        let mut how_long = match line.seconds {
            Some(seconds) => format!(" (for {seconds} s)"),
            None => String::new(),
        };
        if line.databases > 1 {
            how_long.push_str(&format!(" ({} databases of this store)", line.databases));
        }
        match (self.task, error) {
            (Task::Restoring, _) => tracing::error!(
                database,
                "not restored{how_long}: {text}. Nothing begins with this database before that is \
                 done"
            ),
            (Task::Compacting, _) => tracing::warn!(
                database,
                "not compacting{how_long}: {text}. Shipping goes on; the replica grows until this \
                 is over"
            ),
            (Task::Following, _) => tracing::warn!(
                database,
                "not following{how_long}: {text}. The file stays as it is and is tried to be \
                 brought up to date again"
            ),
            (Task::Shipping, wit::Error::Busy(_)) => {
                tracing::warn!(database, "waiting{how_long}: {text}");
            }
            (Task::Shipping, wit::Error::Store(_)) => tracing::error!(
                database,
                "not shipping{how_long}: {text}. What is committed waits in the WAL and is shipped \
                 when the store is back"
            ),
            (Task::Shipping, _) => {
                tracing::error!(database, "not shipping{how_long}: {text}");
            }
        }
    }

    /// Some: no other database of the store fails any more.
    fn leave_outage(&self) -> Option<Instant> {
        let Telling { outages, store, .. } = &self.telling;
        outages.works(store, &self.database)
    }
}

impl Drop for Health {
    /// Who is not there does not fail.
    fn drop(&mut self) {
        if self
            .failing
            .as_ref()
            .is_some_and(|failing| failing.together)
        {
            self.leave_outage();
        }
    }
}

/// One line for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// For how long it has been so; None: it begins.
    pub seconds: Option<u64>,
    /// That fail together.
    pub databases: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seconds: Option<u64>) -> Option<Line> {
        Some(Line {
            seconds,
            databases: 1,
        })
    }

    #[test]
    fn a_failure_is_told_at_once_and_then_once_a_minute() {
        let mut health = Health::new(Task::Shipping, String::new(), Telling::default());
        let start = Instant::now();
        let denied = wit::Error::Denied("no".into());
        let mut judged =
            |seconds| health.judge(start, start + Duration::from_secs(seconds), &denied);
        assert_eq!(judged(0), line(None));
        assert_eq!(judged(1), None);
        assert_eq!(judged(59), None);
        assert_eq!(judged(61), line(Some(61)));
        assert_eq!(judged(62), None);
        health.works();
        assert_eq!(health.judge(start, start, &denied), line(None));
    }

    #[test]
    fn a_store_that_is_back_within_a_second_was_not_away() {
        let mut health = Health::new(Task::Shipping, String::new(), Telling::default());
        let journal = health.telling.journal.clone();
        let start = Instant::now();
        let away = wit::Error::Store("away".into());
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(health.judge(start, after(900), &away), None);
        assert_eq!(journal.read(), []);
        assert_eq!(health.judge(after(900), after(1100), &away), line(None));
        assert_eq!(health.judge(after(1100), after(1500), &away), None);
        assert_eq!(journal.read().len(), 1);
        health.works();
        assert!(journal.read()[0].recovered_at.is_some());
    }
}
