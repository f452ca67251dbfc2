//! Where objects are kept, as the configuration states it.

use std::fmt;
use std::path::PathBuf;

/// A bucket's prefix or a directory.
#[derive(Debug, Clone)]
pub enum Location {
    S3(Box<S3Location>),
    /// `file://`: keys are paths below this directory, which is made when it is first written to.
    Directory {
        path: PathBuf,
    },
}

impl From<S3Location> for Location {
    fn from(location: S3Location) -> Location {
        Location::S3(Box::new(location))
    }
}

/// A prefix of a bucket. `None` always means: the default, as stated at each field.
#[derive(Debug, Clone)]
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
}

/// Server-side encryption beyond the bucket's default.
#[derive(Debug, Clone)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_location_shows_no_secret() {
        let mut location = S3Location::new("bucket", "db");
        location.access_key_id = Some("AKID".into());
        location.secret_access_key = Some(Secret::new("hush-1"));
        location.session_token = Some(Secret::new("hush-2"));
        location.encryption = Some(Encryption::Customer {
            algorithm: "AES256".into(),
            key_base64: Secret::new("hush-3"),
        });

        let printed = format!("{:?}", Location::from(location));

        assert!(printed.contains("bucket"));
        assert!(!printed.contains("hush"), "{printed}");
    }
}
