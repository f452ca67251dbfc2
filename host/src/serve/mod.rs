//! `seawall serve`: SQL over HTTP on a database that lives in a replica. The component answers;
//! what is here is a server, a pool of its instances, and the store.

mod http;
pub mod maintain;
mod pool;
mod program;

use crate::component::Access;
use crate::config::Replica;
use crate::exit::Code;
use crate::objects::{Location, Shared, Store};
use crate::plan;
use anyhow::Context;
use axum::serve::ListenerExt;
use pool::Pool;
use program::{Limits, Program};
pub use program::{Nowhere, add_wasi, compiled};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A statement ends by itself when its time is over, unless SQLite is in the middle of one step.
const GRACE: Duration = Duration::from_secs(2);

/// Of an instance, beside its cache: a transaction of 64 MB, the object that it becomes, one value of
/// 64 MB, an answer, and the page map of a database of some gigabytes.
const MEMORY_BYTES: usize = 448 << 20;

/// What the component imports. Nothing of it leads to the store's credentials.
pub fn imports() -> wasmtime::Result<Vec<String>> {
    Ok(Program::load(Limits::GENEROUS)?.imports())
}

/// Runs until SIGTERM or SIGINT; requests that are under way are answered first.
pub async fn run(plan: plan::Serve) -> anyhow::Result<Code> {
    let limits = Limits {
        silence: plan.statement_timeout + GRACE,
        memory: MEMORY_BYTES + 2 * plan.cache_bytes,
    };
    let program = Program::load(limits).map_err(crate::component::failed)?;
    let access = access(&plan.replica).await?;
    let mut settings = plan.settings;
    settings.insert("layout".to_owned(), layout(&plan.replica).to_owned());
    let listener = TcpListener::bind(&plan.addr).await;
    let listener = listener.with_context(|| format!("cannot listen at {}", plan.addr))?;
    let address = listener.local_addr()?;
    let pool = Pool::new(program, Arc::new(access), settings, plan.instances);
    tracing::info!("serving SQL at http://{address}");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    };
    // An answer is a few packets, none of which is to wait for the other side to confirm the last.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
    });
    let served = axum::serve(listener, http::routes(pool)).with_graceful_shutdown(told);
    served.await?;
    Ok(Code::Ok)
}

/// Where in the replica the parts of keys go, as the component is told.
fn layout(replica: &Replica) -> &'static str {
    match &replica.location {
        Location::S3(_) => "hexadecimal",
        Location::Directory { .. } => "decimal",
    }
}

/// What each instance gets of the replica's store.
async fn access(replica: &Replica) -> anyhow::Result<impl Fn() -> Access + Send + Sync + 'static> {
    let store = Store::open_shared(replica.location.clone(), &Shared::default()).await;
    let store = store.context("the replica")?;
    Ok(move || Access::new(store.clone()))
}
