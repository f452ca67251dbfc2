//! A small S3 store in memory, with faults to choose from. It checks no signatures.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const BUCKET: &str = "notes";

/// Between looking whether an object is there and writing it, in a store that does not do both
/// at once.
const CARELESSNESS: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub ignores_conditions: bool,
    /// Conditions hold in sequence, not in a race.
    pub careless: bool,
    pub refuses_deletes: bool,
    /// It says that it has deleted, and has not.
    pub pretends_to_delete: bool,
    pub refuses_listings: bool,
    pub refuses_everything: bool,
    pub keeps_versions: bool,
    /// How far its clock is ahead.
    pub clock_seconds: i64,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Faults,
    objects: Mutex<BTreeMap<String, Bytes>>,
}

/// A store that listens until it is dropped.
pub struct Store {
    pub port: u16,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
}

impl Store {
    pub fn start(faults: Faults) -> Store {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let runtime = runtime();
        let (router, shared) = router(faults);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Store {
            port,
            shared,
            runtime,
        }
    }

    /// What is in the bucket.
    pub fn keys(&self) -> Vec<String> {
        self.shared
            .objects
            .lock()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }

    /// A replica there, as a config has it.
    pub fn replica(&self) -> String {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        replica(&endpoint)
    }

    /// Nobody listens any more.
    pub fn stop(self) -> u16 {
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        self.port
    }
}

pub fn replica(endpoint: &str) -> String {
    format!(
        "{{type: s3, bucket: {BUCKET}, path: app, endpoint: '{endpoint}', access-key-id: an-id, \
         secret-access-key: {}}}",
        super::scene::SECRET
    )
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn router(faults: Faults) -> (Router, Arc<Shared>) {
    let shared = Arc::new(Shared {
        faults,
        ..Shared::default()
    });
    let router = Router::new().fallback(answer).with_state(shared.clone());
    (router, shared)
}

/// A store without faults.
pub fn healthy() -> Router {
    router(Faults::default()).0
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut response = shared.answer(&method, &uri, &headers, body).await;
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(shared.faults.clock_seconds);
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.headers_mut().insert("date", date.parse().unwrap());
    response
}

impl Shared {
    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let path = uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = uri.query().unwrap_or_default();
        if self.faults.refuses_everything {
            return refusal(StatusCode::FORBIDDEN, "AccessDenied");
        }
        if bucket != BUCKET {
            return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
        }
        match (method.as_str(), key) {
            ("HEAD", "") => StatusCode::OK.into_response(),
            ("GET", "") if query.starts_with("versioning") => {
                let status = ["", "<Status>Enabled</Status>"];
                let status = status[usize::from(self.faults.keeps_versions)];
                format!("<VersioningConfiguration>{status}</VersioningConfiguration>")
                    .into_response()
            }
            ("GET", "") if self.faults.refuses_listings => {
                refusal(StatusCode::FORBIDDEN, "AccessDenied")
            }
            ("GET", "") => self.list(),
            ("GET", key) => match self.objects.lock().unwrap().get(key) {
                Some(object) => object.clone().into_response(),
                None => refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
            ("PUT", key) => self.put(key, headers, body).await,
            ("DELETE", _) if self.faults.refuses_deletes => {
                refusal(StatusCode::FORBIDDEN, "AccessDenied")
            }
            ("DELETE", key) => {
                self.remove(key);
                StatusCode::NO_CONTENT.into_response()
            }
            ("POST", "") => self.delete(&String::from_utf8_lossy(&body)),
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        }
    }

    fn list(&self) -> Response {
        let objects = self.objects.lock().unwrap();
        let contents = objects.iter().map(|(key, body)| {
            format!(
                "<Contents><Key>{key}</Key><Size>{}</Size>\
                 <LastModified>2026-01-01T00:00:00Z</LastModified></Contents>",
                body.len()
            )
        });
        let contents: String = contents.collect();
        format!("<ListBucketResult>{contents}</ListBucketResult>").into_response()
    }

    async fn put(&self, key: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let conditional = headers.contains_key("if-none-match") && !self.faults.ignores_conditions;
        let is_there = || self.objects.lock().unwrap().contains_key(key);
        if conditional && is_there() {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        if self.faults.careless {
            tokio::time::sleep(CARELESSNESS).await;
        }
        let mut objects = self.objects.lock().unwrap();
        if conditional && !self.faults.careless && objects.contains_key(key) {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        objects.insert(key.to_owned(), body);
        [("etag", "\"an-etag\"")].into_response()
    }

    fn delete(&self, request: &str) -> Response {
        let mut refused = String::new();
        for part in request.split("<Key>").skip(1) {
            let key = part.split("</Key>").next().unwrap();
            if self.faults.refuses_deletes {
                refused.push_str(&format!(
                    "<Error><Key>{key}</Key><Code>AccessDenied</Code>\
                     <Message>Access Denied</Message></Error>"
                ));
            } else {
                self.remove(key);
            }
        }
        format!("<DeleteResult>{refused}</DeleteResult>").into_response()
    }

    fn remove(&self, key: &str) {
        if !self.faults.pretends_to_delete {
            self.objects.lock().unwrap().remove(key);
        }
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    (status, body).into_response()
}
