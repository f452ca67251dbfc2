//! What the exit code of the program says.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Ok = 0,
    Error = 1,
    /// Bad usage or a bad config; nothing was started or changed.
    Usage = 2,
    /// Another writer owns the replica.
    Fenced = 3,
    /// Stopped with changes that are not in the replica.
    Unshipped = 4,
    /// The replica holds nothing to restore.
    NothingToRestore = 5,
}

/// The same, for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  ok
  1  error
  2  bad usage or bad config; nothing was started or changed
  3  fenced: another writer owns the replica
  4  stopped with changes that are not in the replica yet
  5  nothing to restore: the replica holds no backup";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_explains_every_code() {
        use Code::{Error, Fenced, NothingToRestore, Ok, Unshipped, Usage};
        for code in [Ok, Error, Usage, Fenced, Unshipped, NothingToRestore] {
            let line = format!("\n  {}  ", code as u8);
            assert!(HELP.contains(&line), "{code:?}");
        }
    }
}
