//! See `tests/powers.rs`.
