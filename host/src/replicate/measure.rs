//! What is told of one database's replication besides its ups and downs: numbers, and that its
//! store does not answer while a call still tries.

use super::desk::Kept;
use super::work::Work;
use crate::component::{State, text, wit};
use crate::health::BLIP;
use crate::objects::Operation;
use tokio::time::Instant;
use wasmtime::component::Accessor;

impl Work<'_> {
    pub fn count(&self, result: &Result<wit::Synced, wit::Error>, began: Instant) {
        self.desk.record.count(|totals| {
            totals.syncs += 1;
            totals.sync_seconds += began.elapsed().as_secs_f64();
            match result {
                Ok(synced) => totals.shipped_bytes += synced.uploaded,
                Err(_) => totals.failed_syncs += 1,
            }
        });
    }

    /// A call goes on trying for up to half a minute: that its tries fail is told meanwhile.
    pub fn look_at_store(&mut self, sync_began: Instant) {
        let meter = &self.desk.record.meter;
        // What compaction reads may fail without hindering this.
        let trouble = match self.live {
            true => meter.trouble_of(Operation::Put),
            false => meter.trouble(),
        };
        let Some(trouble) = trouble else { return };
        let since = trouble.since.max(sync_began.into_std());
        if since.elapsed() >= BLIP {
            let error = wit::Error::Store(trouble.text);
            self.desk.update(|report| report.fails(text(&error)));
            self.shipping.fails_since(since, &error);
        }
    }

    /// What waits grows while the store is away. Of a database that is not open nothing is known.
    pub async fn measure_lag(&self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        if self.live {
            self.measure(accessor).await?;
        }
        Ok(())
    }

    pub async fn measure(&self, accessor: &Accessor<State>) -> wasmtime::Result<wit::Standing> {
        let replicator = self.replicate.seawall_replicator_replicator();
        let standing = replicator.call_status(accessor).await?;
        let known = self.desk.report();
        let known = known
            .replica
            .as_ref()
            .map(|kept| (known.txid, kept.bytes, kept.objects));
        let now = (
            standing.txid,
            standing.replica_bytes,
            standing.replica_objects,
        );
        let changed = standing.replica_objects > 0 && known != Some(now);
        let kept = match changed {
            true => Some(Kept {
                bytes: standing.replica_bytes,
                objects: standing.replica_objects,
                moments: replicator.call_moments(accessor).await?.into(),
            }),
            false => None,
        };
        self.desk.update(|report| {
            report.replica = kept.or(report.replica.take());
            report.txid = standing.txid;
            report.size_bytes = u64::from(standing.pages) * u64::from(standing.page_size);
            report.page_size = standing.page_size;
            report.wal_bytes = standing.wal_bytes;
            report.unshipped_bytes = standing.unshipped_bytes;
        });
        Ok(standing)
    }
}
