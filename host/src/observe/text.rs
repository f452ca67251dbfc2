//! The metrics in Prometheus's text format.

use super::families::{Family, Kind, Labels, Value};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::{self, CONTENT_TYPE};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

pub const TYPE: &str = CONTENT_TYPE;

pub fn encode(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for family in self.0.iter().filter(|family| !family.samples.is_empty()) {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
                // A counter's name would get an end that the peer's has not.
                Kind::PeersCounter => MetricType::Unknown,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, value) in &family.samples {
                sample(&mut metric, family.kind, labels, value)?;
            }
        }
        Ok(())
    }
}

fn sample(metric: &mut MetricEncoder, kind: Kind, labels: &Labels, value: &Value) -> fmt::Result {
    let mut metric = metric.encode_family(labels)?;
    match value {
        Value::Whole(number) if kind == Kind::Counter => {
            metric.encode_counter::<NoLabelSet, _, u64>(number, None)
        }
        Value::Real(number) if kind == Kind::Counter => {
            metric.encode_counter::<NoLabelSet, _, u64>(number, None)
        }
        Value::Whole(number) => metric.encode_gauge(number),
        Value::Real(number) => metric.encode_gauge(number),
        Value::Histogram {
            seconds,
            bounds,
            counts,
        } => {
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(counts.iter().copied()).collect();
            let count = counts.iter().sum();
            metric.encode_histogram::<NoLabelSet>(*seconds, count, &buckets, None)
        }
    }
}
