//! What is served at `addr`: to programs and to people, and nothing of it can be changed there.

use super::gather::Observer;
use super::{families, ready, text};
use crate::config::Listen;
use anyhow::Context;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use tokio::net::TcpListener;

const PAGE: &str = include_str!("page.html");

/// The page has its style and its script in it, and asks nobody but us.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                           script-src 'unsafe-inline'; connect-src 'self'; img-src data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const NO_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Errors: the address is in use, or is not this machine's.
pub async fn listen(addr: &Listen) -> anyhow::Result<TcpListener> {
    let listener = bind(addr)
        .await
        .with_context(|| format!("cannot listen at addr {addr}"))?;
    let at = listener.local_addr()?;
    tracing::info!("metrics, readiness and status: http://{at}/");
    Ok(listener)
}

pub async fn bind(addr: &Listen) -> io::Result<TcpListener> {
    if let Some(host) = &addr.host {
        return TcpListener::bind((host.as_str(), addr.port)).await;
    }
    match TcpListener::bind(("::", addr.port)).await {
        // A machine without IPv6.
        Err(error) if error.kind() != ErrorKind::AddrInUse => {
            TcpListener::bind(("0.0.0.0", addr.port)).await
        }
        bound => bound,
    }
}

pub async fn serve(listener: TcpListener, observer: Observer) {
    let routes = Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status.json", get(status))
        .with_state(observer);
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!("metrics and status are not served any more: {error}");
    }
}

/// An answer that is no longer right a moment later, and is what it says it is.
fn answer(policy: &'static str, answer: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, answer).into_response()
}

async fn page() -> Response {
    let page = ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE);
    answer(PAGE_POLICY, page)
}

async fn metrics(State(observer): State<Observer>) -> Response {
    match text::encode(families::of(&observer.snapshot())) {
        Ok(text) => answer(NO_POLICY, ([(CONTENT_TYPE, text::TYPE)], text)),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            answer(NO_POLICY, StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// Whoever can answer is alive.
async fn healthz() -> Response {
    answer(NO_POLICY, "ok\n")
}

async fn readyz(State(observer): State<Observer>) -> Response {
    let snapshot = observer.snapshot();
    let max_lag = snapshot.ready_max_lag_seconds;
    let why_not = |database| ready::why_not(database, max_lag);
    let reasons: Vec<_> = snapshot.databases.iter().filter_map(why_not).collect();
    if reasons.is_empty() {
        return answer(NO_POLICY, "ready\n");
    }
    let text = format!("{}\n", reasons.join("\n"));
    answer(NO_POLICY, (StatusCode::SERVICE_UNAVAILABLE, text))
}

/// Everything; with `?details=PATH`, any number of times, details of those databases only.
async fn status(State(observer): State<Observer>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = url::form_urlencoded::parse(query.as_bytes());
    let details: HashSet<_> = asked
        .filter_map(|(key, path)| (key == "details").then_some(path))
        .collect();
    let snapshot = observer.snapshot();
    let snapshot = match details.is_empty() {
        true => snapshot,
        false => snapshot.with_details_of(|path| details.contains(path)),
    };
    answer(NO_POLICY, Json(snapshot))
}
