//! Sends the metrics by OpenTelemetry's protocol (OTLP over HTTP, in JSON), as its standard
//! variables say. Nothing is sent when none of them names an endpoint.

use super::families::{self, Family, Kind, Labels, Value};
use super::gather::Observer;
use super::once::Once;
use super::snapshot::{At, Snapshot};
use crate::objects::web_client;
use anyhow::{Context, bail};
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::sleep;

// The standard's.
const DEFAULT_INTERVAL_MS: u64 = 60_000;
const DEFAULT_TIMEOUT_MS: u64 = 10_000;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u8 = 2;

/// Cheap to clone.
#[derive(Clone)]
pub struct Export(Arc<Inner>);

struct Inner {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    /// What these are the metrics of.
    resource: Labels,
    every: Duration,
    observer: Observer,
    telling: Once,
}

impl Export {
    /// None: no endpoint is named.
    ///
    /// Errors: what a variable says makes no sense.
    pub fn from_environment(
        environment: &dyn Fn(&str) -> Option<String>,
        observer: Observer,
    ) -> anyhow::Result<Option<Export>> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"))
            || set("OTEL_METRICS_EXPORTER").as_deref() == Some("none");
        let Some(endpoint) = endpoint(&set)?.filter(|_| !is_off) else {
            return Ok(None);
        };
        let of_metrics = |name: &str| {
            let special = name.replace("OTLP_", "OTLP_METRICS_");
            set(&special).or_else(|| set(name))
        };
        if of_metrics("OTEL_EXPORTER_OTLP_PROTOCOL").is_some_and(|name| name == "grpc") {
            bail!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is grpc; Seawall speaks http/json: set that, and the \
                 endpoint's port for HTTP, usually 4318"
            );
        }
        let timeout = milliseconds(of_metrics("OTEL_EXPORTER_OTLP_TIMEOUT"), DEFAULT_TIMEOUT_MS);
        let every = milliseconds(set("OTEL_METRIC_EXPORT_INTERVAL"), DEFAULT_INTERVAL_MS);
        let headers = of_metrics("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
        Ok(Some(Export(Arc::new(Inner {
            client: web_client(timeout)?,
            headers: header_map(&headers).context("OTEL_EXPORTER_OTLP_HEADERS")?,
            endpoint,
            resource: resource(&set),
            every,
            observer,
            telling: Once::new("the export of metrics by OTLP"),
        }))))
    }

    pub async fn run(&self) {
        loop {
            sleep(self.0.every).await;
            self.send().await;
        }
    }

    /// Once.
    pub async fn send(&self) {
        let inner = &self.0;
        let body = request(&inner.resource, &inner.observer.snapshot());
        let sending = inner.client.post(inner.endpoint.clone());
        let sent = sending.headers(inner.headers.clone()).json(&body).send();
        let answer = sent.await.and_then(reqwest::Response::error_for_status);
        // The URL may hold a key.
        let outcome = answer.map(drop).map_err(reqwest::Error::without_url);
        inner.telling.tell(outcome);
    }
}

fn endpoint(set: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Option<Url>> {
    let (name, text) = if let Some(text) = set("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") {
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", text)
    } else if let Some(base) = set("OTEL_EXPORTER_OTLP_ENDPOINT") {
        let text = format!("{}/v1/metrics", base.trim_end_matches('/'));
        ("OTEL_EXPORTER_OTLP_ENDPOINT", text)
    } else {
        return Ok(None);
    };
    let url = Url::parse(&text).with_context(|| format!("{name} is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("{name} must begin with http:// or https://");
    }
    Ok(Some(url))
}

fn milliseconds(text: Option<String>, default: u64) -> Duration {
    let number = text.and_then(|text| text.trim().parse().ok());
    Duration::from_millis(number.filter(|number| *number > 0).unwrap_or(default))
}

/// `name=value,name=value`, percent-encoded.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let decoded = |text: &str| {
        let text = percent_decode_str(text.trim());
        text.decode_utf8_lossy().into_owned()
    };
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(move |(name, value)| (decoded(name), decoded(value)))
}

fn header_map(text: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text) {
        let name: HeaderName = name.parse()?;
        let mut value: HeaderValue = value.parse()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn resource(set: &dyn Fn(&str) -> Option<String>) -> Labels {
    let given = set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = pairs(&given).find(|(name, _)| name == "service.name");
    let name = set("OTEL_SERVICE_NAME").or_else(|| Some(named?.1));
    vec![
        ("service.name", name.unwrap_or_else(|| "seawall".to_owned())),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
    ]
}

/// An `ExportMetricsServiceRequest`. In its JSON numbers of 64 bits are texts.
fn request(resource: &Labels, snapshot: &Snapshot) -> serde_json::Value {
    let times = Times {
        start: nanoseconds(snapshot.started_at),
        now: nanoseconds(snapshot.now),
    };
    let families = families::of(snapshot);
    let known = families.iter().filter(|family| !family.samples.is_empty());
    let metrics: Vec<_> = known.map(|family| metric(family, &times)).collect();
    json!({
        "resourceMetrics": [{
            "resource": { "attributes": attributes(resource) },
            "scopeMetrics": [{
                "scope": { "name": "seawall", "version": snapshot.version },
                "metrics": metrics,
            }],
        }],
    })
}

struct Times {
    start: String,
    now: String,
}

fn nanoseconds(at: At) -> String {
    let since = at.0.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

fn attributes(labels: &Labels) -> serde_json::Value {
    let attribute =
        |(key, value): &(&str, String)| json!({ "key": key, "value": { "stringValue": value } });
    labels.iter().map(attribute).collect()
}

fn metric(family: &Family, times: &Times) -> serde_json::Value {
    let samples = family.samples.iter();
    let points: Vec<_> = samples
        .map(|(labels, value)| point(labels, value, times))
        .collect();
    let (name, description) = (family.name, family.help);
    match family.kind {
        Kind::Gauge => json!({
            "name": name, "description": description, "gauge": { "dataPoints": points },
        }),
        Kind::Counter | Kind::PeersCounter => json!({
            "name": name, "description": description,
            "sum": {
                "dataPoints": points,
                "aggregationTemporality": CUMULATIVE,
                "isMonotonic": true,
            },
        }),
        Kind::Histogram => json!({
            "name": name, "description": description, "unit": "s",
            "histogram": { "dataPoints": points, "aggregationTemporality": CUMULATIVE },
        }),
    }
}

fn point(labels: &Labels, value: &Value, times: &Times) -> serde_json::Value {
    let mut point = json!({
        "attributes": attributes(labels),
        "startTimeUnixNano": times.start,
        "timeUnixNano": times.now,
    });
    match value {
        Value::Whole(number) => point["asInt"] = json!(number.to_string()),
        Value::Real(number) => point["asDouble"] = json!(number),
        Value::Histogram {
            seconds,
            bounds,
            counts,
        } => {
            let texts: Vec<_> = counts.iter().map(u64::to_string).collect();
            point["count"] = json!(counts.iter().sum::<u64>().to_string());
            point["sum"] = json!(seconds);
            point["bucketCounts"] = json!(texts);
            point["explicitBounds"] = json!(bounds);
        }
    }
    point
}
