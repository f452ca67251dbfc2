//! How often replicas are verified, and how fast they are read for that. The same for all databases.

use super::section::Section;
use super::values;
use std::time::Duration;

const DEFAULT_BANDWIDTH: u64 = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verify {
    /// None: never.
    pub interval: Option<Duration>,
    /// Bytes a second.
    pub bandwidth: u64,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            interval: None,
            bandwidth: DEFAULT_BANDWIDTH,
        }
    }
}

impl Verify {
    pub fn read(top: &mut Section<'_>) -> Self {
        let standard = Self::default();
        let Some(mut section) = top.mapping("verify") else {
            return standard;
        };
        let verify = Self {
            interval: section.interval("interval"),
            bandwidth: section
                .size("bandwidth", values::SIZE, 1..)
                .unwrap_or(standard.bandwidth),
        };
        section.close();
        verify
    }
}
