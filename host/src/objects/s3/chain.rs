//! AWS's own ways to find credentials: environment, profile files, web identity, containers and
//! EC2. Made only when they are asked for the first time.

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use tokio::sync::OnceCell;

use super::env::Env;
use super::trust::Trust;

/// The server for instance metadata is one hop away, or not there at all: then waiting is of no use.
const METADATA_CONNECT: Duration = Duration::from_secs(1);
const METADATA_READ: Duration = Duration::from_secs(2);
const METADATA_ATTEMPTS: u32 = 2;

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoCredentials {
    pub text: String,
    /// Whoever hands them out did not answer this time.
    pub may_pass: bool,
}

/// AWS's default credential chain.
pub struct Chain {
    region: Option<String>,
    chain: OnceCell<DefaultCredentialsChain>,
}

impl Chain {
    /// `region` is where the token service is asked.
    pub fn new(region: Option<String>) -> Chain {
        Chain {
            region,
            chain: OnceCell::new(),
        }
    }

    pub async fn provide(&self) -> Result<Credentials, NoCredentials> {
        let chain = self.chain.get_or_try_init(|| self.build()).await;
        let chain = chain.map_err(|text| NoCredentials {
            text,
            may_pass: false,
        })?;
        chain
            .provide_credentials()
            .await
            .map_err(|error| match error {
                CredentialsError::CredentialsNotLoaded(_) => NoCredentials {
                    text: not_found(&in_words(&error)),
                    may_pass: false,
                },
                error => NoCredentials {
                    text: format!(
                        "no keys are in the config or in the environment, and those that the \
                         machine may offer cannot be fetched: {}",
                        in_words(&error).trim_end_matches('.')
                    ),
                    may_pass: !matches!(error, CredentialsError::InvalidConfiguration(_)),
                },
            })
    }

    async fn build(&self) -> Result<DefaultCredentialsChain, String> {
        let pem = Trust::gather(&Env::Process)
            .map_err(|error| error.to_string())?
            .pem();
        let trusted = TrustStore::empty().with_pem_certificate(pem);
        let context = TlsContext::builder()
            .with_trust_store(trusted)
            .build()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .tls_context(context)
            .build_https();
        let region = Region::new(self.region.clone().unwrap_or_else(|| "us-east-1".into()));
        let config = ProviderConfig::without_region()
            .with_http_client(http)
            .with_region(Some(region.clone()));
        let metadata = aws_config::imds::Client::builder()
            .configure(&config)
            .connect_timeout(METADATA_CONNECT)
            .read_timeout(METADATA_READ)
            .max_attempts(METADATA_ATTEMPTS)
            .build();
        Ok(DefaultCredentialsChain::builder()
            .configure(config)
            .region(region)
            .imds_client(metadata)
            .build()
            .await)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// `causes` has a line for each source.
fn not_found(causes: &str) -> String {
    let causes: Vec<&str> = causes
        .lines()
        .map(str::trim)
        // The configuration does not use these sources: that is no news.
        .filter(|cause| !cause.ends_with("not set") && !cause.ends_with("not configured"))
        .filter(|cause| !cause.ends_with("the credential provider was not enabled"))
        .filter(|cause| !cause.ends_with("Attempted:"))
        .collect();
    let mut text = String::from(
        "no credentials found, neither in the configuration (`access-key-id`, \
         `secret-access-key`) nor in the LITESTREAM_* and AWS_* variables, the profile files, a \
         web identity, the container's or the machine's metadata",
    );
    if !causes.is_empty() {
        text.push_str(&format!(" ({})", causes.join("; ")));
    }
    text
}

/// An error with its causes.
pub fn in_words(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
