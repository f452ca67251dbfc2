//! The bucket's region: configured, read from the endpoint, asked for, or learned from a refusal.

use std::sync::{Mutex, PoisonError};

use reqwest::Method;

use super::wire::Wire;
use s3_protocol::failure::Again;
use s3_protocol::request::Request;
use s3_protocol::xml;

/// Where AWS's oldest region answers for the buckets of all of them.
pub const FIRST: &str = "us-east-1";

/// What is known of the region.
#[derive(Debug)]
pub struct Region(Mutex<Option<String>>);

impl Region {
    pub fn new(known: Option<String>) -> Region {
        Region(Mutex::new(known))
    }

    pub fn known(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers a region; true when it is another one than before.
    pub fn learn(&self, region: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = !region.is_empty() && known.as_deref() != Some(region);
        if news {
            tracing::debug!(region, "the bucket is in this region");
            *known = Some(region.to_owned());
        }
        news
    }
}

/// Asks AWS for the bucket's region. The right to ask is not always given: then the first region
/// is taken, whose refusals name the right one. `None` when nobody answers.
pub async fn look_up(wire: &Wire) -> Option<String> {
    let request = Request::of_bucket(Method::GET, vec![("location", String::new())]);
    match wire.try_once(&request, FIRST).await {
        Ok(answer) => xml::read_location(&answer.body),
        Err(failure) if failure.again != Again::No => None,
        Err(failure) => Some(failure.region.unwrap_or_else(|| FIRST.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_region_is_news() {
        let region = Region::new(None);
        assert!(region.learn("eu-west-1"));
        assert!(!region.learn("eu-west-1"));
        assert!(!region.learn(""));
        assert_eq!(region.known().as_deref(), Some("eu-west-1"));
    }
}
