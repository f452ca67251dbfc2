//! Deletes that are refused, unknown, or only said to be done.

use super::*;

const NOTHING_LISTED: &str = "<ListBucketResult></ListBucketResult>";

fn listed(keys: &[&str]) -> Act {
    let entries: String = keys
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>db/{key}</Key><Size>1</Size>\
                 <LastModified>2026-11-22T14:15:59Z</LastModified></Contents>"
            )
        })
        .collect();
    Act::answer(
        200,
        &format!("<ListBucketResult>{entries}</ListBucketResult>"),
    )
}

fn deleted() -> Act {
    Act::answer(200, "<DeleteResult></DeleteResult>")
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[tokio::test]
async fn many_are_deleted_in_one_request_and_looked_for_in_another() {
    let (server, s3) = scripted([deleted(), Act::answer(200, NOTHING_LISTED)]).await;
    assert_eq!(
        s3.delete(&keys(&["0/1.ltx", "0/2.ltx", "0/<&>"])).await,
        Ok(vec![])
    );
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /bkt?delete=");
    let body = String::from_utf8(seen[0].body.clone()).unwrap();
    assert!(body.contains("<Key>db/0/1.ltx</Key>"), "{body}");
    assert!(body.contains("<Key>db/0/&lt;&amp;&gt;</Key>"), "{body}");
    assert!(body.contains("<Quiet>true</Quiet>"), "{body}");
    assert!(seen[0].header("content-md5").is_some());
    assert!(
        seen[1]
            .line
            .contains("prefix=db%2F0%2F&start-after=db%2F0%2F1.lt"),
        "{}",
        seen[1].line
    );
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn a_store_that_only_says_so_is_caught() {
    let script = [
        deleted(),
        listed(&["1", "2", "25"]),
        Act::answer(204, ""),
        Act::answer(204, ""),
        listed(&["2", "25"]),
    ];
    let (server, s3) = scripted(script).await;
    let failed = s3.delete(&keys(&["1", "2", "3"])).await.unwrap();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].0, "2");
    assert!(matches!(&failed[0].1, Error::Unavailable(text) if text.contains("still lists it")));
    let mut singles = server.lines()[2..4].to_vec();
    singles.sort();
    assert_eq!(singles, ["DELETE /bkt/db/1", "DELETE /bkt/db/2"]);
}

#[tokio::test]
async fn what_is_refused_by_name_is_returned() {
    let refused = "<DeleteResult><Error><Key>db/2</Key><Code>AccessDenied</Code>\
                   <Message>No.</Message></Error><Error><Key>db/3</Key><Code>NoSuchKey</Code>\
                   </Error></DeleteResult>";
    let (_server, s3) = scripted([Act::answer(200, refused), listed(&["2"])]).await;
    let failed = s3.delete(&keys(&["1", "2", "3"])).await.unwrap();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        matches!(&failed[0], (key, Error::Denied(_)) if key == "2"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_store_without_batches_is_asked_one_by_one_from_then_on() {
    let script = [
        refusal(501, "NotImplemented"),
        Act::answer(204, ""),
        refusal(404, "NoSuchKey"),
    ]
    .into_iter()
    .chain([
        Act::answer(200, NOTHING_LISTED),
        Act::answer(204, ""),
        Act::answer(204, ""),
    ])
    .chain([Act::answer(200, NOTHING_LISTED)]);
    let (server, s3) = scripted(script).await;
    assert_eq!(s3.delete(&keys(&["1", "2"])).await, Ok(vec![]));
    assert_eq!(s3.delete(&keys(&["3", "4"])).await, Ok(vec![]));
    let batches = server
        .lines()
        .iter()
        .filter(|line| line.starts_with("POST"))
        .count();
    assert_eq!(batches, 1);
    assert_eq!(server.seen().len(), 7);
}

#[tokio::test]
async fn an_error_document_within_a_yes_is_an_error() {
    let error = "<Error><Code>InternalError</Code><Message>Again.</Message></Error>";
    let script = [
        Act::answer(200, error),
        deleted(),
        Act::answer(200, NOTHING_LISTED),
    ];
    let (server, s3) = scripted(script).await;
    assert_eq!(s3.delete(&keys(&["1", "2"])).await, Ok(vec![]));
    assert_eq!(server.seen().len(), 3);
}
