//! How a database is let go of: everything is shipped first, within the time limit.

use super::Stop;
use super::call::{Call, answer};
use super::work::Work;
use crate::component::{State, wit};
use crate::exit::Code;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use wasmtime::component::Accessor;

/// Between two calls of `sync` when stopping.
const SOON: Duration = Duration::from_millis(5);
/// How long a stop waits for a compaction that is under way: an upload that is about to end
/// should not have been in vain, and whatever is cut off is done again later.
const COMPACTION_GRACE: Duration = Duration::from_secs(5);

impl<'a> Work<'a> {
    /// Ships what is left, within the time limit.
    pub async fn finish<'c>(
        &mut self,
        accessor: &'c Accessor<State>,
        mut sync: Option<Call<'c, wit::Synced>>,
        mut compact: Option<Call<'c, wit::Compacted>>,
    ) -> wasmtime::Result<Code>
    where
        'a: 'c,
    {
        let deadline = Instant::now() + self.shutdown.timeout;
        let mut stopping = self.stopping.clone();
        let code = tokio::select! {
            code = self.ship_the_rest(accessor, &mut sync) => code?,
            () = sleep_until(deadline) => Code::Unshipped,
            // An error means that nobody is left who could ask for more haste.
            _ = stopping.wait_for(|stop| *stop == Stop::Now) => Code::Unshipped,
        };
        let database = &self.name;
        match code {
            Code::Ok if self.is_waiting() => {
                tracing::info!(database, "nothing was to be shipped: there is no database");
            }
            Code::Ok => tracing::info!(database, "everything is shipped"),
            Code::Unshipped => tracing::error!(
                database,
                "stopped before everything was shipped: it is still in this machine's WAL and is \
                 shipped when seawall starts again on it"
            ),
            _ => {}
        }
        let until = deadline.min(Instant::now() + COMPACTION_GRACE);
        if compact.is_some() {
            tokio::select! {
                ended = answer(&mut compact) => drop(ended?),
                () = sleep_until(until) => {}
                _ = stopping.wait_for(|stop| *stop == Stop::Now) => {}
            }
        }
        // What is still under way is cut off with the instance.
        if sync.is_none() && compact.is_none() {
            self.close(accessor).await?;
        }
        Ok(code)
    }

    /// Ends when all is shipped or cannot be.
    async fn ship_the_rest<'c>(
        &mut self,
        accessor: &'c Accessor<State>,
        sync: &mut Option<Call<'c, wit::Synced>>,
    ) -> wasmtime::Result<Code>
    where
        'a: 'c,
    {
        let replicator = self.replicate.seawall_replicator_replicator();
        if sync.is_some() {
            // It may have begun before the last commit.
            drop(answer(sync).await?);
        }
        loop {
            self.waiting.begins();
            *sync = Some(Box::pin(replicator.call_sync(accessor)));
            match answer(sync).await? {
                Ok(synced) => {
                    self.tell(accessor, &synced).await?;
                    if !synced.behind {
                        return Ok(Code::Ok);
                    }
                    tokio::time::sleep(SOON).await;
                }
                Err(wit::Error::Fenced(text)) => return Ok(self.fenced(&text)),
                Err(error) => {
                    self.shipping.fails(&error);
                    tokio::time::sleep(self.shutdown.interval).await;
                }
            }
        }
    }

    pub async fn close(&self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        let replicator = self.replicate.seawall_replicator_replicator();
        replicator.call_close(accessor).await
    }
}
