//! A replica in a bucket: the way to it, the clock, credentials, and then what requests bring.

use super::report::Section;
use super::{network, requests};
use crate::objects::{Examination, Opened, S3Location};
use std::time::SystemTime;

/// A store counts in whole seconds, and answers take their time.
const CLOCK_WARNING_SECONDS: i64 = 5;

/// S3 refuses signatures that are older or younger than this.
const CLOCK_FAULT_SECONDS: i64 = 15 * 60;

const HTTP: &str = "HTTP";
const CLOCK: &str = "clock";
const CREDENTIALS: &str = "credentials";

/// `require_fencing`: the config insists on a store that honours conditions.
pub async fn check(section: &mut Section, location: &S3Location, require_fencing: bool) {
    const OWN: [&str; 3] = [HTTP, CLOCK, CREDENTIALS];
    let examination = match Examination::new(location.clone()) {
        Ok(examination) => examination,
        Err(error) => {
            section.fault(
                "endpoint",
                error.to_string(),
                "correct the replica in the config",
            );
            section.skip(&OWN, "the replica makes no sense");
            return section.skip(&requests::CHECKS, "the replica makes no sense");
        }
    };
    let opened = match examination.open() {
        Ok(opened) => opened,
        Err(error) => {
            section.fault(
                "trusted certificates",
                error.to_string(),
                "let AWS_CA_BUNDLE name a PEM file that Seawall's user can read, or unset it",
            );
            network::check(section, &examination).await;
            section.skip(&OWN, "no request can be sent");
            return section.skip(&requests::CHECKS, "no request can be sent");
        }
    };
    let reachable = network::check(section, &examination).await;
    let answers = if reachable {
        check_clock(section, &opened).await
    } else {
        section.skip(&[HTTP, CLOCK], "the store cannot be reached");
        false
    };
    let has_credentials = check_credentials(section, &opened, &examination).await;
    let because = if !answers {
        "the store cannot be reached"
    } else if !has_credentials {
        "there are no credentials"
    } else {
        return requests::check(section, &opened, location, require_fencing).await;
    };
    section.skip(&requests::CHECKS, because);
}

/// False: there is no answer to be had.
async fn check_clock(section: &mut Section, opened: &Opened) -> bool {
    let ahead = match opened.clock_ahead_seconds().await {
        Ok(ahead) => ahead,
        Err(text) => {
            section.fault(
                HTTP,
                format!("the store does not answer: {text}"),
                "check `endpoint` (http:// or https://, the port), and whether the store is well",
            );
            section.skip(&[CLOCK], "the store does not answer");
            return false;
        }
    };
    section.ok(HTTP, "answers");
    match ahead {
        Some(ahead) => judge_clock(section, ahead),
        None => section.skip(&[CLOCK], "the store does not tell the time"),
    }
    true
}

fn judge_clock(section: &mut Section, ahead_seconds: i64) {
    let off = ahead_seconds.abs();
    let side = match ahead_seconds > 0 {
        true => "behind",
        false => "ahead of",
    };
    let by = format!("this machine's clock is {off} s {side} the store's");
    let remedy = "set it right and keep it right: NTP, chrony, systemd-timesyncd";
    if off >= CLOCK_FAULT_SECONDS {
        let text = format!("{by}: S3 refuses requests from 15 minutes on");
        section.fault(CLOCK, text, remedy);
    } else if off > CLOCK_WARNING_SECONDS {
        let text = format!("{by}: restoring to a moment is off by as much");
        section.warn(CLOCK, text, remedy);
    } else {
        section.ok(CLOCK, "as the store's, within seconds");
    }
}

async fn check_credentials(
    section: &mut Section,
    opened: &Opened,
    examination: &Examination,
) -> bool {
    match opened.credentials(examination).await {
        Ok(found) => {
            let mut text = format!("access key {} from {}", found.id, found.from);
            if let Some(expiry) = found.expiry {
                let left = expiry.duration_since(SystemTime::now()).unwrap_or_default();
                text.push_str(&format!(", good for {} min", left.as_secs() / 60));
            }
            section.ok(CREDENTIALS, text);
            true
        }
        Err(text) => {
            section.fault(
                CREDENTIALS,
                text,
                "set `access-key-id` and `secret-access-key` in the config, or AWS_ACCESS_KEY_ID \
                 and AWS_SECRET_ACCESS_KEY in the environment of Seawall",
            );
            false
        }
    }
}
