//! Reads a whole replica and proves what can be proven of each object: that it is what its writer
//! wrote, that it is of this database and of the transactions in its name, and that none is missing.
//!
//! [`course`] says in which order and against what, [`absent`] what is not there, [`walk`] reads.

pub mod absent;
mod course;
mod pages;
mod walk;

use std::collections::BTreeSet;

use crate::ltx::{Layout, ObjectName};
use crate::ports::{Environment, LogLevel, Objects};
use crate::replica::levels::schedule::Schedule;
use crate::restore::error::RestoreError;
use crate::restore::fetch::Source;
use crate::restore::plan::Listing;
use walk::Walk;

/// Of more nobody learns anything: something else wrote into the whole replica.
const MAX_FINDINGS: usize = 100;

/// How often objects that vanish are answered with a new listing. Reading with little bandwidth may
/// take hours, and every few minutes some expire.
const MAX_LISTINGS: u32 = 1000;

/// What reading a replica brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// That were read to their ends.
    pub objects: u32,
    pub downloaded_bytes: u64,
    pub requests: u64,
    /// What is wrong; each names the object and the check.
    pub findings: Vec<String>,
}

/// Reads every object of `listing` once. What retention deletes meanwhile is not missed.
///
/// Errors: the store cannot be asked, or the database is too large for the memory. What is wrong
/// with the replica is no error.
pub async fn read_replica<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    layout: Layout,
    listing: &Listing,
    schedule: &Schedule,
    parallelism: usize,
) -> Result<Read, RestoreError> {
    let source = Source::new(objects, environment, layout);
    let mut walk = Walk::new(&source);
    let mut left = listing.clone();
    let mut listings = 0..MAX_LISTINGS;
    loop {
        match walk.over(&left, parallelism).await {
            Ok(()) => break,
            Err(error) if error.is_vanished() => {
                if listings.next().is_none() {
                    return Err(error);
                }
                environment.log(
                    LogLevel::Debug,
                    &format!("{error}; listing the replica again"),
                );
                left = walk.left(&left, &source.list().await?);
            }
            Err(error) => return Err(error),
        }
    }
    let mut findings = absences(&source, listing, environment, schedule).await?;
    let objects = walk.objects;
    findings.append(&mut walk.findings);
    if findings.len() > MAX_FINDINGS {
        let more = findings.len() - MAX_FINDINGS;
        findings.truncate(MAX_FINDINGS);
        findings.push(format!("{more} more findings are left out"));
    }
    Ok(Read {
        objects,
        downloaded_bytes: source.downloaded_bytes(),
        requests: source.requests(),
        findings,
    })
}

/// What is missing in two listings: levels are listed one beside the other, so that an object that
/// was merged meanwhile may be in neither.
async fn absences<O: Objects>(
    source: &Source<'_, O>,
    listing: &Listing,
    environment: &dyn Environment,
    schedule: &Schedule,
) -> Result<Vec<String>, RestoreError> {
    let now = environment.now_ms();
    let mut absent = absent::absent(listing, schedule, now);
    if !absent.is_empty() {
        let again = absent::absent(&source.list().await?, schedule, now);
        absent.retain(|finding| again.contains(finding));
    }
    Ok(absent)
}

/// The objects of `expected` that are in neither of two listings.
pub async fn missing<O: Objects>(
    objects: &O,
    environment: &dyn Environment,
    listing: &Listing,
    expected: &[ObjectName],
) -> Result<Vec<ObjectName>, RestoreError> {
    let names = |listing: &Listing| -> BTreeSet<ObjectName> {
        listing.objects().iter().map(|object| object.name).collect()
    };
    let there = names(listing);
    let mut missing = expected.to_vec();
    missing.retain(|name| !there.contains(name));
    if !missing.is_empty() {
        let source = Source::new(objects, environment, listing.layout());
        let there = names(&source.list().await?);
        missing.retain(|name| !there.contains(name));
    }
    Ok(missing)
}
