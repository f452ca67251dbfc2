//! Asks for a URL while every database is current, for a service that raises an alarm when that
//! stops.

use super::gather::Observer;
use super::once::Once;
use crate::objects::{Secret, web_client};
use reqwest::Client;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// For one heartbeat.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often is looked whether one is due and may be sent.
const LOOK: Duration = Duration::from_secs(1);

/// Errors: the certificates that are believed cannot be read.
pub fn run(
    url: Secret,
    every: Duration,
    observer: Observer,
) -> anyhow::Result<impl Future<Output = ()>> {
    let client = web_client(TIMEOUT)?;
    Ok(async move {
        let telling = Once::new("the heartbeat");
        let mut due = Instant::now();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if Instant::now() < due {
                continue;
            }
            let snapshot = observer.snapshot();
            // Nobody is current who is not there.
            if snapshot.ready && !snapshot.databases.is_empty() {
                telling.tell(beat(&client, &url).await);
                due = Instant::now() + every;
            }
        }
    })
}

async fn beat(client: &Client, url: &Secret) -> Result<(), String> {
    let sent = client.get(url.reveal()).send().await;
    let answer = sent.and_then(reqwest::Response::error_for_status);
    // The URL is a secret.
    answer.map(drop).map_err(|error| {
        let error = error.without_url();
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    })
}
