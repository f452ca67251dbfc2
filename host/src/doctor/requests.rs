//! Each kind of request that Seawall sends to a bucket, tried on objects of the doctor's own that are
//! deleted again.

use super::report::Section;
use crate::objects::{Condition, Error, Opened, S3Location, Store};
use bytes::Bytes;
use futures::future::join_all;

/// Writers in the race for one object: as many as Seawall itself sends at a start.
const RACERS: u8 = 8;

/// What the doctor's own objects hold.
const BODY: &[u8] = b"written by `seawall doctor`, and deleted";

const LIST: &str = "list";
const REGION: &str = "region";
const PUT: &str = "put";
const GET: &str = "get";
const CONDITIONS: &str = "conditional put";
const DELETE: &str = "delete";
const VERSIONS: &str = "old versions";
pub const CHECKS: [&str; 7] = [LIST, REGION, PUT, GET, CONDITIONS, DELETE, VERSIONS];

/// `require_fencing`: the config insists on a store that honours conditions.
pub async fn check(
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
        return section.skip(&CHECKS[1..], because);
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
