//! Where a replica lives.

use super::secret::Secret;
use crate::objects;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    S3(S3Location),
    /// A directory of this machine.
    Directory {
        path: PathBuf,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Location {
    pub bucket: String,
    /// The prefix of every key, as the user wrote it.
    pub path: String,
    /// None: Amazon S3. May lack a scheme.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// None: path style exactly when an endpoint is given.
    pub force_path_style: Option<bool>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    /// Accept any certificate.
    pub skip_verify: bool,
    pub sign_payload: bool,
    pub storage_class: Option<String>,
}

impl Location {
    /// The same text for two locations that would overwrite each other.
    pub fn identity(&self) -> String {
        match self {
            Self::Directory { path } => format!("file://{}", path.display()),
            Self::S3(s3) => {
                let endpoint = s3.endpoint.as_deref().unwrap_or_default().to_lowercase();
                let endpoint = endpoint.trim_end_matches('/');
                format!(
                    "s3://{}/{}?endpoint={endpoint}",
                    s3.bucket,
                    s3.path.trim_matches('/')
                )
            }
        }
    }
}

impl From<&Location> for objects::Location {
    fn from(location: &Location) -> Self {
        match location {
            Location::Directory { path } => Self::Directory { path: path.clone() },
            Location::S3(s3) => {
                let mut to = objects::S3Location::new(&s3.bucket, &s3.path);
                to.endpoint.clone_from(&s3.endpoint);
                to.region.clone_from(&s3.region);
                to.force_path_style = s3.force_path_style;
                to.access_key_id.clone_from(&s3.access_key_id);
                to.secret_access_key = s3
                    .secret_access_key
                    .as_ref()
                    .map(|secret| objects::Secret::new(secret.reveal()));
                to.skip_verify = s3.skip_verify;
                to.sign_payload = s3.sign_payload;
                to.storage_class.clone_from(&s3.storage_class);
                Self::S3(Box::new(to))
            }
        }
    }
}
