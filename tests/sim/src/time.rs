//! Simulated time, and the executor that lets it pass: when nothing can go on, the clock jumps to
//! the next moment that somebody waits for.

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Where simulated time begins: Unix time in microseconds, on a day in 2026.
const BEGINNING_US: u64 = 1_790_000_000_000_000;

struct Inner {
    now_us: u64,
    /// When, and which: those that wait for the same moment go on in the order in which they began.
    timers: BTreeMap<(u64, u64), Waker>,
    numbers: u64,
}

/// A handle: clones share the time.
#[derive(Clone)]
pub struct Clock(Arc<Mutex<Inner>>);

impl Clock {
    pub fn new() -> Clock {
        Clock(Arc::new(Mutex::new(Inner {
            now_us: BEGINNING_US,
            timers: BTreeMap::new(),
            numbers: 0,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unix time.
    pub fn now_us(&self) -> u64 {
        self.inner().now_us
    }

    /// Unix time.
    pub fn now_ms(&self) -> u64 {
        self.now_us() / 1000
    }

    /// Since the simulation began.
    pub fn elapsed_us(&self) -> u64 {
        self.now_us() - BEGINNING_US
    }

    pub fn sleep_us(&self, us: u64) -> Sleep {
        let mut inner = self.inner();
        inner.numbers += 1;
        let moment = (inner.now_us + us, inner.numbers);
        drop(inner);
        Sleep {
            clock: self.clone(),
            moment,
        }
    }

    pub fn sleep_ms(&self, ms: u64) -> Sleep {
        self.sleep_us(ms * 1000)
    }

    /// Somebody computes or sleeps, and everybody else waits for him.
    pub fn pass_us(&self, us: u64) {
        self.inner().now_us += us;
    }

    /// False: nobody waits for any moment.
    fn jump(&self) -> bool {
        let mut inner = self.inner();
        let Some(((due_us, _), waker)) = inner.timers.pop_first() else {
            return false;
        };
        inner.now_us = inner.now_us.max(due_us);
        drop(inner);
        waker.wake();
        true
    }
}

pub struct Sleep {
    clock: Clock,
    moment: (u64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.clock.inner();
        if inner.now_us >= self.moment.0 {
            return Poll::Ready(());
        }
        inner.timers.insert(self.moment, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.inner().timers.remove(&self.moment);
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Flag>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs tasks beside the main one.
#[derive(Clone, Default)]
pub struct Spawner(Arc<Mutex<Vec<LocalBoxFuture<'static, ()>>>>);

// SAFETY: never sent anywhere: all of a simulation runs on one thread, and the type is `Send` only
// to be kept in what wasmtime wants to be `Send`.
unsafe impl Send for Spawner {}
// SAFETY: as above.
unsafe impl Sync for Spawner {}

impl Spawner {
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut new = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        new.push(Box::pin(task));
    }

    fn take(&self) -> Vec<LocalBoxFuture<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs `main` to its end, and what it spawns until then.
///
/// Errors: nothing can ever happen again and `main` has not ended.
pub fn run<T>(
    clock: &Clock,
    spawner: &Spawner,
    main: impl Future<Output = T>,
) -> anyhow::Result<T> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    let mut main = pin!(main);
    let mut others = FuturesUnordered::new();
    loop {
        if let Poll::Ready(output) = main.as_mut().poll(&mut context) {
            return Ok(output);
        }
        others.extend(spawner.take());
        while let Poll::Ready(Some(())) = others.poll_next_unpin(&mut context) {}
        others.extend(spawner.take());
        if !flag.0.swap(false, Ordering::Relaxed) && !clock.jump() {
            anyhow::bail!("everybody waits, and nothing will happen any more");
        }
    }
}
