//! A sequence of choices from a seed: the same seed chooses the same, only the timing differs.

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, any seed is a good one.
#[derive(Debug, Clone)]
pub struct Choice(u64);

impl Choice {
    pub fn new(seed: u64) -> Choice {
        Choice(seed)
    }

    /// A sequence of its own for one use of the seed.
    pub fn of(seed: u64, use_number: u64) -> Choice {
        Choice(Choice(seed ^ use_number.wrapping_mul(0xd6e8_feb8_6659_fd93)).word())
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From `0` to `limit - 1`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.word() % limit
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Choice;

    #[test]
    fn a_seed_always_chooses_the_same_and_each_use_differently() {
        let words = |mut choice: Choice| (0..4).map(|_| choice.word()).collect::<Vec<_>>();
        assert_eq!(words(Choice::of(7, 1)), words(Choice::of(7, 1)));
        assert_ne!(words(Choice::of(7, 1)), words(Choice::of(7, 2)));
        assert_ne!(words(Choice::of(7, 1)), words(Choice::of(8, 1)));
    }
}
