//! The server: hands each request to an instance, and its answer back.

use super::pool::{Pool, Refused};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::uri::{Parts, Scheme};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use wasmtime_wasi_http::Error;

/// Before the path of a request that goes on with what one instance has open.
const INSTANCE: &str = "/instance/";

pub fn routes(pool: Pool) -> Router {
    Router::new().fallback(handle).with_state(pool)
}

async fn handle(State(pool): State<Pool>, request: Request) -> Response {
    let Some((instance, request)) = address(request) else {
        let text = "the request names no usable host or path";
        return problem(StatusCode::BAD_REQUEST, "BAD_REQUEST", text);
    };
    let body = |body: Body| body.map_err(|_| Error::ConnectionTerminated).boxed_unsync();
    match pool.handle(instance, request.map(body)).await {
        Ok(Ok(response)) => response.map(Body::new),
        Ok(Err(error)) => {
            tracing::error!("a request failed: {error:?}");
            let code = "INTERNAL_ERROR";
            let text = "the request failed; see the log";
            problem(StatusCode::INTERNAL_SERVER_ERROR, code, text)
        }
        Err(refused) => {
            let (status, code) = match refused {
                Refused::NoInstance => (StatusCode::NOT_FOUND, "BATON_INVALID"),
                Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "TOO_BUSY"),
                Refused::Failed => (StatusCode::SERVICE_UNAVAILABLE, "INSTANCE_ENDED"),
            };
            problem(status, code, &refused.to_string())
        }
    }
}

/// Which instance is meant, and the request as the component shall see it: with scheme and host.
fn address(mut request: Request) -> Option<(Option<usize>, Request)> {
    let path = request.uri().path_and_query()?.as_str().to_owned();
    let (instance, path) = match path.strip_prefix(INSTANCE) {
        None => (None, path),
        Some(rest) => {
            let (number, rest) = rest.split_once('/')?;
            // Some clients resolve paths against the base, others put a slash between.
            let path = format!("/{}", rest.trim_start_matches('/'));
            (Some(number.parse().ok()?), path)
        }
    };
    let forwarded = request.headers().get("x-forwarded-proto");
    let scheme = match forwarded.is_some_and(|scheme| scheme == "https") {
        true => Scheme::HTTPS,
        false => Scheme::HTTP,
    };
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let mut parts = Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(host.unwrap_or("localhost").parse().ok()?);
    parts.path_and_query = Some(path.parse().ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    Some((instance, request))
}

/// As the component itself tells of errors.
fn problem(status: StatusCode, code: &str, text: &str) -> Response {
    let body = serde_json::json!({ "message": text, "code": code });
    (status, axum::Json(body)).into_response()
}
