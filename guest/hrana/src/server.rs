//! What happens at each path.

use crate::access::{self, Access, Door};
use crate::batch;
use crate::baton::Signer;
use crate::budget::{Pause, Source, Turn};
use crate::error::Error;
use crate::http::{Head, Request, Response, Route};
use crate::pipeline;
use crate::settings::Settings;
use crate::status::{self, Status};
use crate::stream::Stream;
use crate::streams::{Lease, Refused, Streams};
use crate::wire::{
    CursorAnswer, CursorBody, PipelineAnswer, PipelineBody, StreamRequest, V1Answer, V1BatchBody,
    V1ExecuteBody,
};
use engine::edge::Database;
use engine::ports::{Environment, Objects};
use serde::Deserialize;
use std::cell::Cell;
use std::rc::Rc;

/// One instance's.
pub struct Server {
    source: Rc<dyn Source>,
    settings: Settings,
    door: Door,
    pub(crate) streams: Streams,
    environment: Rc<dyn Environment>,
    pause: Box<dyn Pause>,
    requests: Cell<u64>,
}

impl Server {
    /// `pause` lets the time pass that it is given, without blocking the instance.
    pub fn new<O: Objects + 'static>(
        database: Rc<Database<O>>,
        settings: Settings,
        environment: Rc<dyn Environment>,
        pause: impl Pause + 'static,
    ) -> Option<Server> {
        let signer = match &settings.baton_key {
            Some(key) => Signer::new(key.as_bytes()),
            None => {
                let random = || environment.random().to_be_bytes();
                Signer::new(&[random(), random(), random(), random()].concat())
            }
        };
        let streams = Streams::new(environment.random(), signer?, &settings.limits);
        Some(Server {
            source: database,
            door: Door::new(&settings),
            streams,
            settings,
            environment,
            pause: Box::new(pause),
            requests: Cell::new(0),
        })
    }

    /// Whether to read the body of a request, and how many bytes of it at most. Where more come,
    /// [`Server::too_large`] is the answer.
    pub fn admit(&self, head: &Head<'_>) -> Result<u64, Response> {
        let (route, _) = self.route(head)?;
        Ok(match route.takes_body() {
            true => self.settings.limits.body,
            false => 0,
        })
    }

    pub fn too_large(&self) -> Response {
        let limit = self.settings.limits.body;
        let text = format!("a request may have {limit} bytes");
        Response::error(413, &Error::new("REQUEST_TOO_LARGE", text))
    }

    /// Closes the streams that nobody came back to in time. Every request does so too.
    pub fn sweep(&self) {
        self.streams.sweep(self.environment.now_ms());
    }

    pub async fn handle(&self, request: Request<'_>) -> Response {
        self.requests.set(self.requests.get() + 1);
        self.sweep();
        let (route, access) = match self.route(&request.head) {
            Ok(admitted) => admitted,
            Err(refused) => return refused,
        };
        if route.takes_body() && request.body.len() as u64 > self.settings.limits.body {
            return self.too_large();
        }
        let answer = match route {
            Route::Health => Ok(Response::text("ok\n")),
            Route::Version => Ok(Response::text(format!("seawall {}\n", status::VERSION))),
            Route::Probe => Ok(Response::text("")),
            Route::Status => Ok(self.status()),
            Route::Pipeline => self.pipeline(access, &request).await,
            Route::Cursor => self.cursor(access, &request).await,
            Route::V1Execute => self.v1_execute(access, &request.body).await,
            Route::V1Batch => self.v1_batch(access, &request.body).await,
        };
        answer.unwrap_or_else(|refused| refused)
    }

    fn route(&self, head: &Head<'_>) -> Result<(Route, Access), Response> {
        if !self.door.is_set_up() {
            return Err(access::not_set_up());
        }
        let route = Route::of(head)?;
        if route.is_public() {
            return Ok((route, Access::Read));
        }
        Ok((route, self.door.admit(head.authorization)?))
    }

    fn turn(&self) -> Turn<'_> {
        let (source, limits) = (self.source.as_ref(), &self.settings.limits);
        Turn::new(source, limits, self.environment.as_ref(), &*self.pause)
    }

    fn status(&self) -> Response {
        let (open, requests) = (self.streams.open(), self.requests.get());
        Response::json(&Status::of(self.source.as_ref(), open, requests))
    }

    fn lease(
        &self,
        baton: Option<&str>,
        access: Access,
        keep: bool,
    ) -> Result<Lease<'_>, Response> {
        let lease = match baton {
            Some(baton) => self.streams.resume(baton, access),
            None => self.streams.begin(access, keep),
        };
        lease.map_err(|refused| match refused {
            Refused::Baton(error) => Response::error(400, &error),
            Refused::Full(error) => Response::error(503, &error).with("retry-after", "1"),
        })
    }

    /// Where a stream that is left open goes on.
    fn base_url(&self, request: &Request<'_>, baton: Option<&String>) -> Option<String> {
        let (origin, path) = (request.head.origin?, self.settings.base_path.as_ref()?);
        baton.map(|_| format!("{origin}{path}"))
    }

    async fn pipeline(&self, access: Access, request: &Request<'_>) -> Result<Response, Response> {
        let PipelineBody { baton, requests } = parsed(&request.body)?;
        let is_close = |request: &StreamRequest| matches!(request, StreamRequest::Close);
        let keep = !requests.iter().any(is_close);
        let mut lease = self.lease(baton.as_deref(), access, keep)?;
        let turn = self.turn();
        let results = pipeline::run(lease.stream(), &turn, requests).await;
        let baton = lease.finish(self.environment.now_ms());
        Ok(Response::json(&PipelineAnswer {
            base_url: self.base_url(request, baton.as_ref()),
            baton,
            results,
        }))
    }

    async fn cursor(&self, access: Access, request: &Request<'_>) -> Result<Response, Response> {
        let CursorBody { baton, batch } = parsed(&request.body)?;
        let mut lease = self.lease(baton.as_deref(), access, true)?;
        let turn = self.turn();
        let result = batch::run(lease.stream(), &turn, &batch).await;
        let baton = lease.finish(self.environment.now_ms());
        let answer = CursorAnswer {
            base_url: self.base_url(request, baton.as_ref()),
            baton,
        };
        Ok(Response::lines(&answer, &batch::entries(result)))
    }

    async fn v1_execute(&self, access: Access, body: &[u8]) -> Result<Response, Response> {
        let V1ExecuteBody { stmt } = parsed(body)?;
        let Stream {
            texts, mut session, ..
        } = Stream::new(access);
        let turn = self.turn();
        let result = match texts.get(stmt.sql.as_deref(), stmt.sql_id) {
            Ok(sql) => session.execute(&turn, sql, &stmt).await,
            Err(error) => Err(error),
        };
        let result = result.map_err(|error| Response::error(400, &error))?;
        Ok(Response::json(&V1Answer { result }))
    }

    async fn v1_batch(&self, access: Access, body: &[u8]) -> Result<Response, Response> {
        let V1BatchBody { batch } = parsed(body)?;
        let turn = self.turn();
        let result = batch::run(&mut Stream::new(access), &turn, &batch).await;
        let result = result.map_err(|error| Response::error(400, &error))?;
        Ok(Response::json(&V1Answer { result }))
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| {
        let text = format!("the body is not what Hrana has here: {error}");
        Response::error(400, &Error::protocol(text))
    })
}
