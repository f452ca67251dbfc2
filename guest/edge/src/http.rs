//! `wasi:http`: hands each request to the server, and its answer back.

use crate::{Component, Imports, database, server};
use bytes::Bytes;
use engine::ports::{Environment, LogLevel};
use engine::replica::levels::schedule::Schedule;
use hrana::{Head, Request, Server};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::time::Duration;
use wasip3::clocks::monotonic_clock;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{IncomingRequestBody, http_from_wasi_request, http_into_wasi_response};

/// Of the largest object that is written beside requests. What is larger is left to
/// `seawall maintain`.
const UPKEEP_BYTES: u64 = 8 << 20;

wasip3::http::service::export!(Component with_types_in wasip3);

impl Guest for Component {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let request = http_from_wasi_request(request)?;
        let answer = match server() {
            Ok(server) => {
                let answer = answer(&server, request).await;
                wit_bindgen::spawn_local(maintain());
                answer
            }
            Err(text) => {
                Imports.log(LogLevel::Error, &text);
                plain(503, &text)
            }
        };
        let mut response = http::Response::builder()
            .status(answer.status)
            .header(http::header::CONTENT_TYPE, answer.content_type);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        let response = response
            .body(Full::new(Bytes::from(answer.body)))
            .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        http_into_wasi_response(response)
    }
}

async fn answer(server: &Server, request: http::Request<IncomingRequestBody>) -> hrana::Response {
    let (parts, body) = request.into_parts();
    let authorization = parts.headers.get(http::header::AUTHORIZATION);
    let origin = origin(&parts.uri);
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        origin: origin.as_deref(),
        authorization: authorization.and_then(|value| value.to_str().ok()),
    };
    let limit = match server.admit(&head) {
        Ok(limit) => limit,
        Err(refused) => return refused,
    };
    let body = match Limited::new(body, limit as usize).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) if error.is::<LengthLimitError>() => return server.too_large(),
        Err(error) => return plain(400, &format!("the body did not arrive: {error}")),
    };
    server.handle(Request { head, body }).await
}

/// Scheme and host, as the client named them.
fn origin(uri: &http::Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?))
}

fn plain(status: u16, text: &str) -> hrana::Response {
    hrana::Response {
        status,
        content_type: "text/plain",
        headers: Vec::new(),
        body: format!("{text}\n").into_bytes(),
    }
}

/// After the answer: what this instance's commits have made due, as far as it is small.
async fn maintain() {
    let Ok(database) = database() else {
        return;
    };
    let edge = database.edge();
    if edge.settings().read_only {
        return;
    }
    if let Err(error) = edge.maintain_if_due(&Schedule::usual(), UPKEEP_BYTES).await {
        Imports.log(LogLevel::Warn, &format!("upkeep: {error}"));
    }
}

/// Lets time pass, and the instance take other requests meanwhile.
pub async fn pause(time: Duration) {
    monotonic_clock::wait_for(time.as_nanos() as u64).await;
}
