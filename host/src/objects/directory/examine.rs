//! Whether a directory can hold a replica, found out by a file that no listing shows.

use std::path::{Path, PathBuf};

use super::super::keys::OWN_FILES;
use super::super::{Condition, Error};
use super::failure::{blocking, told};
use super::temp::Temp;
use super::{Directory, Inner, is_absent, read};

/// Writes a file, finds it under its name, is refused a second one of that name, and removes it.
/// The directory must exist.
///
/// Errors: what was tried first in vain.
pub async fn try_out(directory: PathBuf) -> Result<(), Error> {
    let inner = Directory::open(directory)?.0;
    blocking(move || inner.try_out()).await
}

impl Inner {
    fn try_out(&self) -> Result<(), Error> {
        let name = format!("{OWN_FILES}doctor-{:016x}", rand::random::<u64>());
        let path = self.root.join(name);
        let tried = self.write_twice(&path);
        match std::fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => tried.and(Err(told("delete", &path)(error))),
            _ => tried,
        }
    }

    fn write_twice(&self, path: &Path) -> Result<(), Error> {
        let invalid = |what: &str| Error::Invalid(format!("{} {what}", path.display()));
        for attempt in 1..=2 {
            let temp = Temp::beside(&self.root, path)?;
            std::io::Write::write_all(&mut temp.file(), b"try")
                .map_err(told("write", temp.path()))?;
            match (attempt, self.publish(&temp, path, &Condition::IfAbsent, 0)) {
                (1, written) => written?,
                (_, Err(Error::PreconditionFailed(_))) => {}
                (_, Err(error)) => return Err(error),
                (_, Ok(())) => return Err(invalid("could be made twice")),
            }
        }
        if read(path, None)? != b"try"[..] {
            return Err(invalid("does not hold what was written to it"));
        }
        Ok(())
    }
}
