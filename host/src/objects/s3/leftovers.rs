//! Uploads that a dead process left behind: invisible, and paid for until they are aborted.

use std::time::Duration;

use reqwest::Method;

use super::super::limits::LEFTOVER_AGE;
use super::S3;
use s3_protocol::Carrier;
use s3_protocol::request::Request;
use s3_protocol::xml::{self, ListMultipartUploadsResult, UnfinishedUpload};

/// Aborts the uploads under our prefix that are too old to be anybody's. Failures are no matter:
/// the next start tries again.
pub async fn abort_old_uploads(s3: S3) {
    let query = vec![
        ("uploads", String::new()),
        ("prefix", s3.prefix().to_owned()),
    ];
    let request = Request::of_bucket(Method::GET, query);
    let answer = match s3.carrier.call(&request).await {
        Ok(answer) => answer,
        Err(failure) => {
            tracing::debug!(why = failure.text, "old uploads were not looked for");
            return;
        }
    };
    let listed =
        xml::read::<ListMultipartUploadsResult>("ListMultipartUploadsResult", &answer.body);
    let uploads = listed.map(|listed| listed.upload).unwrap_or_else(|why| {
        tracing::debug!(why, "old uploads were not looked for");
        Vec::new()
    });
    let now = jiff::Timestamp::now();
    for upload in uploads
        .iter()
        .filter(|upload| is_ours(s3.prefix(), upload, now))
    {
        tracing::debug!(
            key = upload.key,
            begun = upload.initiated,
            "an upload was left behind"
        );
        s3.abort_upload(&upload.key, &upload.upload_id).await;
    }
}

fn is_ours(prefix: &str, upload: &UnfinishedUpload, now: jiff::Timestamp) -> bool {
    let Ok(begun) = upload.initiated.parse::<jiff::Timestamp>() else {
        return false;
    };
    let age = Duration::try_from(now.duration_since(begun)).unwrap_or_default();
    upload.key.starts_with(prefix) && age > LEFTOVER_AGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_uploads_below_our_prefix_are_ours_to_abort() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        for (key, initiated, ours) in [
            ("db/0009/x", "2026-11-21T11:59:59.000Z", true),
            ("db/0009/x", "2026-11-21T12:00:01Z", false),
            ("db2/0009/x", "2026-11-01T00:00:00Z", false),
            ("db/0009/x", "2026-11-23T00:00:00Z", false),
            ("db/0009/x", "yesterday", false),
        ] {
            let upload = UnfinishedUpload {
                key: key.into(),
                upload_id: "u".into(),
                initiated: initiated.into(),
            };
            assert_eq!(is_ours("db/", &upload, now), ours, "{key} {initiated}");
        }
    }
}
