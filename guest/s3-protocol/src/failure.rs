//! What a refusal or a broken connection means: whether the request may have taken effect,
//! whether it is of use to try again, and what to tell the user.

use std::time::Duration;

use http::StatusCode;

use crate::Error;
use crate::Trouble;
use crate::request::{Effect, Request};
use crate::xml::ErrorDocument;

/// One try that did not end with a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    pub again: Again,
    /// The request may have taken effect all the same.
    pub doubt: bool,
    /// S3's code, empty where no S3 error document came.
    pub code: String,
    /// The bucket's region, in answers that say it.
    pub region: Option<String>,
    /// For people: what happened, and the hint if there is one.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NotFound,
    PreconditionFailed,
    Throttled,
    Denied,
    Unavailable,
    Invalid,
}

/// Is it of use to try again at once?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    No,
    Yes,
    /// Not before this time has passed, said the store.
    After(Duration),
}

impl Failure {
    /// A failure that is known for certain to have had no effect and that no repeat will mend.
    pub fn certain(kind: Kind, text: impl Into<String>) -> Failure {
        Failure {
            kind,
            again: Again::No,
            doubt: false,
            code: String::new(),
            region: None,
            text: text.into(),
        }
    }

    /// The request did not reach the store.
    pub fn unsent(text: impl Into<String>) -> Failure {
        Failure {
            again: Again::Yes,
            ..Failure::certain(Kind::Unavailable, text)
        }
    }

    /// The request was sent, and no answer came.
    pub fn unanswered(text: impl Into<String>) -> Failure {
        Failure {
            doubt: true,
            ..Failure::unsent(text)
        }
    }

    /// An answer that makes no sense to a request that was carried out, perhaps.
    pub fn senseless(text: impl Into<String>) -> Failure {
        Failure {
            doubt: true,
            ..Failure::certain(Kind::Invalid, text)
        }
    }

    /// Would the request have been right in another region?
    pub fn is_about_region(&self) -> bool {
        !self.doubt && matches!(self.kind, Kind::Denied | Kind::Invalid)
    }

    /// As the meter counts it; None: it is an answer.
    pub fn trouble(&self, effect: Effect) -> Option<Trouble> {
        match self.kind {
            _ if self.doubt && effect == Effect::Visible => Some(Trouble::UnknownOutcome),
            // That there is no bucket is no answer to a question about an object.
            Kind::NotFound if self.code == "NoSuchBucket" => Some(Trouble::Invalid),
            Kind::NotFound | Kind::PreconditionFailed => None,
            Kind::Throttled => Some(Trouble::Throttled),
            Kind::Denied => Some(Trouble::Denied),
            Kind::Unavailable => Some(Trouble::Unavailable),
            Kind::Invalid => Some(Trouble::Invalid),
        }
    }

    /// The error that a call ends with.
    pub fn into_error(self, effect: Effect) -> Error {
        let Failure {
            kind, doubt, text, ..
        } = self;
        match (kind, doubt && effect == Effect::Visible) {
            (Kind::PreconditionFailed, true) => Error::PreconditionFailed(format!(
                "{text}; an earlier try of the same request got no answer, so the object may be \
                 the one it wrote"
            )),
            (_, true) => Error::UnknownOutcome(text),
            (Kind::NotFound, _) => Error::NotFound(text),
            (Kind::PreconditionFailed, _) => Error::PreconditionFailed(text),
            (Kind::Throttled, _) => Error::Throttled(text),
            (Kind::Denied, _) => Error::Denied(text),
            (Kind::Unavailable, _) => Error::Unavailable(text),
            (Kind::Invalid, _) => Error::Invalid(text),
        }
    }
}

/// The parts of an answer that decide what a refusal means.
#[derive(Debug)]
pub struct Refusal<'a> {
    pub status: StatusCode,
    pub body: &'a [u8],
    pub retry_after: Option<Duration>,
    /// `x-amz-bucket-region`.
    pub region: Option<String>,
    /// How far the store's clock is ahead of ours, in seconds, by its `Date`.
    pub clock_ahead_seconds: Option<i64>,
    pub bucket: &'a str,
    pub site: &'a str,
}

/// What a refusal means.
pub fn from_refusal(request: &Request<'_>, refusal: &Refusal<'_>) -> Failure {
    let document = ErrorDocument::read(refusal.body);
    let is_s3 = document.is_some();
    let document = document.unwrap_or_default();
    let Meaning { kind, again, doubt } = meaning(refusal.status, &document.code, is_s3);
    let kind = match kind {
        // A page of some other server says nothing about an object.
        Kind::NotFound if !is_s3 && !refusal.body.is_empty() => Kind::Invalid,
        kind => kind,
    };
    let mut text = format!("answer {}", refusal.status.as_u16());
    if is_s3 {
        text.push_str(&format!(" {}: {}", document.code, document.message.trim()));
    }
    if let Some(hint) = hint(request, refusal, kind, &document.code, is_s3) {
        text.push_str(" (");
        text.push_str(&hint);
        text.push(')');
    }
    Failure {
        kind,
        again: match (again, refusal.retry_after) {
            (true, Some(wait)) => Again::After(wait),
            (true, None) => Again::Yes,
            (false, _) => Again::No,
        },
        doubt,
        code: document.code,
        region: refusal.region.clone().or(document.region),
        text,
    }
}

/// What an error means that came within an answer of status 200.
pub fn of_code(code: &str, message: &str) -> Failure {
    let Meaning { kind, again, doubt } = meaning(StatusCode::INTERNAL_SERVER_ERROR, code, true);
    Failure {
        again: if again { Again::Yes } else { Again::No },
        doubt,
        code: code.to_owned(),
        ..Failure::certain(kind, format!("answer {code}: {}", message.trim()))
    }
}

struct Meaning {
    kind: Kind,
    again: bool,
    doubt: bool,
}

fn meaning(status: StatusCode, code: &str, is_s3: bool) -> Meaning {
    use Kind::*;
    let certain = |kind, again| Meaning {
        kind,
        again,
        doubt: false,
    };
    match (status.as_u16(), code) {
        (
            _,
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "SlowDownRead"
            | "SlowDownWrite",
        ) => certain(Throttled, true),
        (_, "NoSuchKey" | "NoSuchBucket" | "NoSuchUpload") => certain(NotFound, false),
        (_, "PreconditionFailed") => certain(PreconditionFailed, false),
        // Somebody's write of the same key was under way: neither is known to be first.
        (_, "ConditionalRequestConflict" | "OperationAborted") => certain(Unavailable, true),
        // The body did not arrive, or not as it was sent.
        (
            _,
            "RequestTimeout"
            | "IncompleteBody"
            | "BadDigest"
            | "XAmzContentSHA256Mismatch"
            | "XAmzContentChecksumMismatch",
        ) => certain(Unavailable, true),
        (
            _,
            "AccessDenied"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "RequestTimeTooSkewed"
            | "RequestExpired"
            | "AuthorizationHeaderMalformed",
        ) => certain(Denied, false),
        (401 | 403, _) => certain(Denied, false),
        (404, _) => certain(NotFound, false),
        (412, _) => certain(PreconditionFailed, false),
        (408 | 409 | 425, _) => certain(Unavailable, true),
        (429, _) => certain(Throttled, true),
        (501 | 505, _) => certain(Invalid, false),
        // S3 says so before it does anything; a proxy says so after a lost connection, too.
        (503, _) => Meaning {
            kind: Unavailable,
            again: true,
            doubt: !is_s3,
        },
        (500.., _) => Meaning {
            kind: Unavailable,
            again: true,
            doubt: true,
        },
        _ => certain(Invalid, false),
    }
}

fn hint(
    request: &Request<'_>,
    refusal: &Refusal<'_>,
    kind: Kind,
    code: &str,
    is_s3: bool,
) -> Option<String> {
    let (bucket, site) = (refusal.bucket, refusal.site);
    Some(match (kind, code) {
        (_, "NoSuchBucket") => {
            format!(
                "there is no bucket {bucket:?} at {site}: check `bucket` and `endpoint`, or make it"
            )
        }
        (_, "InvalidAccessKeyId") => {
            format!("{site} does not know this access key: check `access-key-id` and `endpoint`")
        }
        (_, "SignatureDoesNotMatch") => {
            "the secret key does not belong to the access key: check `secret-access-key`".into()
        }
        (_, "ExpiredToken" | "TokenRefreshRequired") => {
            "the temporary credentials have expired: renew them where they come from".into()
        }
        (_, "RequestTimeTooSkewed" | "RequestExpired") => clock_hint(refusal.clock_ahead_seconds),
        (_, "AuthorizationHeaderMalformed") => "check `region`".into(),
        (Kind::Denied, "AccessDenied") => format!(
            "these credentials lack the right for this on bucket {bucket:?}: Seawall needs to \
             list it, and to get, put and delete objects in it"
        ),
        (Kind::Invalid, _)
            if refusal.status == StatusCode::NOT_IMPLEMENTED && request.is_conditional() =>
        {
            "this store does not support conditional writes, without which two writers cannot be \
             kept apart; nothing was stored"
                .into()
        }
        (Kind::Invalid, _) if refusal.status.is_redirection() => {
            format!("the bucket {bucket:?} is elsewhere: check `endpoint` and `region`")
        }
        (Kind::Invalid | Kind::Denied, _) if !is_s3 => {
            format!("not an answer of an S3 store: is the endpoint {site} right?")
        }
        _ => return None,
    })
}

fn clock_hint(ahead_seconds: Option<i64>) -> String {
    let difference = match ahead_seconds {
        Some(seconds) if seconds > 0 => {
            format!("this machine's clock is {seconds} s behind the store's")
        }
        Some(seconds) if seconds < 0 => format!(
            "this machine's clock is {} s ahead of the store's",
            -seconds
        ),
        _ => "this machine's clock and the store's differ".to_owned(),
    };
    format!("{difference}: set it right, for example with NTP")
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
