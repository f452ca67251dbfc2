//! What the log says of the ups and downs of something that goes on for ever: each change of state
//! once, not each try.

use crate::component::{text, wit};
use std::time::{Duration, Instant};

/// A failure that lasts is told again after this long.
const REMIND: Duration = Duration::from_secs(60);

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

/// The state of one task of one database.
#[derive(Debug)]
pub struct Health {
    task: Task,
    database: String,
    failing: Option<Failing>,
    /// Something worked since the start.
    pub proven: bool,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    told: Instant,
}

impl Health {
    pub fn new(task: Task, database: String) -> Health {
        Health {
            task,
            database,
            failing: None,
            proven: false,
        }
    }

    pub fn works(&mut self) {
        self.proven = true;
        if let Some(failing) = self.failing.take() {
            let database = &self.database;
            let seconds = failing.since.elapsed().as_secs_f64();
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
        let Some(for_how_long) = self.tell(Instant::now()) else {
            return;
        };
        let database = &self.database;
        let text = text(error);
        match (self.task, error) {
            (Task::Restoring, _) => tracing::error!(
                database,
                "not restored{for_how_long}: {text}. Nothing begins with this database before that \
                 is done"
            ),
            (Task::Compacting, _) => tracing::warn!(
                database,
                "not compacting{for_how_long}: {text}. Shipping goes on; the replica grows until \
                 this is over"
            ),
            (Task::Following, _) => tracing::warn!(
                database,
                "not following{for_how_long}: {text}. The file stays as it is and is tried to be \
                 brought up to date again"
            ),
            (Task::Shipping, wit::Error::Busy(_)) => {
                tracing::warn!(database, "waiting{for_how_long}: {text}");
            }
            (Task::Shipping, wit::Error::Store(_)) => tracing::error!(
                database,
                "not shipping{for_how_long}: {text}. What is committed waits in the WAL and is \
                 shipped when the store is back"
            ),
            (Task::Shipping, _) => {
                tracing::error!(database, "not shipping{for_how_long}: {text}");
            }
        }
    }

    /// For how long it has been failing, in words; None: that was told a moment ago.
    fn tell(&mut self, now: Instant) -> Option<String> {
        let Some(failing) = &mut self.failing else {
            self.failing = Some(Failing {
                since: now,
                told: now,
            });
            return Some(String::new());
        };
        if now.duration_since(failing.told) < REMIND {
            return None;
        }
        failing.told = now;
        let seconds = now.duration_since(failing.since).as_secs();
        Some(format!(" (for {seconds} s)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_at_once_and_then_once_a_minute() {
        let mut health = Health::new(Task::Shipping, String::new());
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(health.tell(start).as_deref(), Some(""));
        assert_eq!(health.tell(after(1)), None);
        assert_eq!(health.tell(after(59)), None);
        assert_eq!(health.tell(after(61)).as_deref(), Some(" (for 61 s)"));
        assert_eq!(health.tell(after(62)), None);
        health.works();
        assert_eq!(health.tell(after(63)).as_deref(), Some(""));
    }
}
