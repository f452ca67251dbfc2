//! Proves that a replica can be restored: reads every object, then restores the newest and the
//! oldest moment and has SQLite look at them. `docs/verify.md`.

use crate::ltx::{Layout, ObjectName};
use crate::ports::{Environment, Files, Objects};
use crate::rebuild::{self, RebuildError, Rebuilt, Wish};
use crate::replica::levels::schedule::Schedule;
use crate::restore::generations;
use crate::restore::{self, PlanError, REPLANS, RestoreError, Target, proof};
use crate::verify::Integrity;

/// How to prove.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// Objects that are known to be there.
    pub expected: &'a [ObjectName],
    /// What is kept for how long.
    pub schedule: &'a Schedule,
    /// Requests under way at once.
    pub parallelism: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What was restored and found sound.
    pub moments: Vec<Rebuilt>,
    /// That were read.
    pub objects: u32,
    pub downloaded_bytes: u64,
    pub requests: u64,
    /// What is wrong; each names the object and the check.
    pub findings: Vec<String>,
    /// Expected objects that are not there.
    pub missing: Vec<ObjectName>,
}

/// Reads the replica, and restores into the (empty) database of `files`.
///
/// Errors: it cannot be told, because the store or the file cannot be used, or the replica holds
/// nothing. What is wrong with the replica is no error.
pub async fn prove<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    files: &dyn Files,
    vfs_name: &str,
    inquiry: Inquiry<'_>,
) -> Result<Proof, RebuildError> {
    let listing = restore::list_all(objects, environment, layout).await?;
    let has_objects = !listing.is_empty();
    let lacks_all = !has_objects && inquiry.expected.is_empty();
    if lacks_all && generations::list(objects).await?.is_empty() {
        return Err(RestoreError::from(PlanError::Empty).into());
    }
    let Inquiry {
        expected,
        schedule,
        parallelism,
    } = inquiry;
    let read = match has_objects {
        true => {
            proof::read_replica(
                objects,
                environment,
                layout,
                &listing,
                schedule,
                parallelism,
            )
            .await?
        }
        false => proof::Read::default(),
    };
    let mut proof = Proof {
        moments: Vec::new(),
        objects: read.objects,
        downloaded_bytes: read.downloaded_bytes,
        requests: read.requests,
        findings: read.findings,
        missing: proof::missing(objects, environment, &listing, expected).await?,
    };
    let wish = |target| Wish {
        target,
        parallelism,
        check: Integrity::Quick,
        follow: false,
    };
    let build = async |target| {
        rebuild::build(objects, environment, layout, files, vfs_name, wish(target)).await
    };
    let newest = build(Target::Latest).await;
    proof.restored("newest", newest)?;
    if !has_objects {
        return Ok(proof);
    }
    let mut replans = 0..REPLANS;
    loop {
        let listing = restore::list_all(objects, environment, layout).await?;
        let oldest = restore::points(&listing)
            .first()
            .map(|point| point.name.max);
        let newest = listing.newest().map(|name| name.max);
        let Some(txid) = oldest.filter(|oldest| Some(*oldest) != newest) else {
            break;
        };
        match build(Target::Txid(txid)).await {
            // It expired since the listing: another one is the oldest now.
            Err(error) if is_unavailable(&error) && replans.next().is_some() => {}
            oldest => {
                proof.restored("oldest", oldest)?;
                break;
            }
        }
    }
    Ok(proof)
}

fn is_unavailable(error: &RebuildError) -> bool {
    matches!(
        error,
        RebuildError::Restore(RestoreError::Plan(PlanError::TxidUnavailable { .. }))
    )
}

impl Proof {
    /// Errors: those that say nothing of the replica.
    fn restored(
        &mut self,
        which: &str,
        outcome: Result<(Rebuilt, Vec<u64>), RebuildError>,
    ) -> Result<(), RebuildError> {
        match outcome {
            Ok((rebuilt, _)) => {
                self.downloaded_bytes += rebuilt.downloaded_bytes;
                self.requests += rebuilt.requests;
                self.moments.push(rebuilt);
                Ok(())
            }
            Err(error) if error.is_the_replicas_fault() => {
                let text = format!("the {which} moment cannot be restored: {error}");
                self.findings.push(text);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl RebuildError {
    /// Whether trying again is of no use as long as the replica is what it is.
    fn is_the_replicas_fault(&self) -> bool {
        match self {
            RebuildError::Restore(error) => match error {
                RestoreError::Plan(_)
                | RestoreError::Generation(_)
                | RestoreError::DatabaseChecksum { .. } => true,
                error => error.is_the_objects_fault(),
            },
            RebuildError::Holes { .. } | RebuildError::Integrity(_) => true,
            RebuildError::File { .. } | RebuildError::CannotFollow => false,
        }
    }
}
