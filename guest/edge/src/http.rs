//! `wasi:http`: hands each request to the server, and its answer back.

use crate::{Component, Imports, server};
use bytes::Bytes;
use engine::ports::{Environment, LogLevel};
use hrana::{Head, Request, Server};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::time::Duration;
use wasip3::clocks::monotonic_clock;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{IncomingRequestBody, http_from_wasi_request, http_into_wasi_response};

wasip3::http::service::export!(Component with_types_in wasip3);

impl Guest for Component {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let request = http_from_wasi_request(request)?;
        let answer = match server() {
            Ok(server) => answer(&server, request).await,
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
    let head = Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
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

fn plain(status: u16, text: &str) -> hrana::Response {
    hrana::Response {
        status,
        content_type: "text/plain",
        headers: Vec::new(),
        body: format!("{text}\n").into_bytes(),
    }
}

/// Lets time pass, and the instance take other requests meanwhile.
pub async fn pause(time: Duration) {
    monotonic_clock::wait_for(time.as_nanos() as u64).await;
}
