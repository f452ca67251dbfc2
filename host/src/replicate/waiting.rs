//! Who waits for what is committed to be in the replica. Pure, but for the answers.

use super::desk::Standing;
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Result<Standing, String>>;

/// Somebody who asked is answered by a call of `sync` that began afterwards.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Calls of `sync` that have begun.
    begun: u64,
    /// With the number of the first call that may answer.
    waiting: Vec<(u64, Answer)>,
}

impl Waiting {
    pub fn begins(&mut self) {
        self.begun += 1;
    }

    pub fn add(&mut self, answer: Answer) {
        self.waiting.push((self.begun + 1, answer));
    }

    /// True: a call of `sync` is needed though nothing was noticed.
    pub fn is_anybody_here(&mut self) -> bool {
        self.waiting.retain(|(_, answer)| !answer.is_closed());
        !self.waiting.is_empty()
    }

    /// The call that is under way has ended with this, as far as that is an answer.
    pub fn answer(&mut self, with: &Result<Standing, String>) {
        let begun = self.begun;
        for (_, answer) in self.waiting.extract_if(.., |(first, _)| *first <= begun) {
            // Nobody may be waiting any more.
            let _ = answer.send(with.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_began_before_the_question_is_no_answer() {
        let mut waiting = Waiting::default();
        waiting.begins();
        let (answer, mut answered) = oneshot::channel();
        waiting.add(answer);
        let done = Ok(Standing::default());
        waiting.answer(&done);
        assert!(answered.try_recv().is_err());
        assert!(waiting.is_anybody_here());
        waiting.begins();
        waiting.answer(&done);
        assert_eq!(answered.try_recv(), Ok(done));
        assert!(!waiting.is_anybody_here());
    }

    #[test]
    fn whoever_went_away_is_not_waited_for() {
        let mut waiting = Waiting::default();
        let (answer, answered) = oneshot::channel();
        waiting.add(answer);
        drop(answered);
        assert!(!waiting.is_anybody_here());
    }
}
