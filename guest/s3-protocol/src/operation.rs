//! What requests are counted as.

use crate::Error;

/// What a request is billed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Whatever writes; each part of an upload, its beginning and its end too.
    Put,
    Get,
    List,
    Delete,
}

/// Why a try failed. That something is not there, or a condition does not hold, is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Throttled,
    Denied,
    Unavailable,
    UnknownOutcome,
    Invalid,
}

impl Operation {
    pub const ALL: [Operation; 4] = [
        Operation::Put,
        Operation::Get,
        Operation::List,
        Operation::Delete,
    ];
}

impl Trouble {
    pub const ALL: [Trouble; 5] = [
        Trouble::Throttled,
        Trouble::Denied,
        Trouble::Unavailable,
        Trouble::UnknownOutcome,
        Trouble::Invalid,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Trouble::Throttled => "throttled",
            Trouble::Denied => "denied",
            Trouble::Unavailable => "unavailable",
            Trouble::UnknownOutcome => "unknown_outcome",
            Trouble::Invalid => "invalid",
        }
    }

    /// None: the error is an answer.
    pub fn of(error: &Error) -> Option<Trouble> {
        match error {
            Error::NotFound(_) | Error::PreconditionFailed(_) => None,
            Error::Throttled(_) => Some(Trouble::Throttled),
            Error::Denied(_) => Some(Trouble::Denied),
            Error::Unavailable(_) => Some(Trouble::Unavailable),
            Error::UnknownOutcome(_) => Some(Trouble::UnknownOutcome),
            Error::Invalid(_) => Some(Trouble::Invalid),
        }
    }
}
