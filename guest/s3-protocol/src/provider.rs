//! What is known of S3-compatible providers, by the host of their endpoint.

/// How a provider differs from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Takes `Content-MD5`, the one checksum that has always been part of S3. The newer
    /// `x-amz-checksum-*` headers are refused by Backblaze (400) and, on parts, by R2 (501).
    pub content_md5: bool,
    /// Refuses `UNSIGNED-PAYLOAD`.
    pub signed_payload_only: bool,
    /// Sent with every request.
    pub extra_header: Option<(&'static str, &'static str)>,
    /// What it says it has deleted is deleted. R2 has answered 200 and kept the objects.
    pub deletes_are_sure: bool,
}

const ORDINARY: Provider = Provider {
    content_md5: true,
    signed_payload_only: false,
    extra_header: None,
    deletes_are_sure: false,
};

pub const AWS: Provider = Provider {
    deletes_are_sure: true,
    ..ORDINARY
};

const TIGRIS: Provider = Provider {
    content_md5: false,
    signed_payload_only: true,
    // Without it a read may be answered by a region that has not heard of the write yet.
    extra_header: Some(("x-tigris-consistent", "true")),
    ..ORDINARY
};

const SIGNED: Provider = Provider {
    signed_payload_only: true,
    ..ORDINARY
};

/// By the end of the host's name.
const PROVIDERS: [(&str, Provider); 8] = [
    ("amazonaws.com", AWS),
    ("amazonaws.com.cn", AWS),
    ("fly.storage.tigris.dev", TIGRIS),
    ("t3.storage.dev", TIGRIS),
    ("digitaloceanspaces.com", SIGNED),
    ("scw.cloud", SIGNED),
    ("your-objectstorage.com", SIGNED),
    ("tigris.dev", TIGRIS),
];

/// Domains whose hosts are named `s3.<region>.<domain>` or `<region>.<domain>`.
const REGION_IN_HOST: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "backblazeb2.com",
    "digitaloceanspaces.com",
    "scw.cloud",
    "wasabisys.com",
    "your-objectstorage.com",
];

/// The rules for an endpoint's host, without port.
pub fn of_host(host: &str) -> Provider {
    PROVIDERS
        .iter()
        .find(|(domain, _)| is_below(host, domain).is_some())
        .map_or(ORDINARY, |(_, provider)| *provider)
}

/// The region to sign for where the configuration names none: what the host says, else the name
/// that servers without regions take.
pub fn region_of_host(host: &str) -> String {
    let region = REGION_IN_HOST.iter().find_map(|domain| {
        let below = is_below(host, domain)?;
        let region = below
            .strip_prefix("s3.")
            .or(below.strip_prefix("s3-"))
            .unwrap_or(below);
        (!region.is_empty() && !region.contains('.') && region != "s3").then(|| region.to_owned())
    });
    region.unwrap_or_else(|| "us-east-1".to_owned())
}

/// What stands before `.domain` in `host`; empty when it is the domain itself.
fn is_below<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let below = host.strip_suffix(domain)?;
    if below.is_empty() {
        Some(below)
    } else {
        below.strip_suffix('.')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tigris_wants_its_header_and_no_md5() {
        for host in [
            "fly.storage.tigris.dev",
            "t3.storage.dev",
            "bucket.t3.storage.dev",
        ] {
            let provider = of_host(host);
            assert_eq!(
                provider.extra_header,
                Some(("x-tigris-consistent", "true")),
                "{host}"
            );
            assert!(!provider.content_md5 && provider.signed_payload_only);
        }
    }

    #[test]
    fn a_host_that_only_looks_like_a_provider_is_ordinary() {
        assert_eq!(of_host("notamazonaws.com"), ORDINARY);
        assert_eq!(of_host("amazonaws.com.example.org"), ORDINARY);
        assert_eq!(of_host("127.0.0.1"), ORDINARY);
    }

    #[test]
    fn the_region_is_read_from_the_host() {
        for (host, region) in [
            ("s3.eu-west-1.amazonaws.com", "eu-west-1"),
            ("s3.amazonaws.com", "us-east-1"),
            ("s3.us-west-004.backblazeb2.com", "us-west-004"),
            ("s3.fr-par.scw.cloud", "fr-par"),
            ("nyc3.digitaloceanspaces.com", "nyc3"),
            ("fsn1.your-objectstorage.com", "fsn1"),
            ("minio", "us-east-1"),
            ("account.r2.cloudflarestorage.com", "us-east-1"),
        ] {
            assert_eq!(region_of_host(host), region, "{host}");
        }
    }
}
