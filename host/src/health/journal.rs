//! The last errors of one database that were told, and when each was over.

use super::Task;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Older ones are forgotten.
const KEPT: usize = 20;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<VecDeque<Entry>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    task: Task,
    pub at: SystemTime,
    pub text: String,
    /// None: it goes on.
    pub recovered_at: Option<SystemTime>,
}

impl Journal {
    /// Something began to fail, or goes on to do so, perhaps in another way.
    pub fn fails(&self, task: Task, text: &str) {
        let mut entries = self.entries();
        let mut open = entries.iter_mut().filter(|entry| entry.goes_on(task));
        if let Some(entry) = open.next() {
            if entry.text != text {
                text.clone_into(&mut entry.text);
            }
            return;
        }
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back(Entry {
            task,
            at: SystemTime::now(),
            text: text.to_owned(),
            recovered_at: None,
        });
    }

    pub fn works(&self, task: Task) {
        let mut entries = self.entries();
        for entry in entries.iter_mut().filter(|entry| entry.goes_on(task)) {
            entry.recovered_at = Some(SystemTime::now());
        }
    }

    /// Oldest first.
    pub fn read(&self) -> Vec<Entry> {
        self.entries().iter().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn goes_on(&self, task: Task) -> bool {
        self.task == task && self.recovered_at.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_once_and_closed_when_its_task_works() {
        let journal = Journal::default();
        journal.fails(Task::Shipping, "away");
        journal.fails(Task::Shipping, "away for long");
        journal.fails(Task::Compacting, "away");
        journal.works(Task::Shipping);
        let entries = journal.read();
        let open: Vec<_> = entries
            .iter()
            .map(|entry| (entry.task, entry.recovered_at.is_none()))
            .collect();
        assert_eq!(open, [(Task::Shipping, false), (Task::Compacting, true)]);
        assert_eq!(entries[0].text, "away for long");
    }

    #[test]
    fn only_the_last_twenty_are_kept() {
        let journal = Journal::default();
        for number in 0..25 {
            journal.fails(Task::Shipping, &number.to_string());
            journal.works(Task::Shipping);
        }
        let entries = journal.read();
        assert_eq!((entries.len(), &*entries[0].text), (KEPT, "5"));
    }
}
