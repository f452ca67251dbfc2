//! Calls of the component that go on while other things happen.

use crate::component::wit;
use std::future::pending;
use std::pin::Pin;

/// A call that is under way.
pub type Call<'a, T> =
    Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, wit::Error>>> + Send + 'a>>;

/// The answer of the call that is under way, if one is.
pub async fn answer<T>(call: &mut Option<Call<'_, T>>) -> wasmtime::Result<Result<T, wit::Error>> {
    match call {
        Some(under_way) => {
            let answer = under_way.await;
            *call = None;
            answer
        }
        None => pending().await,
    }
}
