//! How others see whether it works: `/metrics`, `/healthz`, `/readyz`, `/status.json` and a page for
//! people, the heartbeat, and metrics sent by OpenTelemetry's protocol.

mod cost;
mod families;
mod gather;
mod heartbeat;
mod once;
mod otlp;
mod ready;
mod server;
pub mod snapshot;
mod text;

pub use gather::{Listed, Observer};
pub use server::bind;

use crate::config::Observe;
use crate::replicate::Supervisor;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the lag is looked at for its history.
const LOOK: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last metrics to be sent.
const GRACE: Duration = Duration::from_secs(2);

/// What goes on until this is dropped.
pub struct Observing {
    tasks: JoinSet<()>,
    export: Option<otlp::Export>,
}

/// Begins to serve and to send what is asked for.
///
/// Errors: nobody can listen at `addr`, or the certificates that are believed cannot be read.
pub async fn start(
    observe: Observe,
    listed: Listed,
    supervisor: Supervisor,
) -> anyhow::Result<Observing> {
    let mut tasks = JoinSet::new();
    let environment = |name: &str| std::env::var(name).ok();
    let addr = observe.addr.clone();
    let beat = observe.heartbeat_url.clone();
    let interval = observe.heartbeat_interval;
    let observer = Observer::new(observe, listed, supervisor.clone());
    if let Some(addr) = addr {
        let listener = server::listen(&addr).await?;
        tasks.spawn(server::serve(listener, observer.clone()));
    }
    if let Some(url) = beat {
        tasks.spawn(heartbeat::run(url, interval, observer.clone())?);
    }
    let export = otlp::Export::from_environment(&environment, observer);
    // The variables may be meant for the app that runs beside: they stop nothing.
    let export = export.unwrap_or_else(|error| {
        tracing::warn!("no metrics are sent by OTLP: {error:#}");
        None
    });
    if let Some(export) = export.clone() {
        tasks.spawn(async move { export.run().await });
    }
    if !tasks.is_empty() {
        tasks.spawn(remember_lags(supervisor));
    }
    Ok(Observing { tasks, export })
}

impl Observing {
    /// Sends the last metrics.
    pub async fn end(mut self) {
        self.tasks.abort_all();
        if let Some(export) = self.export.take() {
            // Who is not there need not hear of the end.
            let _ = timeout(GRACE, export.send()).await;
        }
    }
}

async fn remember_lags(supervisor: Supervisor) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        for watched in supervisor.watched() {
            watched.record.note(watched.report.current, Instant::now());
        }
    }
}
