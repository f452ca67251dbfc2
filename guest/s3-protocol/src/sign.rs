//! Signature version 4 over a request, and the checksums of its body.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use md5::Md5;
use sha2::{Digest, Sha256};

/// What is said about a body in the headers, computed once for all tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksums {
    /// Lower-case hex; `None`: `UNSIGNED-PAYLOAD`.
    sha256: Option<String>,
    /// Base64.
    md5: Option<String>,
}

impl Checksums {
    pub fn of(body: &[u8], signed: bool, with_md5: bool) -> Checksums {
        let md5 = with_md5 && !body.is_empty();
        Checksums {
            sha256: signed.then(|| {
                Sha256::digest(body)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            }),
            md5: md5.then(|| BASE64_STANDARD.encode(Md5::digest(body))),
        }
    }
}

/// Whose signature, for where and when.
#[derive(Debug)]
pub struct Signer<'a> {
    pub credentials: &'a Credentials,
    pub region: &'a str,
    pub now: SystemTime,
}

/// All headers of the request, signature included.
///
/// Errors: a text, when a header cannot be sent.
pub fn signed_headers(
    signer: &Signer<'_>,
    method: &str,
    url: &str,
    headers: &[(&'static str, String)],
    checksums: &Checksums,
) -> Result<HeaderMap, String> {
    let mut plain: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    if let Some(md5) = &checksums.md5 {
        plain.push(("content-md5", md5));
    }
    let mut all = HeaderMap::with_capacity(plain.len() + 5);
    for (name, value) in &plain {
        insert(&mut all, name, value)?;
    }

    let mut settings = SigningSettings::default();
    // S3 takes paths as they stand, and wants the body's hash in a header.
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = signer.credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(signer.region)
        .name("s3")
        .time(signer.now)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let body = match &checksums.sha256 {
        Some(hex) => SignableBody::Precomputed(hex.clone()),
        None => SignableBody::UnsignedPayload,
    };
    let signable = SignableRequest::new(method, url, plain.iter().copied(), body)
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &params)
        .map_err(|error| error.to_string())?
        .into_parts();
    for (name, value) in instructions.headers() {
        insert(&mut all, name, value)?;
    }
    Ok(all)
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let name = HeaderName::try_from(name).map_err(|error| format!("header {name:?}: {error}"))?;
    // The value is not told: it may be a key.
    let value =
        HeaderValue::try_from(value).map_err(|error| format!("value of header {name}: {error}"))?;
    headers.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// "Example: GET Object" of AWS's description of signature version 4 for S3.
    #[test]
    fn the_signature_is_the_one_in_the_description_of_aws() {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let signer = Signer {
            credentials: &credentials,
            region: "us-east-1",
            // 2013-05-24T00:00:00Z
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600),
        };
        let headers = signed_headers(
            &signer,
            "GET",
            "https://examplebucket.s3.amazonaws.com/test.txt",
            &[("range", "bytes=0-9".into())],
            &Checksums::of(b"", true, true),
        )
        .unwrap();

        let authorization = headers["authorization"].to_str().unwrap();
        assert!(
            authorization.ends_with(
                "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{authorization}"
        );
    }

    #[test]
    fn bodies_are_summed_as_asked() {
        let both = Checksums::of(b"hello", true, true);
        assert_eq!(both.md5.as_deref(), Some("XUFAKrxLKna5cZ2REBfFkg=="));
        assert_eq!(
            both.sha256.as_deref(),
            Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
        );
        assert_eq!(
            Checksums::of(b"hello", false, false),
            Checksums {
                sha256: None,
                md5: None
            }
        );
    }
}
