//! Stores behind TLS whose certificates are not believed, and one that is.

use super::scene::{Said, Scene};
use super::store::{Faults, Store, healthy, replica, runtime};
use axum::serve::Listener;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Signed what the server shows, which is made out to `localhost` and 127.0.0.1.
const AUTHORITY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/objects/s3/tests/tls/ca.pem"
);

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not believe us hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn acceptor() -> TlsAcceptor {
    let certificates =
        CertificateDer::pem_slice_iter(include_bytes!("../../src/objects/s3/tests/tls/server.pem"));
    let key =
        PrivateKeyDer::from_pem_slice(include_bytes!("../../src/objects/s3/tests/tls/server.key"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key.unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// What the doctor says about a store behind TLS at this address.
fn about(address: &str, extra: &str, variables: &[(&str, &str)]) -> Said {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind((address, 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = acceptor();
    runtime.spawn(async move {
        let tls = Tls { listener, acceptor };
        axum::serve(tls, healthy()).await.unwrap();
    });
    let said = examine(&format!("https://{address}:{port}"), extra, variables);
    runtime.shutdown_background();
    said
}

fn examine(endpoint: &str, extra: &str, variables: &[(&str, &str)]) -> Said {
    let scene = Scene::new();
    scene.database("a.db", "wal");
    let replica = replica(endpoint).replace('}', &format!("{extra}}}"));
    scene.config(&format!(
        "dbs:\n  - path: DIR/a.db\n    replica: {replica}\n"
    ));
    scene.examine(variables)
}

#[test]
fn a_certificate_of_an_unknown_authority_is_told() {
    let said = about("127.0.0.1", "", &[]);
    said.names(
        "TLS",
        "fault",
        &["signed by nobody that is known", "AWS_CA_BUNDLE"],
    );
    said.names("clock", "skipped", &["cannot be reached"]);
}

#[test]
fn a_named_authority_is_believed() {
    let said = about("127.0.0.1", "", &[("AWS_CA_BUNDLE", AUTHORITY)]);
    said.names("TLS", "ok", &["believed"]);
    said.complains_only_of(&[]);
    assert_eq!(said.status("delete").as_deref(), Some("ok"));
}

#[test]
fn a_bundle_that_is_not_there_is_told() {
    let said = about("127.0.0.1", "", &[("AWS_CA_BUNDLE", "/nowhere/ca.pem")]);
    let words = [
        "AWS_CA_BUNDLE names /nowhere/ca.pem",
        "cannot be read",
        "unset it",
    ];
    said.names("trusted certificates", "fault", &words);
    said.names("TLS", "skipped", &[]);
}

#[test]
fn a_certificate_for_somebody_else_is_told() {
    let said = about("127.0.0.2", "", &[("AWS_CA_BUNDLE", AUTHORITY)]);
    said.names("TLS", "fault", &["not made out to 127.0.0.2", "endpoint"]);
}

#[test]
fn trusting_everybody_is_a_warning() {
    let said = about("127.0.0.1", ", skip-verify: true", &[]);
    said.names("TLS", "warning", &["skip-verify", "AWS_CA_BUNDLE"]);
    said.complains_only_of(&["TLS"]);
}

#[test]
fn a_store_that_speaks_plain_http_is_told() {
    let store = Store::start(Faults::default());
    let said = examine(&format!("https://127.0.0.1:{}", store.port), "", &[]);
    said.names("TLS", "fault", &["does not speak TLS", "http://"]);
}
