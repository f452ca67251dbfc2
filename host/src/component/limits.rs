//! What ends an instance: it computes for too long without asking for anything, or wants too much
//! memory. A broken database or bucket costs its own instance, not the program.

use std::time::Duration;
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// It computes for so long without asking for anything, not even the time.
    pub silence: Duration,
    /// Bytes of its memory.
    pub memory: usize,
}

impl Limits {
    /// For work whose size nobody knows beforehand: restores, snapshots, upkeep. Between two calls to
    /// the outside it is never busy for more than a fraction of this.
    pub const GENEROUS: Limits = Limits {
        silence: Duration::from_secs(120),
        memory: 2 << 30,
    };
}

/// What an instance has used up.
pub struct Used {
    /// Epochs in which it computed since it last asked for anything. While it waits for an answer none
    /// is counted.
    silent: u32,
    memory: StoreLimits,
}

impl Used {
    pub fn new(limits: Limits) -> Used {
        Used {
            silent: 0,
            memory: StoreLimitsBuilder::new().memory_size(limits.memory).build(),
        }
    }

    /// It asked for something.
    pub fn heard(&mut self) {
        self.silent = 0;
    }
}

/// An instance's state.
pub trait Limited: 'static {
    fn used(&mut self) -> &mut Used;
}

/// For compiled components as `build.rs` makes them. While it is there, running instances are looked
/// at as often as `epoch` says.
pub fn engine(epoch: Duration) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config)?;
    let counted = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = counted.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(epoch);
        }
    });
    Ok(engine)
}

/// Ends what runs in `store` when it goes beyond `limits`.
pub fn limit<T: Limited>(store: &mut Store<T>, limits: Limits, epoch: Duration) {
    store.limiter(|state| &mut state.used().memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut context| {
        let used = context.data_mut().used();
        used.silent += 1;
        if epoch * used.silent > limits.silence {
            let silence = limits.silence;
            wasmtime::bail!("it computed for more than {silence:?} without asking for anything");
        }
        // Others have their turn.
        Ok(UpdateDeadline::Yield(1))
    });
}
