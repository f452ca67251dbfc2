//! Instances of the component, each with one request at a time: while SQLite waits for the store
//! its instance can do nothing else.

use super::program::{Program, Settings, State};
use crate::component::Access;
use futures::channel::oneshot;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{Prepared, Request, Response};

/// A request is given up after this long, and its instance with it. The component's own limits are
/// far below.
const LONGEST: Duration = Duration::from_secs(120);

/// Requests that wait for an instance; whoever comes then is told to come later.
const QUEUE: usize = 256;

/// An instance that could not be made is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);

pub type Answer = Result<Response, wasmtime::Error>;

struct Job {
    request: Request,
    answer: oneshot::Sender<Answer>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    anybody: Arc<Mutex<Anybody>>,
    /// To one instance: a transaction that is open there goes on there.
    one: Vec<mpsc::Sender<Job>>,
}

/// What any instance may do, and those that have nothing to do.
#[derive(Default)]
struct Anybody {
    waiting: VecDeque<Job>,
    /// The one that was busy last is the last: it knows most of the database, and is asked first.
    idle: Vec<usize>,
}

fn lock(anybody: &Mutex<Anybody>) -> MutexGuard<'_, Anybody> {
    anybody.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a request was not handed to an instance.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no such instance")]
    NoInstance,
    #[error("too many requests are waiting")]
    Busy,
    #[error(
        "the instance ended before it answered: it took too long, or too much memory. What was to be \
         changed may have been changed: look before you try again"
    )]
    Failed,
}

type MakeAccess = Arc<dyn Fn() -> Access + Send + Sync>;

struct Worker {
    number: usize,
    program: Program,
    access: MakeAccess,
    settings: Arc<Settings>,
    anybody: Arc<Mutex<Anybody>>,
    mine: mpsc::Receiver<Job>,
}

impl Pool {
    pub fn new(program: Program, access: MakeAccess, settings: Settings, instances: usize) -> Pool {
        let anybody = Arc::<Mutex<Anybody>>::default();
        let one = (0..instances.max(1)).map(|number| {
            let (sender, mine) = mpsc::channel(QUEUE);
            let mut settings = settings.clone();
            settings.insert("base-path".to_owned(), format!("/instance/{number}/"));
            let worker = Worker {
                number,
                program: program.clone(),
                access: Arc::clone(&access),
                settings: Arc::new(settings),
                anybody: Arc::clone(&anybody),
                mine,
            };
            tokio::spawn(worker.run());
            sender
        });
        let one = one.collect();
        Pool(Arc::new(Inner { anybody, one }))
    }

    /// By any instance, or by the one of that number.
    pub async fn handle(
        &self,
        instance: Option<usize>,
        request: Request,
    ) -> Result<Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        let job = Job { request, answer };
        match instance {
            None => self.to_anybody(job)?,
            Some(number) => {
                let queue = self.0.one.get(number).ok_or(Refused::NoInstance)?;
                queue.try_send(job).map_err(|_| Refused::Busy)?;
            }
        }
        answered.await.map_err(|_| Refused::Failed)
    }

    fn to_anybody(&self, job: Job) -> Result<(), Refused> {
        let mut anybody = lock(&self.0.anybody);
        match anybody.idle.pop() {
            Some(number) => self.0.one[number].try_send(job).map_err(|_| Refused::Busy),
            None if anybody.waiting.len() >= QUEUE => Err(Refused::Busy),
            None => {
                anybody.waiting.push_back(job);
                Ok(())
            }
        }
    }
}

impl Worker {
    async fn run(mut self) {
        while !self.mine.is_closed() {
            if let Err(error) = self.live().await {
                tracing::error!("an instance failed: {error:?}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// One instance, until it fails or nobody sends requests any more.
    async fn live(&mut self) -> wasmtime::Result<()> {
        let (access, settings) = ((self.access)(), Arc::clone(&self.settings));
        let (mut store, proxy) = self.program.instantiate(access, settings).await?;
        let proxy = &proxy;
        store
            .run_concurrent(async |accessor| {
                while let Some(Job { request, answer }) = self.next().await {
                    let prepared = accessor.with(|mut access| {
                        Prepared::new(
                            wasmtime::AsContextMut::as_context_mut(&mut access),
                            proxy,
                            request,
                            State::http,
                            answer,
                        )
                    })?;
                    let longest = tokio::time::sleep(LONGEST);
                    if !prepared.run(accessor, longest).await? {
                        wasmtime::bail!("a request took longer than {LONGEST:?}");
                    }
                }
                Ok(())
            })
            .await?
    }

    async fn next(&mut self) -> Option<Job> {
        if let Ok(job) = self.mine.try_recv() {
            return Some(job);
        }
        {
            let mut anybody = lock(&self.anybody);
            if let Some(job) = anybody.waiting.pop_front() {
                return Some(job);
            }
            anybody.idle.push(self.number);
        }
        let job = self.mine.recv().await;
        // Whoever wanted this very instance has not taken it from the others.
        lock(&self.anybody)
            .idle
            .retain(|number| *number != self.number);
        job
    }
}
