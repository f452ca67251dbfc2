//! A replica in a bucket: the clock, credentials, and each kind of request that Seawall sends, tried
//! on objects of its own that are deleted again.

use super::network;
use super::report::Section;
use crate::objects::{Condition, Error, Examination, Opened, S3Location, Store};
use bytes::Bytes;
use futures::future::join_all;
use std::time::SystemTime;

/// A store counts in whole seconds, and answers take their time.
const CLOCK_WARNING_SECONDS: i64 = 5;

/// S3 refuses signatures that are older or younger than this.
const CLOCK_FAULT_SECONDS: i64 = 15 * 60;

/// Writers in the race for one object: as many as Seawall itself sends at a start.
const RACERS: u8 = 8;

/// What the doctor's own objects hold.
const BODY: &[u8] = b"written by `seawall doctor`, and deleted";

const CLOCK: &str = "clock";
const CREDENTIALS: &str = "credentials";
const LIST: &str = "list";
const REGION: &str = "region";
const PUT: &str = "put";
const GET: &str = "get";
const CONDITIONS: &str = "conditional put";
const DELETE: &str = "delete";
const VERSIONS: &str = "old versions";
const WRITES: [&str; 4] = [PUT, GET, CONDITIONS, DELETE];

/// `require_fencing`: the config insists on a store that honours conditions.
pub async fn check(section: &mut Section, location: &S3Location, require_fencing: bool) {
    const ALL: [&str; 5] = [CLOCK, CREDENTIALS, LIST, REGION, VERSIONS];
    let examination = match Examination::new(location.clone()) {
        Ok(examination) => examination,
        Err(error) => {
            section.fault(
                "endpoint",
                error.to_string(),
                "correct the replica in the config",
            );
            section.skip(&ALL, "the replica makes no sense");
            return section.skip(&WRITES, "the replica makes no sense");
        }
    };
    let reachable = network::check(section, &examination).await;
    let opened = match examination.open() {
        Ok(opened) => opened,
        Err(error) => {
            let because = format!("no request can be sent: {error}");
            section.skip(&ALL, &because);
            return section.skip(&WRITES, &because);
        }
    };
    if reachable {
        check_clock(section, &opened).await;
    } else {
        section.skip(&[CLOCK], "the store cannot be reached");
    }
    let has_credentials = check_credentials(section, &opened, &examination).await;
    let because = if !reachable {
        "the store cannot be reached"
    } else if !has_credentials {
        "there are no credentials"
    } else {
        return check_requests(section, &opened, location, require_fencing).await;
    };
    section.skip(&[LIST, REGION], because);
    section.skip(&WRITES, because);
    section.skip(&[VERSIONS], because);
}

async fn check_clock(section: &mut Section, opened: &Opened) {
    let ahead = match opened.clock_ahead_seconds().await {
        Ok(Some(ahead)) => ahead,
        Ok(None) => return section.skip(&[CLOCK], "the store does not tell the time"),
        Err(text) => {
            return section.fault(
                CLOCK,
                format!("the store does not answer an HTTP request: {text}"),
                "check `endpoint` (http:// or https://, the port), and whether the store runs",
            );
        }
    };
    let by = format!(
        "this machine's clock is {} s {} the store's",
        ahead.abs(),
        if ahead > 0 { "behind" } else { "ahead of" }
    );
    let remedy = "set it right and keep it right: NTP, chrony, systemd-timesyncd";
    match ahead.abs() {
        CLOCK_FAULT_SECONDS.. => {
            let text = format!("{by}: S3 refuses requests from 15 minutes on");
            section.fault(CLOCK, text, remedy);
        }
        off if off > CLOCK_WARNING_SECONDS => {
            let text = format!("{by}: restoring to a moment is off by as much");
            section.warn(CLOCK, text, remedy);
        }
        _ => section.ok(CLOCK, "as the store's, within seconds"),
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

async fn check_requests(
    section: &mut Section,
    opened: &Opened,
    location: &S3Location,
    require_fencing: bool,
) {
    let store = opened.store();
    let listed = store.list("", None).await;
    let keys = own_keys();
    let body = Bytes::from_static(BODY);
    let because = match &listed {
        Ok(listing) => {
            let more = if listing.truncated { " and more" } else { "" };
            let text = match listing.entries.len() {
                0 => "allowed; nothing is there yet".to_owned(),
                count => format!("allowed; {count} objects{more} are there"),
            };
            section.ok(LIST, text);
            None
        }
        Err(error @ Error::Denied(_)) => {
            // Only this right may be missing, or all of them.
            let written = store.put(&keys[0], body.clone(), Condition::None, 0).await;
            refused(section, LIST, error, "s3:ListBucket");
            matches!(written, Err(Error::Denied(_))).then_some("access is denied")
        }
        Err(error) => {
            refused(section, LIST, error, "s3:ListBucket");
            Some("the bucket cannot be listed")
        }
    };
    if let Some(because) = because {
        section.skip(&[REGION], because);
        section.skip(&WRITES, because);
        return section.skip(&[VERSIONS], because);
    }
    check_region(section, opened, location);
    check_writes(section, &store, &keys, body, require_fencing).await;
    check_versions(section, opened).await;
}

/// The texts of failures say what is to be done, where it is known.
fn refused(section: &mut Section, check: &'static str, error: &Error, right: &str) {
    let remedy = match error {
        Error::NotFound(_) => "correct `bucket` and `endpoint`, or make the bucket".to_owned(),
        Error::Denied(_) => {
            format!("check access key and secret key; they need the right {right} on this bucket")
        }
        Error::Throttled(_) => "try again later; the store has too much to do".to_owned(),
        Error::Unavailable(_) | Error::UnknownOutcome(_) => {
            "try again; if it stays, look at the store".to_owned()
        }
        Error::PreconditionFailed(_) | Error::Invalid(_) => {
            "correct `endpoint`, `region` and `bucket`".to_owned()
        }
    };
    section.fault(check, error.to_string(), remedy);
}

fn check_region(section: &mut Section, opened: &Opened, location: &S3Location) {
    let found = opened.region().unwrap_or_default();
    match location
        .region
        .as_deref()
        .filter(|region| !region.is_empty())
    {
        Some(said) if said != found => section.warn(
            REGION,
            format!("the bucket is in {found}, not in {said}: every start asks twice"),
            format!("write `region: {found}`"),
        ),
        _ => section.ok(REGION, found),
    }
}

/// Objects of the doctor's own, beside the replica's levels: neither Seawall nor Litestream looks
/// there.
fn own_keys() -> [String; 3] {
    let nonce: u64 = rand::random();
    [1, 2, 3].map(|number| format!("probe/{nonce:016x}-doctor-{number}"))
}

async fn check_writes(
    section: &mut Section,
    store: &Store,
    keys: &[String; 3],
    body: Bytes,
    require_fencing: bool,
) {
    let [plain, sequence, race] = keys;
    if let Err(error) = store.put(plain, body.clone(), Condition::None, 0).await {
        refused(section, PUT, &error, "s3:PutObject");
        let because = "nothing can be written";
        section.skip(&[GET, CONDITIONS, DELETE], because);
        // A lost answer may have left something.
        let _ = store.delete(keys).await;
        return;
    }
    section.ok(PUT, "allowed");
    match store.get(plain, None).await {
        Ok(found) if found == body => section.ok(GET, "what was written is read"),
        Ok(found) => section.fault(
            GET,
            format!(
                "{} bytes were written, other {} came back",
                body.len(),
                found.len()
            ),
            "do not trust this store with a backup",
        ),
        Err(error) => refused(section, GET, &error, "s3:GetObject"),
    }
    check_conditions(section, store, sequence, race, require_fencing).await;
    check_delete(section, store, keys).await;
}

async fn check_conditions(
    section: &mut Section,
    store: &Store,
    sequence: &str,
    race: &str,
    require_fencing: bool,
) {
    let put = |key: String, body: u8| async move {
        let body = Bytes::copy_from_slice(&[body]);
        match store.put(&key, body, Condition::IfAbsent, 0).await {
            Ok(_) => Ok(true),
            Err(Error::PreconditionFailed(_)) => Ok(false),
            Err(error) => Err(error),
        }
    };
    let in_sequence = async {
        put(sequence.to_owned(), 1).await?;
        put(sequence.to_owned(), 2).await
    };
    let in_race = async {
        let all = join_all((0..RACERS).map(|racer| put(race.to_owned(), racer))).await;
        all.into_iter()
            .filter(|won| matches!(won, Ok(true)))
            .count()
    };
    let trouble = match in_sequence.await {
        Err(error @ Error::Invalid(_)) => Some(error.to_string()),
        Err(error) => return refused(section, CONDITIONS, &error, "s3:PutObject"),
        Ok(true) => {
            Some("the store ignores conditions: it replaced an object that was there".to_owned())
        }
        Ok(false) => match in_race.await {
            won @ 2.. => Some(format!(
                "the store does not keep conditions under load: {won} of {RACERS} writers of one \
                 object were told that they made it"
            )),
            _ => None,
        },
    };
    let Some(text) = trouble else {
        let text = format!("honoured, in sequence and in a race of {RACERS}");
        return section.ok(CONDITIONS, text);
    };
    let text = format!("{text}. Two Seawalls on one replica would overwrite each other");
    if require_fencing {
        section.fault(
            CONDITIONS,
            format!("{text}, and `require-fencing` is set: Seawall does not start"),
            "take a store with conditional writes (a newer version of this one?), or take \
             `require-fencing` out",
        );
    } else {
        section.warn(
            CONDITIONS,
            text,
            "see to it that only one runs, or take a store with conditional writes (a newer \
             version of this one?)",
        );
    }
}

async fn check_delete(section: &mut Section, store: &Store, keys: &[String]) {
    let why = match store.delete(keys).await {
        Ok(refused) if refused.is_empty() => match remaining(store, keys).await {
            Ok(0) => return section.ok(DELETE, "allowed, and what was deleted is gone"),
            Ok(count) => format!("the store said yes, and {count} objects are there as before"),
            Err(error) => format!("whether they are gone is not known: {error}"),
        },
        Ok(refused) => refused
            .first()
            .map_or_else(String::new, |(_, error)| error.to_string()),
        Err(error) => error.to_string(),
    };
    section.warn(
        DELETE,
        format!(
            "objects cannot be deleted: {why}. Replication and restore work, but nothing that has \
             expired goes away (nor do the objects probe/… that were written now)"
        ),
        "give these credentials the right s3:DeleteObject, or set `retention: {enabled: false}` \
         and have a lifecycle rule of the bucket delete what is old",
    );
}

async fn remaining(store: &Store, keys: &[String]) -> Result<usize, Error> {
    let mut count = 0;
    for key in keys {
        match store.get(key, None).await {
            Ok(_) => count += 1,
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

async fn check_versions(section: &mut Section, opened: &Opened) {
    match opened.keeps_versions().await {
        Some(true) => section.warn(
            VERSIONS,
            "the bucket keeps old versions: what Seawall deletes goes on to cost",
            "have a lifecycle rule of the bucket delete noncurrent versions (and expired delete \
             markers) after some days",
        ),
        Some(false) => section.ok(VERSIONS, "not kept"),
        None => section.skip(&[VERSIONS], "the store does not say whether it keeps them"),
    }
}
