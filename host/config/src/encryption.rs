//! Encryption in the store: the keys `sse-…` of a replica, as written and as they are used.

use super::Environment;
use super::paths;
use super::section::Section;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3_protocol::{Encryption, Secret};

/// The one algorithm that S3 has for keys of its customers.
const ALGORITHM: &str = "AES256";
const KEY_BYTES: usize = 32;

/// The keys as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sse {
    algorithm: Option<String>,
    customer_key: Option<Secret>,
    customer_key_path: Option<String>,
    kms_key_id: Option<String>,
}

impl Sse {
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            algorithm: section.choice("sse-customer-algorithm", ALGORITHM, |text| {
                (text == ALGORITHM).then(|| text.to_owned())
            }),
            customer_key: section.secret("sse-customer-key"),
            customer_key_path: section.text("sse-customer-key-path"),
            kms_key_id: section.text("sse-kms-key-id"),
        }
    }

    /// These keys, or the other's when these say nothing: half of one and half of the other would
    /// encrypt as nobody asked for.
    pub fn or(self, other: &Self) -> Self {
        if self == Self::default() {
            other.clone()
        } else {
            self
        }
    }

    /// What they ask for. The message of an error completes "NAME: …".
    pub fn resolve(&self, environment: Environment<'_>) -> Result<Option<Encryption>, String> {
        let key = match (&self.customer_key, &self.customer_key_path) {
            (Some(_), Some(_)) => {
                return Err("sse-customer-key and sse-customer-key-path are one key; \
                     keep one of them"
                    .to_owned());
            }
            (Some(key), None) => Some(key.clone()),
            (None, Some(path)) => Some(read_key(path, environment)?),
            (None, None) => None,
        };
        match (key, &self.kms_key_id) {
            (Some(_), Some(_)) => Err(
                "sse-customer-key and sse-kms-key-id exclude each other; keep one of them"
                    .to_owned(),
            ),
            (Some(key_base64), None) => {
                check_key(&key_base64)?;
                Ok(Some(Encryption::Customer {
                    algorithm: ALGORITHM.to_owned(),
                    key_base64,
                }))
            }
            (None, _) if self.algorithm.is_some() => Err(
                "sse-customer-algorithm is there without sse-customer-key, and nothing would be \
                 encrypted; add the key"
                    .to_owned(),
            ),
            (None, Some(key_id)) => Ok(Some(Encryption::Kms {
                key_id: key_id.clone(),
            })),
            (None, None) => Ok(None),
        }
    }
}

fn read_key(path: &str, environment: Environment<'_>) -> Result<Secret, String> {
    let resolved = paths::local(path, environment)
        .map_err(|message| format!("sse-customer-key-path: {message}"))?;
    let text = std::fs::read_to_string(&resolved)
        .map_err(|error| format!("sse-customer-key-path {}: {error}", resolved.display()))?;
    Ok(Secret::new(text.trim()))
}

fn check_key(key: &Secret) -> Result<(), String> {
    let bytes = BASE64_STANDARD
        .decode(key.reveal())
        .map_err(|_| "sse-customer-key is not base64; encode the key's 32 bytes".to_owned())?;
    if bytes.len() == KEY_BYTES {
        return Ok(());
    }
    Err(format!(
        "sse-customer-key holds {} bytes when decoded; AES256 takes {KEY_BYTES}",
        bytes.len()
    ))
}
