//! A prefix of a bucket, as the configuration states it.

use std::fmt;

/// A prefix of a bucket. `None` always means: the default, as stated at each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    pub bucket: String,
    /// Objects are named `<path>/<key>`. As with Litestream an empty path gives `/<key>`.
    pub path: String,
    /// Default: AWS. Without `http://` or `https://`: http for local and private hosts.
    pub endpoint: Option<String>,
    /// Default: what the endpoint's name says, `us-east-1` for other endpoints; at AWS the
    /// bucket's own region, which is asked for.
    pub region: Option<String>,
    /// Default: true with an endpoint, false at AWS.
    pub force_path_style: Option<bool>,
    /// With neither key: the environment and then the AWS credential chain.
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub session_token: Option<Secret>,
    /// Accept any TLS certificate.
    pub skip_verify: bool,
    pub storage_class: Option<String>,
    /// Sign the bodies too (`x-amz-content-sha256`), as some providers demand. Default: true.
    pub sign_payload: bool,
    /// Send `Content-MD5` with bodies, so that the store notices damage on the way. Default:
    /// true, except for providers that refuse it.
    pub content_md5: bool,
    pub encryption: Option<Encryption>,
}

impl S3Location {
    /// `path` of `bucket`, everything else by default.
    pub fn new(bucket: impl Into<String>, path: impl Into<String>) -> S3Location {
        S3Location {
            bucket: bucket.into(),
            path: path.into(),
            endpoint: None,
            region: None,
            force_path_style: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            skip_verify: false,
            storage_class: None,
            sign_payload: true,
            content_md5: true,
            encryption: None,
        }
    }

    /// The bucket and whose it is.
    pub fn bucket_name(&self) -> String {
        let endpoint = self.endpoint.as_deref().unwrap_or_default().to_lowercase();
        let host = endpoint
            .split_once("://")
            .map_or(&*endpoint, |(_, host)| host);
        format!("{}@{}", self.bucket, host.trim_end_matches('/'))
    }

    /// As a replica's URL, without anything secret.
    pub fn url(&self) -> String {
        let mut url = format!("s3://{}/{}", self.bucket, self.path.trim_start_matches('/'));
        let style = self.force_path_style.map(|on| on.to_string());
        let parameters = [
            ("endpoint", self.endpoint.as_ref()),
            ("region", self.region.as_ref()),
            ("forcePathStyle", style.as_ref()),
        ];
        let given = parameters
            .iter()
            .filter_map(|(name, value)| Some((name, (*value)?)));
        for (index, (name, value)) in given.enumerate() {
            let before = if index == 0 { '?' } else { '&' };
            url.push_str(&format!("{before}{name}={value}"));
        }
        url
    }
}

/// Server-side encryption beyond the bucket's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// `sse-kms-key-id`.
    Kms { key_id: String },
    /// `sse-customer-*`: every reader needs the same key.
    Customer {
        /// Usually `AES256`.
        algorithm: String,
        /// The key's bytes, base64.
        key_base64: Secret,
    },
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
