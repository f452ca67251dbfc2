//! Asks a running Seawall by its control socket.

use super::messages::Failure;
use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Beyond the time that the request itself may take: an answer that says that time is over.
const GRACE: Duration = Duration::from_secs(2);

pub struct Control {
    client: Client,
    socket: PathBuf,
    timeout: Duration,
}

impl Control {
    /// `timeout`: for one request.
    pub fn new(socket: &Path, timeout: Duration) -> anyhow::Result<Control> {
        let client = Client::builder()
            // There is no TLS on this way, but the client insists on knowing how.
            .tls_backend_preconfigured(without_roots()?)
            .unix_socket(socket)
            .build()?;
        Ok(Control {
            client,
            socket: socket.to_owned(),
            timeout: timeout + GRACE,
        })
    }

    pub async fn get<Answer: DeserializeOwned>(&self, route: &str) -> anyhow::Result<Answer> {
        self.ask(self.client.get(url(route))).await
    }

    pub async fn post<Answer: DeserializeOwned>(
        &self,
        route: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<Answer> {
        self.ask(self.client.post(url(route)).json(body)).await
    }

    async fn ask<Answer: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> anyhow::Result<Answer> {
        let answer = request.timeout(self.timeout).send().await;
        let answer = answer.with_context(|| {
            format!(
                "failed to connect to control socket {}; `socket: {{enabled: true}}` in the config \
                 of the running seawall opens it",
                self.socket.display()
            )
        })?;
        if !answer.status().is_success() {
            let status = answer.status();
            let failure: Failure = answer
                .json()
                .await
                .with_context(|| format!("the control socket answered {status}"))?;
            bail!("{}", failure.error);
        }
        answer.json().await.context("the answer makes no sense")
    }
}

fn url(route: &str) -> String {
    format!("http://localhost{route}")
}

fn without_roots() -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}
