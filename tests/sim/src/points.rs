//! Crashes at every call that app and sidecar make to the outside, one after the other, in stories
//! that are short enough for that.

use crate::guest::Program;
use crate::machine::Victim;
use crate::scenario::{Mode, Sky, Step, play};
use crate::tempo::Tempo;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const VICTIMS: [Victim; 4] = [Victim::App, Victim::Sidecar, Victim::Both, Victim::Power];

fn stories() -> Vec<Vec<Step>> {
    let commit = |count| Step::Commit {
        count,
        largest: 2_000,
    };
    let wait = |ms| Step::Wait { ms };
    vec![
        // From nothing to the first snapshot and the first merged object.
        vec![commit(3), wait(300), commit(2), wait(3_000), Step::Check],
        // Checkpoints of both, a database that shrinks, an app that closes and opens.
        vec![
            commit(12),
            Step::Checkpoint(Mode::Truncate),
            Step::Vacuum,
            wait(1_000),
            Step::Reopen,
            commit(2),
        ],
        // A backlog of several objects after an outage.
        vec![
            commit(1),
            Step::Weather(Sky::Down),
            commit(12),
            Step::Weather(Sky::LosingAnswers),
            wait(3_000),
            commit(1),
        ],
        // A stop, a move to another machine, and on.
        vec![
            commit(4),
            Step::StopSidecar,
            commit(2),
            Step::MoveElsewhere,
            commit(2),
        ],
    ]
}

/// How many crashes were tried, and the first that was not survived.
pub struct Tried {
    pub crashes: usize,
    pub failure: Option<String>,
}

/// Crashes each story at each of its calls, for each victim.
pub fn try_all(program: &Program, threads: usize) -> Tried {
    let mut plans = Vec::new();
    for (number, story) in stories().into_iter().enumerate() {
        let seed = number as u64 + 1;
        let calls = play(program, seed, &story, Tempo::Hurried, false)
            .counts
            .calls;
        for victim in VICTIMS {
            plans.extend((1..=calls).map(|calls| {
                let crash = Step::Crash { calls, victim };
                let steps: Vec<Step> = [crash].into_iter().chain(story.iter().copied()).collect();
                (seed, steps)
            }));
        }
    }
    let (next, failed, failure) = (
        AtomicUsize::new(0),
        AtomicBool::new(false),
        Mutex::new(None),
    );
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed)
                    && let Some((seed, steps)) = plans.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let Some(text) = play(program, *seed, steps, Tempo::Hurried, false).failure
                    else {
                        continue;
                    };
                    if failed.swap(true, Ordering::Relaxed) {
                        return;
                    }
                    // Once more, to be seen.
                    play(program, *seed, steps, Tempo::Hurried, true);
                    if let Ok(mut failure) = failure.lock() {
                        *failure = Some(format!("story {seed}, {:?}: {text}", steps[0]));
                    }
                }
            });
        }
    });
    Tried {
        crashes: next.into_inner().min(plans.len()),
        failure: failure.into_inner().unwrap_or_default(),
    }
}
