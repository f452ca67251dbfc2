//! The keys of a replica that may also stand at the top of the file as defaults for all of them.

use super::Environment;
use super::secret::Secret;
use super::section::Section;
use std::time::Duration;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub bucket: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    pub connection: Connection,
    pub sync_interval: Option<Duration>,
}

/// How to talk to a bucket; what a replica's URL may say too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub force_path_style: Option<bool>,
    pub skip_verify: Option<bool>,
    pub sign_payload: Option<bool>,
    pub storage_class: Option<String>,
}

impl Settings {
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            bucket: section.text("bucket"),
            access_key_id: section.text("access-key-id"),
            secret_access_key: section.secret("secret-access-key"),
            connection: Connection::read(section),
            sync_interval: section.interval("sync-interval"),
        }
    }

    /// Litestream's own variables, which stand in for `AWS_…` where those are not set.
    pub fn from_environment(environment: Environment<'_>) -> Self {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        if set("AWS_ACCESS_KEY_ID")
            .or(set("AWS_SECRET_ACCESS_KEY"))
            .is_some()
        {
            return Self::default();
        }
        Self {
            access_key_id: set("LITESTREAM_ACCESS_KEY_ID"),
            secret_access_key: set("LITESTREAM_SECRET_ACCESS_KEY").map(Secret::new),
            ..Self::default()
        }
    }

    /// These settings, and the other's where these say nothing.
    pub fn or(self, other: &Self) -> Self {
        Self {
            bucket: self.bucket.or_else(|| other.bucket.clone()),
            access_key_id: self.access_key_id.or_else(|| other.access_key_id.clone()),
            secret_access_key: self
                .secret_access_key
                .or_else(|| other.secret_access_key.clone()),
            connection: self.connection.or(&other.connection),
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
            storage_class: section.text("storage-class"),
        }
    }

    pub fn or(self, other: &Self) -> Self {
        Self {
            endpoint: self.endpoint.or_else(|| other.endpoint.clone()),
            region: self.region.or_else(|| other.region.clone()),
            force_path_style: self.force_path_style.or(other.force_path_style),
            skip_verify: self.skip_verify.or(other.skip_verify),
            sign_payload: self.sign_payload.or(other.sign_payload),
            storage_class: self.storage_class.or_else(|| other.storage_class.clone()),
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
