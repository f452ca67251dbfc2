//! How others see whether it works: what is served, the heartbeat, what requests cost.

use super::section::Section;
use s3_protocol::Secret;
use std::fmt;
use std::time::Duration;
use url::Url;

/// Litestream's.
const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Litestream's, too.
const LEAST_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_READY_MAX_LAG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observe {
    /// Where metrics and the status page are served; None: nowhere.
    pub addr: Option<Listen>,
    /// Not ready is who is further behind.
    pub ready_max_lag: Duration,
    pub heartbeat_url: Option<Secret>,
    pub heartbeat_interval: Duration,
    pub prices: Prices,
}

/// An address to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name or an IP address; None: all of the machine's.
    pub host: Option<String>,
    pub port: u16,
}

/// Of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    pub currency: String,
    pub put_per_1000: Price,
    pub get_per_1000: Price,
    pub storage_gb_month: Price,
    /// Of what is read from the store.
    pub egress_gb: Price,
}

/// Billionths of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(pub u64);

impl Price {
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Default for Prices {
    /// Of S3 in us-east-1.
    fn default() -> Self {
        Self {
            currency: "USD".to_owned(),
            put_per_1000: Price(5_000_000),
            get_per_1000: Price(400_000),
            storage_gb_month: Price(23_000_000),
            egress_gb: Price(90_000_000),
        }
    }
}

impl Default for Observe {
    fn default() -> Self {
        Self {
            addr: None,
            ready_max_lag: DEFAULT_READY_MAX_LAG,
            heartbeat_url: None,
            heartbeat_interval: DEFAULT_HEARTBEAT_INTERVAL,
            prices: Prices::default(),
        }
    }
}

impl Observe {
    /// Reads the keys at the top of the file, without closing it.
    pub fn read(top: &mut Section<'_>) -> Self {
        let standard = Self::default();
        Self {
            addr: addr(top),
            ready_max_lag: top
                .interval("ready-max-lag")
                .unwrap_or(standard.ready_max_lag),
            heartbeat_url: heartbeat_url(top),
            heartbeat_interval: heartbeat_interval(top).unwrap_or(standard.heartbeat_interval),
            prices: Prices::read(top),
        }
    }
}

fn addr(top: &mut Section<'_>) -> Option<Listen> {
    let addr = top.placed_text("addr")?;
    let listen = Listen::parse(&addr.text);
    if listen.is_none() {
        let text = format!(
            "addr must be a port or an address with one, such as \":9090\" or \
             \"127.0.0.1:9090\", not \"{}\"",
            addr.text
        );
        top.findings().error(addr.at, text);
    }
    listen
}

/// Who knows the URL can send heartbeats: it is never printed.
fn heartbeat_url(top: &mut Section<'_>) -> Option<Secret> {
    let url = top.secret("heartbeat-url")?;
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
    if !Url::parse(url.reveal()).is_ok_and(|url| is_web(&url)) {
        let at = top.present("heartbeat-url")?.node.at;
        let text = "heartbeat-url must be a URL that begins with http:// or https://";
        top.findings().error(at, text.to_owned());
        return None;
    }
    Some(url)
}

fn heartbeat_interval(top: &mut Section<'_>) -> Option<Duration> {
    let interval = top.interval("heartbeat-interval")?;
    if interval < LEAST_HEARTBEAT_INTERVAL {
        let at = top.present("heartbeat-interval")?.node.at;
        let text = "heartbeat-interval must be at least 1m";
        top.findings().error(at, text.to_owned());
    }
    Some(interval)
}

impl Prices {
    fn read(top: &mut Section<'_>) -> Self {
        let standard = Self::default();
        let Some(mut section) = top.mapping("prices") else {
            return standard;
        };
        let prices = Self {
            currency: section.text("currency").unwrap_or(standard.currency),
            put_per_1000: section
                .price("put-per-1000")
                .unwrap_or(standard.put_per_1000),
            get_per_1000: section
                .price("get-per-1000")
                .unwrap_or(standard.get_per_1000),
            storage_gb_month: section
                .price("storage-gb-month")
                .unwrap_or(standard.storage_gb_month),
            egress_gb: section.price("egress-gb").unwrap_or(standard.egress_gb),
        };
        section.close();
        prices
    }
}

impl Listen {
    /// `9090`, `:9090`, `host:9090`, `127.0.0.1:9090` or `[::1]:9090`.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        if bracketed.is_none() && host.contains([':', '[', ']', '/']) {
            return None;
        }
        Some(Self {
            host: (!host.is_empty()).then(|| host.to_owned()),
            port: port.parse().ok()?,
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_with_or_without_a_host() {
        for (text, host, printed) in [
            ("9090", None, ":9090"),
            (":9090", None, ":9090"),
            ("127.0.0.1:9090", Some("127.0.0.1"), "127.0.0.1:9090"),
            ("localhost:9090", Some("localhost"), "localhost:9090"),
            ("[::1]:9090", Some("::1"), "[::1]:9090"),
        ] {
            let listen = Listen::parse(text).unwrap();
            assert_eq!(listen.host.as_deref(), host, "{text}");
            assert_eq!(listen.to_string(), printed);
        }
        for text in [
            "",
            ":",
            "::1:9090",
            "127.0.0.1",
            "host:port",
            "70000",
            "http://h:1",
        ] {
            assert_eq!(Listen::parse(text), None, "{text}");
        }
    }
}
