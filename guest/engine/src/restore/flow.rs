//! How many requests are under way at once, and what becomes of them when one fails.

use std::cell::Cell;
use std::future::Future;
use std::ops::ControlFlow;

use futures::StreamExt;
use futures::stream;

use crate::restore::error::RestoreError;

/// In which order results are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the work was given.
    Given,
    /// As it gets done.
    Done,
}

/// Runs `work`, `at_once` of it at a time, and gives the results to `take`.
///
/// After an error or a `Break` nothing more is begun, but what is under way is waited for: a
/// dropped request would have to be cancelled across the wall of the sandbox.
pub async fn run<T, F: Future<Output = Result<T, RestoreError>>>(
    work: impl IntoIterator<Item = F>,
    at_once: usize,
    order: Order,
    mut take: impl FnMut(T) -> Result<ControlFlow<()>, RestoreError>,
) -> Result<(), RestoreError> {
    let stopped = Cell::new(false);
    let begun = stream::iter(work.into_iter().take_while(|_| !stopped.get()));
    let mut done = match order {
        Order::Given => begun.buffered(at_once).left_stream(),
        Order::Done => begun.buffer_unordered(at_once).right_stream(),
    };
    let mut outcome = Ok(());
    while let Some(result) = done.next().await {
        if stopped.get() {
            continue;
        }
        match result.and_then(&mut take) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => stopped.set(true),
            Err(error) => {
                stopped.set(true);
                outcome = Err(error);
            }
        }
    }
    outcome
}
