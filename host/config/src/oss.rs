//! Alibaba's OSS, spoken to through its S3 interface: that has an endpoint of its own, and takes the
//! bucket's name in the host name only.

use super::settings::Connection;

const DOMAIN: &str = ".aliyuncs.com";
/// Litestream's.
const DEFAULT_REGION: &str = "cn-hangzhou";

/// What to sign for and where to go, as far as the config does not say it.
pub fn complete(connection: Connection) -> Connection {
    let region = connection.region.as_deref().map(without_prefix);
    let endpoint = match &connection.endpoint {
        Some(endpoint) => s3_endpoint(endpoint),
        None => format!(
            "https://s3.oss-{}{DOMAIN}",
            region.unwrap_or(DEFAULT_REGION)
        ),
    };
    let region = region.or_else(|| region_of(&endpoint)).map(str::to_owned);
    Connection {
        region,
        force_path_style: connection.force_path_style.or(Some(false)),
        endpoint: Some(endpoint),
        ..connection
    }
}

/// The bucket of a URL's host, and the endpoint when the host names that, too:
/// `bucket.oss-cn-hangzhou.aliyuncs.com`.
pub fn bucket_and_endpoint(host: &str) -> (&str, Option<String>) {
    match host.split_once('.') {
        Some((bucket, rest)) if rest.starts_with("oss-") && rest.ends_with(DOMAIN) => {
            (bucket, Some(s3_endpoint(rest)))
        }
        _ => (host, None),
    }
}

/// OSS calls one region `cn-hangzhou` and `oss-cn-hangzhou`.
fn without_prefix(region: &str) -> &str {
    region.strip_prefix("oss-").unwrap_or(region)
}

/// The S3 interface beside an endpoint of OSS's own.
fn s3_endpoint(endpoint: &str) -> String {
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    let host = host.trim_end_matches('/');
    if host.starts_with("oss-") && host.ends_with(DOMAIN) {
        format!("{scheme}://s3.{host}")
    } else {
        endpoint.to_owned()
    }
}

fn region_of(endpoint: &str) -> Option<&str> {
    let (_, region) = endpoint.split_once("s3.oss-")?;
    let region = region.strip_suffix(DOMAIN)?;
    let region = region.strip_suffix("-internal").unwrap_or(region);
    // The one endpoint for all regions.
    (region != "accelerate").then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_and_region_follow_from_each_other() {
        let completed = |endpoint: Option<&str>, region: Option<&str>| {
            let completed = complete(Connection {
                endpoint: endpoint.map(str::to_owned),
                region: region.map(str::to_owned),
                ..Connection::default()
            });
            assert_eq!(completed.force_path_style, Some(false));
            (completed.endpoint.unwrap(), completed.region)
        };
        for (endpoint, region, expected_endpoint, expected_region) in [
            (
                None,
                None,
                "https://s3.oss-cn-hangzhou.aliyuncs.com",
                Some("cn-hangzhou"),
            ),
            (
                None,
                Some("eu-central-1"),
                "https://s3.oss-eu-central-1.aliyuncs.com",
                Some("eu-central-1"),
            ),
            (
                None,
                Some("oss-cn-beijing"),
                "https://s3.oss-cn-beijing.aliyuncs.com",
                Some("cn-beijing"),
            ),
            (
                Some("oss-cn-beijing.aliyuncs.com"),
                None,
                "https://s3.oss-cn-beijing.aliyuncs.com",
                Some("cn-beijing"),
            ),
            (
                Some("http://oss-cn-beijing-internal.aliyuncs.com/"),
                None,
                "http://s3.oss-cn-beijing-internal.aliyuncs.com",
                Some("cn-beijing"),
            ),
            (
                Some("https://s3.oss-cn-beijing.aliyuncs.com"),
                None,
                "https://s3.oss-cn-beijing.aliyuncs.com",
                Some("cn-beijing"),
            ),
            (
                Some("https://oss-accelerate.aliyuncs.com"),
                Some("cn-beijing"),
                "https://s3.oss-accelerate.aliyuncs.com",
                Some("cn-beijing"),
            ),
            (
                Some("https://data.example.com"),
                None,
                "https://data.example.com",
                None,
            ),
        ] {
            assert_eq!(
                completed(endpoint, region),
                (
                    expected_endpoint.to_owned(),
                    expected_region.map(str::to_owned)
                ),
                "{endpoint:?} {region:?}"
            );
        }
    }

    #[test]
    fn a_host_may_name_bucket_and_endpoint() {
        assert_eq!(
            bucket_and_endpoint("backup.oss-cn-beijing.aliyuncs.com"),
            (
                "backup",
                Some("https://s3.oss-cn-beijing.aliyuncs.com".to_owned())
            )
        );
        assert_eq!(bucket_and_endpoint("backup"), ("backup", None));
    }
}
