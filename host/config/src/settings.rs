//! The keys of a replica that may also stand at the top of the file as defaults for all of them.

use super::Environment;
use super::encryption::Sse;
use super::section::Section;
use s3_protocol::Secret;
use std::time::Duration;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub bucket: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    /// From the environment only.
    pub session_token: Option<Secret>,
    pub connection: Connection,
    pub encryption: Sse,
    pub sync_interval: Option<Duration>,
}

/// Whose keys the environment's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Aws,
    Alibaba,
}

/// How to talk to a bucket; what a replica's URL may say too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub force_path_style: Option<bool>,
    pub skip_verify: Option<bool>,
    pub sign_payload: Option<bool>,
    pub content_md5: Option<bool>,
    pub storage_class: Option<String>,
    pub part_bytes: Option<u64>,
    pub concurrency: Option<u32>,
}

/// S3 takes no smaller parts, but for the last one.
const LEAST_PART_BYTES: u64 = 5 << 20;
/// Nor larger ones.
const MOST_PART_BYTES: u64 = 5 << 30;

impl Settings {
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            bucket: section.text("bucket"),
            access_key_id: section.text("access-key-id"),
            secret_access_key: section.secret("secret-access-key"),
            session_token: None,
            connection: Connection::read(section),
            encryption: Sse::read(section),
            sync_interval: section.interval("sync-interval"),
        }
    }

    /// Litestream's own variables, which stand in for a provider's where those are not set.
    /// `AWS_…` is not read here: it is part of a chain that is asked when requests are signed.
    pub fn from_environment(provider: Provider, environment: Environment<'_>) -> Self {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let keys = |id: &str, secret: &str| Self {
            access_key_id: set(id),
            secret_access_key: set(secret).map(Secret::new),
            ..Self::default()
        };
        let is_set = |id: &str, secret: &str| set(id).or_else(|| set(secret)).is_some();
        match provider {
            Provider::Aws if is_set("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") => {
                Self::default()
            }
            Provider::Alibaba if is_set("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET") => Self {
                session_token: set("OSS_SESSION_TOKEN").map(Secret::new),
                ..keys("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
            },
            _ => keys("LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY"),
        }
    }

    /// These settings, and the other's where these say nothing.
    pub fn or(self, other: &Self) -> Self {
        // A token is of no use to other keys than its own.
        let session_token = match &self.access_key_id {
            Some(_) => self.session_token,
            None => self.session_token.or_else(|| other.session_token.clone()),
        };
        Self {
            bucket: self.bucket.or_else(|| other.bucket.clone()),
            access_key_id: self.access_key_id.or_else(|| other.access_key_id.clone()),
            secret_access_key: self
                .secret_access_key
                .or_else(|| other.secret_access_key.clone()),
            session_token,
            connection: self.connection.or(&other.connection),
            encryption: self.encryption.or(&other.encryption),
            sync_interval: self.sync_interval.or(other.sync_interval),
        }
    }
}

impl Connection {
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            endpoint: section.text("endpoint"),
            region: section.text("region"),
            force_path_style: force_path_style(section),
            skip_verify: section.boolean("skip-verify"),
            sign_payload: section.boolean("sign-payload"),
            content_md5: section.boolean("require-content-md5"),
            storage_class: section.text("storage-class"),
            part_bytes: section.size(
                "part-size",
                "a size from 5MiB to 5GiB, which is what S3 takes",
                LEAST_PART_BYTES..=MOST_PART_BYTES,
            ),
            concurrency: section.count("concurrency", "a number of requests above 0"),
        }
    }

    pub fn or(self, other: &Self) -> Self {
        Self {
            endpoint: self.endpoint.or_else(|| other.endpoint.clone()),
            region: self.region.or_else(|| other.region.clone()),
            force_path_style: self.force_path_style.or(other.force_path_style),
            skip_verify: self.skip_verify.or(other.skip_verify),
            sign_payload: self.sign_payload.or(other.sign_payload),
            content_md5: self.content_md5.or(other.content_md5),
            storage_class: self.storage_class.or_else(|| other.storage_class.clone()),
            part_bytes: self.part_bytes.or(other.part_bytes),
            concurrency: self.concurrency.or(other.concurrency),
        }
    }
}

/// Files written for older Litestreams spell this key in camelCase.
fn force_path_style(section: &mut Section<'_>) -> Option<bool> {
    let hyphens = section.boolean("force-path-style");
    let camel_case = section.boolean("forcePathStyle");
    if let (Some(first), Some(second)) = (hyphens, camel_case)
        && first != second
    {
        let text = "force-path-style and forcePathStyle are one key and disagree; keep one of them";
        section.findings().error(section.at(), text);
    }
    hyphens.or(camel_case)
}
