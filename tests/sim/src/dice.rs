//! Randomness that the seed decides.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle: clones share the sequence.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    /// `label` tells the sequences of one seed apart: what one draws more or less of does not
    /// change the others.
    pub fn new(seed: u64, label: u64) -> Dice {
        let mixed = seed ^ label.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Dice(Arc::new(Mutex::new(StdRng::seed_from_u64(mixed))))
    }

    fn rng(&self) -> MutexGuard<'_, StdRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sequence of its own.
    pub fn source(&self) -> StdRng {
        StdRng::seed_from_u64(self.number())
    }

    pub fn number(&self) -> u64 {
        self.rng().random()
    }

    /// `low ..= high`
    pub fn between(&self, low: u64, high: u64) -> u64 {
        self.rng().random_range(low..=high)
    }

    /// With that probability.
    pub fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && self.rng().random::<f64>() < probability
    }

    pub fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.between(0, of.len() as u64 - 1) as usize]
    }

    pub fn bytes(&self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.rng().fill(&mut bytes[..]);
        bytes
    }
}
