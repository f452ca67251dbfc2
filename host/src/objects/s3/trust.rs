//! Which TLS certificates are believed.
//!
//! The system's, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; Mozilla's too where these
//! are set or the system has none; and always those in `AWS_CA_BUNDLE`.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Error;
use super::env::Env;

/// The certificates of the authorities that are believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    roots: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Errors: [`Error::Invalid`] when `AWS_CA_BUNDLE` names no usable file.
    pub fn gather(env: &Env) -> Result<Trust, Error> {
        let mut roots = match env.get("AWS_CA_BUNDLE") {
            Some(path) => read_bundle(&path)?,
            None => Vec::new(),
        };
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "a TLS root certificate cannot be read");
        }
        let replaced = env
            .get("SSL_CERT_FILE")
            .or(env.get("SSL_CERT_DIR"))
            .is_some();
        if replaced || system.certs.is_empty() {
            roots.extend_from_slice(webpki_root_certs::TLS_SERVER_ROOT_CERTS);
        }
        roots.extend(system.certs);
        Ok(Trust { roots })
    }

    /// How to speak TLS; with `skip_verify` to whomever answers.
    pub fn client_config(&self, skip_verify: bool) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Invalid(format!("TLS cannot be set up: {error}")))?;
        let mut config = if skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth()
        } else {
            builder
                .with_root_certificates(self.store())
                .with_no_client_auth()
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The usable certificates as one PEM text.
    pub fn pem(&self) -> String {
        let mut pem = String::new();
        let mut usable = RootCertStore::empty();
        for root in &self.roots {
            if usable.add(root.clone()).is_ok() {
                pem.push_str("-----BEGIN CERTIFICATE-----\n");
                pem.push_str(&BASE64_STANDARD.encode(root));
                pem.push_str("\n-----END CERTIFICATE-----\n");
            }
        }
        pem
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        // Systems carry some certificates that rustls cannot use; they are passed over.
        store.add_parsable_certificates(self.roots.iter().cloned());
        store
    }
}

fn read_bundle(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let invalid = |why: String| {
        Error::Invalid(format!(
            "AWS_CA_BUNDLE names {path}, which {why}: correct the variable or unset it"
        ))
    };
    let pem = std::fs::read(path).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    let roots: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(format!("is no PEM file: {error}")))?;
    let mut usable = RootCertStore::empty();
    if usable.add_parsable_certificates(roots.iter().cloned()).0 == 0 {
        return Err(invalid("holds no usable certificate".into()));
    }
    Ok(roots)
}

/// Believes everybody, as `skip-verify` asks for; signatures are still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_missing_or_empty_is_told() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        for (path, why) in [
            ("/nowhere/ca.pem", "cannot be read"),
            (
                empty.path().to_str().unwrap(),
                "holds no usable certificate",
            ),
        ] {
            let env = Env::of(&[("AWS_CA_BUNDLE", path)]);
            let error = Trust::gather(&env).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(path), "{error}");
        }
    }

    #[test]
    fn the_certificates_of_a_bundle_are_added_to_the_others() {
        let root = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[0];
        let pem = Trust {
            roots: vec![root.clone()],
        }
        .pem();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &pem).unwrap();

        let path = file.path().to_str().unwrap();
        let with = Trust::gather(&Env::of(&[("AWS_CA_BUNDLE", path)])).unwrap();
        let without = Trust::gather(&Env::of(&[])).unwrap();

        assert_eq!(&with.roots[0], root);
        assert_eq!(with.roots.len(), without.roots.len() + 1);
        assert!(
            !without.store().is_empty(),
            "there is always somebody to believe"
        );
    }
}
