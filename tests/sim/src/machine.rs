//! A machine: one disk, an app and a sidecar beside it, and the moment at which they die.

use crate::dice::Dice;
use crate::disk::{Disk, ProcessId};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a crash takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    App,
    Sidecar,
    Both,
    /// The whole machine, and what it had not synced.
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    App,
    Sidecar,
}

/// The process is dead: nothing it does has any effect any more.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the process is dead")]
pub struct Dead;

struct State {
    /// Calls to the outside so far, of all processes of this machine.
    calls: u64,
    /// Of them, those before this step of the story.
    calls_before: u64,
    crash: Option<(u64, Victim)>,
    crashes: u64,
    alive: BTreeSet<ProcessId>,
    app: Option<ProcessId>,
    sidecar: Option<ProcessId>,
    processes: ProcessId,
    suspended_until_us: u64,
    /// How far its clock is ahead of the time.
    clock_ahead_ms: i64,
    /// Since the last look.
    lost_power: bool,
}

/// A handle: clones are the same machine.
#[derive(Clone)]
pub struct Machine {
    pub disk: Disk,
    pub number: u32,
    dice: Dice,
    state: Arc<Mutex<State>>,
}

impl Machine {
    pub fn new(number: u32, dice: Dice) -> Machine {
        Machine {
            disk: Disk::default(),
            number,
            dice,
            state: Arc::new(Mutex::new(State {
                calls: 0,
                calls_before: 0,
                crash: None,
                crashes: 0,
                alive: BTreeSet::new(),
                app: None,
                sidecar: None,
                processes: 0,
                suspended_until_us: 0,
                clock_ahead_ms: 0,
                lost_power: false,
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn start(&self, role: Role) -> Process {
        let mut state = self.state();
        state.processes += 1;
        let id = state.processes;
        state.alive.insert(id);
        match role {
            Role::App => state.app = Some(id),
            Role::Sidecar => state.sidecar = Some(id),
        }
        Process {
            machine: self.clone(),
            id,
        }
    }

    /// Calls to the outside so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Somebody called again and again, and was ended for that.
    pub fn was_endless(&self) -> bool {
        self.state().is_endless()
    }

    /// Another step of the story begins.
    pub fn begin_step(&self) {
        let mut state = self.state();
        state.calls_before = state.calls;
    }

    pub fn crashes(&self) -> u64 {
        self.state().crashes
    }

    /// At the call of that number from now on.
    pub fn crash_in(&self, calls: u64, victim: Victim) {
        let mut state = self.state();
        state.crash = Some((state.calls + calls, victim));
    }

    pub fn crash_now(&self, victim: Victim) {
        let mut state = self.state();
        self.crash(&mut state, victim);
    }

    /// No call is the last one any more.
    pub fn spare(&self) {
        self.state().crash = None;
    }

    /// The sidecar stands still until then, and does not know.
    pub fn suspend_until_us(&self, moment_us: u64) {
        self.state().suspended_until_us = moment_us;
    }

    /// Somebody sets its clock; negative: it is behind.
    pub fn set_clock_ahead(&self, ms: i64) {
        self.state().clock_ahead_ms = ms;
    }

    pub fn clock_ahead_ms(&self) -> i64 {
        self.state().clock_ahead_ms
    }

    pub fn suspended_until_us(&self) -> u64 {
        self.state().suspended_until_us
    }

    /// Whether the power was gone since this was asked last.
    pub fn lost_power(&self) -> bool {
        std::mem::take(&mut self.state().lost_power)
    }

    fn crash(&self, state: &mut State, victim: Victim) {
        state.crash = None;
        state.crashes += 1;
        let victims = match victim {
            Victim::App => [state.app, None],
            Victim::Sidecar => [state.sidecar, None],
            Victim::Both | Victim::Power => [state.app, state.sidecar],
        };
        if victim != Victim::App {
            // The next one is not suspended.
            state.suspended_until_us = 0;
        }
        for id in victims.into_iter().flatten() {
            if state.alive.remove(&id) {
                self.disk.release(id);
            }
        }
        if victim == Victim::Power {
            self.disk.lose_power(&self.dice);
            state.lost_power = true;
        }
    }
}

/// In one step of a story: hundreds of times what the longest takes.
const MOST_CALLS: u64 = 3_000_000;

impl State {
    fn is_endless(&self) -> bool {
        self.calls - self.calls_before > MOST_CALLS
    }
}

#[derive(Clone)]
pub struct Process {
    pub machine: Machine,
    pub id: ProcessId,
}

impl Process {
    pub fn is_alive(&self) -> bool {
        self.machine.state().alive.contains(&self.id)
    }

    /// Before and after whatever the process does to the outside: here it may die.
    pub fn step(&self) -> Result<(), Dead> {
        let mut state = self.machine.state();
        if !state.alive.contains(&self.id) {
            return Err(Dead);
        }
        state.calls += 1;
        if state.is_endless() {
            state.alive.clear();
            return Err(Dead);
        }
        if let Some((at, victim)) = state.crash
            && state.calls >= at
        {
            self.machine.crash(&mut state, victim);
            if !state.alive.contains(&self.id) {
                return Err(Dead);
            }
        }
        Ok(())
    }

    /// Ends by itself.
    pub fn end(&self) {
        if self.machine.state().alive.remove(&self.id) {
            self.machine.disk.release(self.id);
        }
    }
}
