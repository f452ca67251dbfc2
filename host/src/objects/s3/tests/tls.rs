//! HTTPS: whose certificates are believed, and that HTTP/2 is spoken where the server can.

use std::sync::Mutex;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const AUTHORITY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/src/objects/s3/tests/tls/ca.pem"
);

/// A server that speaks HTTP/2 over TLS and answers every PUT with an ETag, everything else with
/// a body of `BODY_BYTES`.
struct TlsServer {
    port: u16,
    connections: Arc<Mutex<usize>>,
}

/// More than HTTP/2's first window.
const BODY_BYTES: usize = 6 << 20;

impl TlsServer {
    async fn start() -> TlsServer {
        let certificates =
            CertificateDer::pem_slice_iter(include_bytes!("tls/server.pem")).map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.collect(), key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not believe us hangs up.
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                *count.lock().unwrap() += 1;
                tokio::spawn(serve(h2::server::handshake(stream).await.unwrap()));
            }
        });
        TlsServer { port, connections }
    }

    fn location(&self) -> S3Location {
        let mut location = location(self.port);
        location.endpoint = Some(format!("https://127.0.0.1:{}", self.port));
        location
    }
}

type Connection =
    h2::server::Connection<tokio_rustls::server::TlsStream<tokio::net::TcpStream>, Bytes>;

async fn serve(mut connection: Connection) {
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let is_put = request.method() == "PUT";
            let mut body = request.into_body();
            while let Some(Ok(piece)) = body.data().await {
                let _ = body.flow_control().release_capacity(piece.len());
            }
            let answer = http::Response::builder()
                .status(200)
                .header("etag", "\"e\"");
            let mut sent = respond
                .send_response(answer.body(()).unwrap(), is_put)
                .unwrap();
            if !is_put {
                sent.send_data(Bytes::from(vec![7; BODY_BYTES]), true)
                    .unwrap();
            }
        });
    }
}

#[tokio::test]
async fn a_private_authority_is_believed_when_it_is_named() {
    let server = TlsServer::start().await;
    let env = Env::of(&[("AWS_CA_BUNDLE", AUTHORITY)]);
    let s3 = S3::open_with(server.location(), &env, QUICK).unwrap();

    let large = Bytes::from(vec![1; BODY_BYTES]);
    let puts = (0..8).map(|_| s3.put("k", large.clone(), Condition::None, 0));
    let results = futures::future::join_all(puts).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(s3.get("k", None).await.unwrap().len(), BODY_BYTES);
    let connections = *server.connections.lock().unwrap();
    assert!(
        connections < 8,
        "HTTP/2 shares a connection, here were {connections}"
    );
}

#[tokio::test]
async fn an_unknown_authority_is_told_with_what_to_do() {
    let server = TlsServer::start().await;
    let s3 = S3::open_with(server.location(), &Env::of(&[]), QUICK).unwrap();
    let error = put_if_absent(&s3).await.unwrap_err();
    let Error::Unavailable(text) = error else {
        panic!("{error}")
    };
    assert!(text.contains("invalid peer certificate"), "{text}");
    assert!(
        text.contains("AWS_CA_BUNDLE") && !text.contains("tried"),
        "{text}"
    );
}

#[tokio::test]
async fn with_skip_verify_anybody_is_believed() {
    let server = TlsServer::start().await;
    let mut location = server.location();
    location.skip_verify = true;
    let s3 = S3::open_with(location, &Env::of(&[]), QUICK).unwrap();
    put_if_absent(&s3).await.unwrap();
}
