//! Where requests go: the URL of a bucket or object.

use std::net::IpAddr;

use url::Url;

use crate::Error;
use crate::escape::{encode, encode_path};
use crate::provider::{self, Provider};

/// A bucket's place. The region stands apart, as it may be learned only later.
#[derive(Debug)]
pub struct Site {
    endpoint: Option<Url>,
    bucket: String,
    /// The bucket's name stands in the path, not in the host's name.
    path_style: bool,
}

/// The first part of a query's key-value pairs is never encoded: they are S3's own names.
pub type Query = [(&'static str, String)];

impl Site {
    /// Errors: [`Error::Invalid`] for an endpoint or bucket that cannot be one.
    pub fn new(
        bucket: &str,
        endpoint: Option<&str>,
        force_path_style: Option<bool>,
    ) -> Result<Site, Error> {
        check_bucket(bucket)?;
        let endpoint = endpoint
            .filter(|text| !text.is_empty())
            .map(parse_endpoint)
            .transpose()?;
        // A certificate for *.s3.amazonaws.com does not cover a bucket with dots in its name, and
        // an address has no names below it.
        let path_style = force_path_style.unwrap_or(endpoint.is_some() || bucket.contains('.'))
            || endpoint.as_ref().is_some_and(|url| url.domain().is_none());
        Ok(Site {
            endpoint,
            bucket: bucket.to_owned(),
            path_style,
        })
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub fn is_https(&self) -> bool {
        self.endpoint
            .as_ref()
            .is_none_or(|url| url.scheme() == "https")
    }

    /// On this machine or its private network.
    pub fn is_near(&self) -> bool {
        self.endpoint
            .as_ref()
            .is_some_and(|url| is_near(&url[url::Position::BeforeHost..url::Position::AfterPort]))
    }

    pub fn provider(&self) -> Provider {
        match self.endpoint.as_ref().and_then(Url::host_str) {
            Some(host) => provider::of_host(host),
            None => provider::AWS,
        }
    }

    /// The region that follows from the endpoint; `None` where it must be asked for.
    pub fn region(&self) -> Option<String> {
        self.endpoint
            .as_ref()
            .and_then(Url::host_str)
            .map(provider::region_of_host)
    }

    /// Whom requests go to, for messages.
    pub fn name(&self) -> String {
        match &self.endpoint {
            Some(url) => url[..url::Position::BeforePath].to_owned(),
            None => "AWS S3".to_owned(),
        }
    }

    /// The URL of an object, or of the bucket.
    pub fn url(&self, region: &str, key: Option<&str>, query: &Query) -> String {
        let mut url = self.bucket_url(region);
        url.push('/');
        if let Some(key) = key {
            url.push_str(&encode_path(key));
        } else if self.path_style {
            // The bucket itself is named without a slash behind it.
            url.pop();
        }
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.push_str(&encode(value));
        }
        url
    }

    fn bucket_url(&self, region: &str) -> String {
        let bucket = &self.bucket;
        let Some(endpoint) = &self.endpoint else {
            let domain = if region.starts_with("cn-") {
                "amazonaws.com.cn"
            } else {
                "amazonaws.com"
            };
            return if self.path_style {
                format!("https://s3.{region}.{domain}/{bucket}")
            } else {
                format!("https://{bucket}.s3.{region}.{domain}")
            };
        };
        let scheme = endpoint.scheme();
        let host = &endpoint[url::Position::BeforeHost..url::Position::AfterPort];
        let path = endpoint.path().trim_end_matches('/');
        if self.path_style {
            format!("{scheme}://{host}{path}/{bucket}")
        } else {
            format!("{scheme}://{bucket}.{host}{path}")
        }
    }
}

fn check_bucket(bucket: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if bucket.is_empty() || !bucket.bytes().all(allowed) || bucket.starts_with('.') {
        return Err(Error::Invalid(format!(
            "{bucket:?} cannot be the name of a bucket"
        )));
    }
    Ok(())
}

fn parse_endpoint(text: &str) -> Result<Url, Error> {
    let invalid = |why: String| Error::Invalid(format!("the endpoint {text:?} {why}"));
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("{}://{text}", if is_near(text) { "http" } else { "https" })
    };
    let url = Url::parse(&with_scheme).map_err(|error| invalid(format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("is neither http nor https".into()));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(invalid("has more than a host, a port and a path".into()));
    }
    Ok(url)
}

/// Is this host on the same machine or private network, where TLS is rare?
fn is_near(endpoint: &str) -> bool {
    let authority = endpoint.split('/').next().unwrap_or(endpoint);
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => authority.split(':').next().unwrap_or(authority),
    };
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        // The same names as with Litestream: a bare `minio` is spoken to with TLS.
        Err(_) => {
            host == "localhost"
                || [".localhost", ".local"]
                    .iter()
                    .any(|end| host.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: Option<&str>, path_style: Option<bool>, key: Option<&str>) -> String {
        let site = Site::new("bucket", endpoint, path_style).unwrap();
        site.url("eu-west-1", key, &[])
    }

    #[test]
    fn aws_gets_the_bucket_in_the_host_name() {
        assert_eq!(
            url(None, None, Some("a/b c")),
            "https://bucket.s3.eu-west-1.amazonaws.com/a/b%20c"
        );
        assert_eq!(
            url(None, None, None),
            "https://bucket.s3.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            url(None, Some(true), Some("k")),
            "https://s3.eu-west-1.amazonaws.com/bucket/k"
        );
        let dotted = Site::new("my.bucket", None, None).unwrap();
        assert_eq!(
            dotted.url("cn-north-1", Some("k"), &[]),
            "https://s3.cn-north-1.amazonaws.com.cn/my.bucket/k"
        );
    }

    #[test]
    fn an_endpoint_gets_the_bucket_in_the_path() {
        assert_eq!(
            url(Some("http://127.0.0.1:9000"), None, Some("k")),
            "http://127.0.0.1:9000/bucket/k"
        );
        assert_eq!(
            url(
                Some("https://x.supabase.co/storage/v1/s3/"),
                None,
                Some("k")
            ),
            "https://x.supabase.co/storage/v1/s3/bucket/k"
        );
        assert_eq!(
            url(Some("https://nyc3.example.com"), Some(false), Some("k")),
            "https://bucket.nyc3.example.com/k"
        );
        assert_eq!(
            url(Some("http://127.0.0.1:9000"), Some(false), None),
            "http://127.0.0.1:9000/bucket",
            "an address has no names below it"
        );
    }

    #[test]
    fn a_key_with_an_empty_first_part_keeps_its_slash() {
        assert_eq!(
            url(Some("http://h"), None, Some("/0000/x")),
            "http://h/bucket//0000/x"
        );
    }

    #[test]
    fn queries_are_encoded() {
        let site = Site::new("bucket", Some("http://h"), None).unwrap();
        let query = [
            ("list-type", "2".to_owned()),
            ("prefix", "a/b c".to_owned()),
        ];
        assert_eq!(
            site.url("", None, &query),
            "http://h/bucket?list-type=2&prefix=a%2Fb%20c"
        );
    }

    #[test]
    fn near_hosts_are_spoken_to_without_tls() {
        for near in [
            "localhost:9000",
            "127.0.0.1",
            "10.1.2.3:80",
            "192.168.0.9",
            "[::1]:9000",
            "nas.local",
        ] {
            assert!(
                !Site::new("b", Some(near), None).unwrap().is_https(),
                "{near}"
            );
        }
        for far in [
            "s3.example.com",
            "8.8.8.8",
            "minio:9000",
            "host.docker.internal",
            "fly.storage.tigris.dev",
            "https://localhost",
        ] {
            assert!(Site::new("b", Some(far), None).unwrap().is_https(), "{far}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bucket in ["", "a/b", "a b", "..", "arn:aws:s3:::b"] {
            assert!(Site::new(bucket, None, None).is_err(), "{bucket:?}");
        }
        for endpoint in ["ftp://x", "http://", "http://u:p@h", "http://h?x=1"] {
            assert!(
                Site::new("b", Some(endpoint), None).is_err(),
                "{endpoint:?}"
            );
        }
    }
}
