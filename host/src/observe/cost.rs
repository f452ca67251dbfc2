//! What a month costs at the store if it goes on as since the start. Pure.

use super::snapshot::{Cost, Requests};
use crate::config::Prices;

/// Thirty days.
const MONTH_SECONDS: f64 = 30.0 * 24.0 * 3600.0;
/// What is opened and read at the start says nothing about a month.
const LEAST_SECONDS: f64 = 10.0;
const GB: f64 = 1e9;

/// None: too little was measured yet.
pub fn estimate(
    prices: &Prices,
    requests: &Requests,
    received_bytes: u64,
    replica_bytes: Option<u64>,
    measured_seconds: f64,
) -> Option<Cost> {
    if measured_seconds < LEAST_SECONDS {
        return None;
    }
    let months = measured_seconds / MONTH_SECONDS;
    // Stores ask the price of a PUT for a listing, and nothing for a deletion.
    let writing = (requests.put + requests.list) as f64 / 1000.0 * prices.put_per_1000.as_f64();
    let reading = requests.get as f64 / 1000.0 * prices.get_per_1000.as_f64();
    let requests_per_month = (writing + reading) / months;
    let egress_per_month = received_bytes as f64 / GB * prices.egress_gb.as_f64() / months;
    let storage_per_month =
        replica_bytes.map(|bytes| bytes as f64 / GB * prices.storage_gb_month.as_f64());
    Some(Cost {
        currency: prices.currency.clone(),
        per_month: requests_per_month + egress_per_month + storage_per_month.unwrap_or(0.0),
        requests_per_month,
        storage_per_month,
        egress_per_month,
        measured_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_each_second_costs_thirteen_dollars_a_month() {
        let requests = Requests {
            put: 3500,
            list: 100,
            get: 0,
            delete: 1_000_000,
        };
        let bytes = Some(10_000_000_000);
        let cost = estimate(&Prices::default(), &requests, 0, bytes, 3600.0).unwrap();
        assert!((cost.requests_per_month - 12.96).abs() < 1e-9, "{cost:?}");
        let storage = cost.storage_per_month.unwrap();
        assert!((storage - 0.23).abs() < 1e-9, "{cost:?}");
        assert!((cost.per_month - 13.19).abs() < 1e-9, "{cost:?}");
    }

    #[test]
    fn what_is_read_costs_its_requests_and_its_bytes() {
        let requests = Requests {
            get: 1000,
            ..Requests::default()
        };
        let month = MONTH_SECONDS;
        let cost = estimate(&Prices::default(), &requests, 2_000_000_000, None, month).unwrap();
        assert!((cost.requests_per_month - 0.0004).abs() < 1e-9, "{cost:?}");
        assert!((cost.egress_per_month - 0.18).abs() < 1e-9, "{cost:?}");
        assert_eq!(cost.storage_per_month, None);
    }

    #[test]
    fn a_few_seconds_are_too_little_to_tell() {
        let requests = Requests::default();
        assert_eq!(estimate(&Prices::default(), &requests, 0, None, 9.9), None);
    }
}
