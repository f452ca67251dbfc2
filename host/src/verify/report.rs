//! What `seawall verify` prints.

use crate::component::{self, wit};
use crate::output;
use crate::plan;
use crate::table;
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
struct Report<'a> {
    source: &'a str,
    replica: &'a str,
    sound: bool,
    moments: Vec<Moment<'a>>,
    objects: u32,
    downloaded_bytes: u64,
    requests: u32,
    duration_ms: u128,
    findings: &'a [String],
}

/// Restored and found sound.
#[derive(Serialize)]
struct Moment<'a> {
    txid: String,
    timestamp: String,
    generation: Option<&'a str>,
    page_size: u32,
    pages: u32,
    checksum_verified: bool,
}

pub fn print(
    plan: &plan::Verify,
    verified: &wit::Verified,
    duration: Duration,
) -> anyhow::Result<()> {
    let report = Report {
        source: &plan.source,
        replica: component::kind(&plan.database.replica),
        sound: verified.findings.is_empty(),
        moments: verified.moments.iter().map(moment).collect(),
        objects: verified.objects,
        downloaded_bytes: verified.downloaded,
        requests: verified.requests,
        duration_ms: duration.as_millis(),
        findings: &verified.findings,
    };
    if plan.json {
        return table::print_json(&report);
    }
    let row = |moment: &Moment<'_>| {
        let bytes = u64::from(moment.pages) * u64::from(moment.page_size);
        [
            moment.generation.unwrap_or(&moment.txid).to_owned(),
            moment.timestamp.clone(),
            table::size(bytes),
            match moment.checksum_verified {
                true => "right".to_owned(),
                false => "none was left by its writer".to_owned(),
            },
        ]
    };
    let rows: Vec<_> = report.moments.iter().map(row).collect();
    let head = ["restored", "timestamp", "size", "database checksum"];
    let mut text = table::render(head, &rows);
    text += &format!(
        "{} objects read whole, {} downloaded in {} requests, {:.1} s\n",
        report.objects,
        table::size(report.downloaded_bytes),
        report.requests,
        duration.as_secs_f64()
    );
    if report.sound {
        text += "sound\n";
    }
    for finding in report.findings {
        text += &format!("damaged: {finding}\n");
    }
    output::print(text)
}

fn moment(tried: &wit::Tried) -> Moment<'_> {
    Moment {
        txid: table::txid(tried.txid),
        timestamp: table::time(tried.time_ms),
        generation: tried.generation.as_deref(),
        page_size: tried.page_size,
        pages: tried.pages,
        checksum_verified: tried.checksum_verified,
    }
}
