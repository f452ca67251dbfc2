//! How well the simulated store serves.

/// How the store behaves. Probabilities are of each request.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Of a whole request.
    pub latency_us: (u64, u64),
    /// 500 and 503: certainly without effect.
    pub unavailable: f64,
    pub throttled: f64,
    /// A PUT's answer does not come; it had its effect, or not.
    pub lost: f64,
    /// Of the lost ones that have an effect: it comes later, up to this long.
    pub late: f64,
    pub late_us: u64,
    /// A listing shows an older state, up to this long ago.
    pub stale: f64,
    pub stale_us: u64,
    /// Credentials were revoked.
    pub denied: bool,
    /// Nothing gets through.
    pub down: bool,
    pub ignores_conditions: bool,
    pub deletes_do_nothing: bool,
}

impl Weather {
    pub fn calm() -> Weather {
        Weather {
            latency_us: (5_000, 40_000),
            unavailable: 0.0,
            throttled: 0.0,
            lost: 0.0,
            late: 0.0,
            late_us: 0,
            stale: 0.0,
            stale_us: 0,
            denied: false,
            down: false,
            ignores_conditions: false,
            deletes_do_nothing: false,
        }
    }
}
