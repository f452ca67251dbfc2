//! The control socket: HTTP on a Unix socket, with Litestream's routes and answers.

pub mod client;
mod listener;
pub mod messages;
mod routes;

use crate::config::Socket;
use crate::plan::Registered;
use crate::replicate::Supervisor;
use anyhow::Context;
pub use listener::Served;

/// Serves until the answer is dropped, which removes the socket.
///
/// Errors: another process serves this socket, or it cannot be made.
pub fn serve(
    socket: &Socket,
    supervisor: Supervisor,
    registered: Registered,
) -> anyhow::Result<Served> {
    let path = socket.path.display().to_string();
    let (listener, served) = listener::bind(&socket.path, socket.permissions)
        .with_context(|| format!("the control socket {path}"))?;
    let routes = routes::routes(supervisor, registered);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!("the control socket {path}: {error}");
        }
    });
    tracing::info!("control socket: {}", socket.path.display());
    Ok(served)
}
