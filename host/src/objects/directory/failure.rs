//! What an error of the file system means, and where blocking work runs.

use std::io;
use std::path::Path;

use super::Error;

/// Turns the error of doing `what` to `path` into one of ours.
pub fn told<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |error| {
        let text = format!("{what} {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NotFound(text),
            io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => Error::Invalid(text),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::Denied(
                format!("{text}. Give Seawall's user write access, then start again"),
            ),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Unavailable(
                format!("{text}. Nothing was stored; make room and it goes on"),
            ),
            _ => Error::Unavailable(text),
        }
    }
}

/// Runs a read, or work that shows nothing under a key, on a thread for blocking work.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Unavailable(format!(
            "the work was broken off: {error}"
        ))),
    }
}

/// The same for work that puts a file at `path`: broken off, nobody knows whether it did.
pub async fn blocking_write<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::UnknownOutcome(format!(
            "writing {} was broken off: {error}",
            path.display()
        ))),
    }
}
