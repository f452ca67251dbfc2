//! What the exit code of the program says.

use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Ok,
    Error,
    /// Bad usage or a bad config; nothing was started or changed.
    Usage,
    /// Another writer owns the replica.
    Fenced,
    /// Stopped with changes that are not in the replica.
    Unshipped,
    /// The replica holds nothing to restore.
    NothingToRestore,
    /// What the replica holds is not what was written to it.
    Damaged,
    /// That of the program that `-exec` ran; 128 and the signal's number when one killed it.
    Program(u8),
}

impl Code {
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Fenced => 3,
            Self::Unshipped => 4,
            Self::NothingToRestore => 5,
            Self::Damaged => 6,
            Self::Program(number) => number,
        }
    }
}

/// The same, for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  ok
  1  error
  2  bad usage or bad config; nothing was started or changed
  3  fenced: another writer owns the replica
  4  stopped with changes that are not in the replica yet
  5  nothing to restore: the replica holds no backup
  6  damaged: the replica does not hold what was written to it (verify)
With -exec, what the program that was run exits with, unless that is 0.";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_explains_every_code() {
        use Code::{Damaged, Error, Fenced, NothingToRestore, Ok, Unshipped, Usage};
        for code in [
            Ok,
            Error,
            Usage,
            Fenced,
            Unshipped,
            NothingToRestore,
            Damaged,
        ] {
            let line = format!("\n  {}  ", code.number());
            assert!(HELP.contains(&line), "{code:?}");
        }
    }
}
