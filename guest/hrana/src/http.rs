//! Which path leads where, and how answers look.

use crate::error::Error;
use serde::Serialize;

/// What is known of a request before its body comes.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a str,
    /// A query after it is of no meaning.
    pub path: &'a str,
    /// Scheme and host as the client named them, such as `http://db.example.com`.
    pub origin: Option<&'a str>,
    /// The header of that name.
    pub authorization: Option<&'a str>,
}

#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub head: Head<'a>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    /// Others.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

pub const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
const LINES: &str = "application/x-ndjson";

impl Response {
    pub fn text(text: impl Into<String>) -> Response {
        Response::new(200, TEXT, text.into().into_bytes())
    }

    pub fn json(value: &impl Serialize) -> Response {
        match serde_json::to_vec(value) {
            Ok(body) => Response::new(200, JSON, body),
            Err(error) => unsaid(&error),
        }
    }

    /// One value in a line.
    pub fn lines<T: Serialize>(first: &impl Serialize, others: &[T]) -> Response {
        let mut body = Vec::new();
        let mut written = serde_json::to_writer(&mut body, first);
        for value in others {
            body.push(b'\n');
            written = written.and_then(|()| serde_json::to_writer(&mut body, value));
        }
        body.push(b'\n');
        match written {
            Ok(()) => Response::new(200, LINES, body),
            Err(error) => unsaid(&error),
        }
    }

    /// The clients read the body of a failure only if its type is plain `application/json`.
    pub fn error(status: u16, error: &Error) -> Response {
        Response {
            status,
            ..Response::json(error)
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Response {
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body,
        }
    }
}

fn unsaid(error: &serde_json::Error) -> Response {
    let text = format!("cannot write the answer: {error}");
    Response::new(500, TEXT, text.into_bytes())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Health,
    Version,
    Status,
    /// Whether a version of Hrana is spoken.
    Probe,
    Pipeline,
    Cursor,
    /// Of Hrana 1, which Python's client speaks.
    V1Execute,
    V1Batch,
}

impl Route {
    pub fn of(head: &Head<'_>) -> Result<Route, Response> {
        let path = head
            .path
            .split_once('?')
            .map_or(head.path, |(path, _)| path);
        let route = match path {
            "/health" => Route::Health,
            "/version" => Route::Version,
            "/status" => Route::Status,
            "/v2" | "/v2/" | "/v3" | "/v3/" => Route::Probe,
            "/v2/pipeline" | "/v3/pipeline" => Route::Pipeline,
            "/v3/cursor" => Route::Cursor,
            "/v1/execute" => Route::V1Execute,
            "/v1/batch" => Route::V1Batch,
            // Clients that prefer Protobuf ask /v3-protobuf first and go on with JSON then.
            _ => {
                let error = Error::new("NOT_FOUND", format!("there is nothing at {path}"));
                return Err(Response::error(404, &error));
            }
        };
        match (route.takes_body(), head.method) {
            (true, "POST") | (false, "GET" | "HEAD") => Ok(route),
            (takes_body, method) => {
                let allowed = if takes_body { "POST" } else { "GET, HEAD" };
                let text = format!("{path} takes {allowed}, not {method}");
                let error = Error::new("METHOD_NOT_ALLOWED", text);
                Err(Response::error(405, &error).with("allow", allowed))
            }
        }
    }

    pub fn takes_body(self) -> bool {
        match self {
            Route::Pipeline | Route::Cursor | Route::V1Execute | Route::V1Batch => true,
            Route::Health | Route::Version | Route::Status | Route::Probe => false,
        }
    }

    /// Clients send no token with a probe, and nor do those who look whether we live.
    pub fn is_public(self) -> bool {
        matches!(self, Route::Health | Route::Version | Route::Probe)
    }
}
