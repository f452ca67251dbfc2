//! What `restore` prints: what it did, or with `-dry-run` what it would do.

use crate::component::{self, wit};
use crate::output;
use crate::plan;
use crate::table;
use serde::Serialize;
use std::time::Duration;

/// The first keys are Litestream's, in its order.
#[derive(Serialize)]
struct Restored<'a> {
    db_path: String,
    replica: &'a str,
    txid: String,
    duration_ms: u128,
    integrity_check: &'a str,
    generation: Option<&'a str>,
    page_size: u32,
    pages: u32,
    bytes: u64,
    downloaded_bytes: u64,
    requests: u32,
    checksum_verified: bool,
}

pub fn restored(
    plan: &plan::Restore,
    restored: &wit::Restored,
    duration: Duration,
) -> anyhow::Result<()> {
    let bytes = u64::from(restored.pages) * u64::from(restored.page_size);
    let output = plan.output.display().to_string();
    let generation = restored.generation.as_deref();
    if plan.json {
        return table::print_json(&Restored {
            db_path: output,
            replica: component::kind(&plan.replica),
            txid: table::txid(restored.txid),
            duration_ms: duration.as_millis(),
            integrity_check: plan.integrity_check.name(),
            generation,
            page_size: restored.page_size,
            pages: restored.pages,
            bytes,
            downloaded_bytes: restored.downloaded,
            requests: restored.requests,
            checksum_verified: restored.checksum_verified,
        });
    }
    let verified = if restored.checksum_verified {
        "the checksum of the whole database is right"
    } else {
        "its writer left no checksum of the whole database; every object was checked"
    };
    let point = match generation {
        Some(generation) => format!("from generation {generation}"),
        None => format!("at TXID {}", table::txid(restored.txid)),
    };
    tracing::info!(
        "restored {output} {point}: {bytes} bytes, {} downloaded in {} requests; {verified}",
        restored.downloaded,
        restored.requests
    );
    Ok(())
}

/// As Litestream prints it; `generation` and `timestamp` are ours.
#[derive(Serialize)]
struct Planned<'a> {
    source: &'a str,
    target_path: String,
    replica: &'a str,
    min_txid: String,
    max_txid: String,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<&'a str>,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    level: u8,
    name: &'a str,
    min_txid: String,
    max_txid: String,
    size: u64,
    timestamp: String,
}

pub fn planned(plan: &plan::Restore, found: &wit::RestorePlan) -> anyhow::Result<()> {
    let first = found.objects.iter().map(|object| object.min_txid).min();
    let planned = Planned {
        source: &plan.source,
        target_path: plan.output.display().to_string(),
        replica: component::kind(&plan.replica),
        min_txid: table::txid(first.unwrap_or(0)),
        max_txid: table::txid(found.txid),
        timestamp: table::time(found.time_ms),
        generation: found.generation.as_deref(),
        files: found.objects.iter().map(file).collect(),
    };
    if plan.json {
        return table::print_json(&planned);
    }
    let mut text = format!(
        "Restore plan:\n  source: {}\n  target: {}\n  replica: {}\n",
        planned.source, planned.target_path, planned.replica
    );
    text += &match planned.generation {
        Some(generation) => format!("  generation: {generation}\n"),
        None => format!(
            "  txid range: {} - {}\n",
            planned.min_txid, planned.max_txid
        ),
    };
    text += &format!("  timestamp: {}\n\nFiles to fetch:\n", planned.timestamp);
    let rows: Vec<_> = planned
        .files
        .iter()
        .map(|file| {
            [
                file.level.to_string(),
                file.name.to_owned(),
                file.min_txid.clone(),
                file.max_txid.clone(),
                file.size.to_string(),
                file.timestamp.clone(),
            ]
        })
        .collect();
    let head = ["level", "file", "min_txid", "max_txid", "size", "timestamp"];
    text += &table::render(head, &rows);
    output::print(text)
}

fn file(object: &wit::Object) -> File<'_> {
    File {
        level: object.level,
        name: object.key.rsplit('/').next().unwrap_or(&object.key),
        min_txid: table::txid(object.min_txid),
        max_txid: table::txid(object.max_txid),
        size: object.bytes,
        timestamp: table::time(object.time_ms),
    }
}
