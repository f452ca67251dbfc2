//! The alert rules and the dashboard in `deploy/`: Prometheus understands them, the rules fire when
//! they should, and every metric in them is one that is served and that `docs/metrics.md` tells of.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use end_to_end::program::Program;
use end_to_end::replica::{Replica, Settings};
use end_to_end::scene::scene;
use end_to_end::shell::sql;
use end_to_end::stock::SOME_ROWS;
use end_to_end::wait_for;
use serde_json::{Value, json};

const RULES: &str = "deploy/prometheus/alerts.yml";
const RULE_TESTS: &str = "deploy/prometheus/alerts.test.yml";
const DASHBOARD: &str = "deploy/grafana/seawall.json";
const METRICS: &str = "docs/metrics.md";
const RUNBOOK: &str = "docs/operations.md";

/// What a month costs is estimated after ten seconds.
const LIMIT: Duration = Duration::from_secs(40);

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> Result<String> {
    fs::read_to_string(place(path)).with_context(|| path.to_owned())
}

fn promtool(words: &[&str], file: &Path) -> Result<()> {
    let output = Command::new("promtool")
        .args(words)
        .arg(file)
        .output()
        .context("promtool: run scripts/setup test, or install Debian's package prometheus")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success(), "promtool {words:?}: {said}");
    Ok(())
}

/// Every query of the dashboard, as Grafana would send it.
fn queries(dashboard: &Value) -> Vec<String> {
    match dashboard {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(query) if name == "expr" => vec![query.replace("$db", ".*")],
                _ => queries(value),
            })
            .map(|query| query.replace("$__rate_interval", "1m"))
            .collect(),
        Value::Array(items) => items.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

fn dashboard() -> Result<Value> {
    Ok(serde_json::from_str(&text(DASHBOARD)?)?)
}

/// All that asks for metrics.
fn used() -> Result<String> {
    Ok(text(RULES)? + &queries(&dashboard()?).join("\n"))
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.split(|at: char| !at.is_ascii_alphanumeric() && at != '_')
        .filter(|word| word.starts_with("seawall_") || word.starts_with("litestream_"))
        .collect()
}

#[test]
fn every_alert_fires_when_it_should_and_not_otherwise() -> Result<()> {
    promtool(&["check", "rules"], &place(RULES))?;
    promtool(&["test", "rules"], &place(RULE_TESTS))
}

#[test]
fn prometheus_understands_every_query_of_the_dashboard() -> Result<()> {
    let queries = queries(&dashboard()?);
    ensure!(queries.len() > 10, "only {} queries", queries.len());
    let rules: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(number, query)| json!({ "record": format!("panel:{number}"), "expr": query }))
        .collect();
    // JSON is YAML.
    let rules = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let dir = tempfile::TempDir::with_prefix("dashboard-")?;
    let file = dir.path().join("rules.yml");
    fs::write(&file, rules.to_string())?;
    promtool(&["check", "rules"], &file)
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_is_a_documented_one() -> Result<()> {
    let (used, documented) = (used()?, text(METRICS)?);
    let used = metrics(&used);
    ensure!(used.len() > 10, "only {used:?}");
    let unknown = &used - &metrics(&documented);
    ensure!(unknown.is_empty(), "not in {METRICS}: {unknown:?}");
    Ok(())
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_is_served() {
    scene(|scene| {
        let used = used()?;
        let machine = scene.machine()?;
        sql(scene, &machine.db(), SOME_ROWS)?;
        let replica = Replica::in_files(&scene.fresh("replica"));
        let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let settings = Settings {
            global: vec!["verify: {interval: 1s}".into(), format!("addr: {addr}")],
            ..Settings::default()
        };
        let sidecar = Program::Seawall.replicate(scene, &machine.db(), &replica, &settings)?;
        replica.wait_for_txid(1, LIMIT)?;
        let mut missing = Vec::new();
        let all_served = wait_for("all metrics", LIMIT, || {
            let url = format!("http://{addr}/metrics");
            let text = ureq::get(url).call()?.body_mut().read_to_string()?;
            // With a number, not only with a help.
            let served: BTreeSet<&str> = text
                .lines()
                .filter_map(|line| line.split(['{', ' ']).next())
                .collect();
            missing = (&metrics(&used) - &served)
                .into_iter()
                .map(str::to_owned)
                .collect();
            Ok(missing.is_empty().then_some(()))
        });
        all_served.with_context(|| format!("not served: {missing:?}"))?;
        sidecar.terminate(LIMIT)?.ok()?;
        Ok(())
    });
}

#[test]
fn every_alert_leads_to_a_section_that_exists() -> Result<()> {
    let (rules, runbook) = (text(RULES)?, text(RUNBOOK)?);
    let headings: BTreeSet<String> = runbook
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_matches(['#', ' '])
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect();
    let links = rules.lines().filter(|line| line.contains("runbook_url"));
    let anchors: BTreeSet<&str> = links
        .filter_map(|line| Some(line.split_once('#')?.1))
        .collect();
    ensure!(anchors.len() > 5, "only {anchors:?}");
    let missing: Vec<&&str> = anchors
        .iter()
        .filter(|at| !headings.contains(**at))
        .collect();
    ensure!(missing.is_empty(), "not in {RUNBOOK}: {missing:?}");
    let alerts = rules.matches("- alert: ").count();
    ensure!(
        rules.matches("runbook_url").count() == alerts,
        "an alert has no link"
    );
    Ok(())
}
