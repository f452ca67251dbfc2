//! The peer's reporting commands over our objects, and ours over its.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use end_to_end::history::{History, settings};
use end_to_end::program::Program::{self, Litestream, Seawall};
use end_to_end::replica::Replica;
use end_to_end::scene::Scene;
use end_to_end::upkeep::Upkeep;
use serde_json::Value;

use crate::{Place, cells, on};

cells! {
    litestream_lists_all_that_seawall_wrote_to_s3: lists(S3, Seawall, Litestream);
    litestream_lists_all_that_seawall_wrote_to_files: lists(Files, Seawall, Litestream);
    seawall_lists_all_that_litestream_wrote_to_s3: lists(S3, Litestream, Seawall);
    seawall_lists_all_that_litestream_wrote_to_files: lists(Files, Litestream, Seawall);
    litestreams_status_of_seawalls_database_is_without_error: status(S3, Seawall, Litestream);
    seawalls_status_of_litestreams_database_is_without_error: status(S3, Litestream, Seawall);
}

/// Level, first and last TXID.
type Row = (u64, String, String);

fn lists(scene: &Scene, replica: &Replica, writer: Program, reader: Program) -> Result<()> {
    let upkeep = Upkeep::brisk();
    History::of(scene, writer, replica, &upkeep)?;
    let mut there: BTreeSet<Row> = BTreeSet::new();
    for level in upkeep.all_levels() {
        let hex = |txid: u64| format!("{txid:016x}");
        let spans = replica.level(level)?.into_iter().map(|(span, _)| span);
        there.extend(spans.map(|span| (level.into(), hex(span.min), hex(span.max))));
    }
    let words = ["ltx", "-level", "all", "-json", &replica.url()];
    let outcome = reader.run(scene, replica, &words)?.ok()?.without_alarms()?;
    let rows: Vec<Value> = serde_json::from_str(&outcome.output)?;
    let mut listed = BTreeSet::new();
    for row in &rows {
        let text = |key: &str| row[key].as_str().map(str::to_owned).context("a TXID");
        let level = row["level"].as_u64().context("a level")?;
        listed.insert((level, text("min_txid")?, text("max_txid")?));
        ensure!(row["size"].as_u64().is_some_and(|bytes| bytes > 0), "{row}");
        ensure!(row["timestamp"].is_string(), "{row}");
    }
    ensure!(listed == there, "listed {listed:?}, there {there:?}");
    // For people: a heading and a line for each object of level 0.
    let words = ["ltx", &replica.url()];
    let outcome = reader.run(scene, replica, &words)?.ok()?.without_alarms()?;
    let lines = outcome
        .output
        .lines()
        .filter(|line| !line.is_empty())
        .count();
    let shipped = replica.level(0)?.len();
    ensure!(lines == shipped + 1, "{lines} lines, {shipped} objects");
    Ok(())
}

fn status(scene: &Scene, replica: &Replica, writer: Program, reader: Program) -> Result<()> {
    let upkeep = Upkeep::brisk();
    let history = History::of(scene, writer, replica, &upkeep)?;
    let db = history.machine.db();
    let config = scene.fresh("config.yml");
    std::fs::write(&config, replica.config(&db, &settings(reader, &upkeep)))?;
    let (config, db) = (config.display().to_string(), db.display().to_string());
    for command in ["status", "databases"] {
        let words = [command, "-json", "-config", &config];
        let outcome = reader.run(scene, replica, &words)?.ok()?.without_alarms()?;
        let rows: Vec<Value> = serde_json::from_str(&outcome.output)?;
        let named = |row: &Value| {
            let mut values = row
                .as_object()
                .into_iter()
                .flat_map(|object| object.values());
            values.any(|value| value.as_str() == Some(&db))
        };
        ensure!(rows.len() == 1 && named(&rows[0]), "{command}: {rows:?}");
        ensure!(rows[0]["status"] != "error", "{command}: {rows:?}");
        let words = [command, "-config", &config];
        let outcome = reader.run(scene, replica, &words)?.ok()?.without_alarms()?;
        outcome.says(&db)?;
    }
    Ok(())
}
