//! Uploads whose requests get lost.

use super::*;

const BEGUN: &str = "<InitiateMultipartUploadResult><UploadId>u/1</UploadId>\
                     </InitiateMultipartUploadResult>";
const COMPLETED: &str = "<CompleteMultipartUploadResult><ETag>&quot;e-1&quot;</ETag>\
                         </CompleteMultipartUploadResult>";
const PATH: &str = "/bkt/db/k?uploadId=u%2F1";

/// An upload with one part; the script goes on with what follows.
async fn with_a_part(script: impl IntoIterator<Item = Act>) -> (Server, Upload) {
    let begin = [Act::answer(200, BEGUN), stored()];
    let (server, s3) = scripted(begin.into_iter().chain(script)).await;
    // Leftovers are another test's matter.
    s3.cleaned.store(true, std::sync::atomic::Ordering::Relaxed);
    let upload = s3.start_upload("k", 1_700_000_000_120).await.unwrap();
    upload
        .part(1, 0, Bytes::from_static(b"part"))
        .await
        .unwrap();
    (server, upload)
}

#[tokio::test]
async fn an_upload_is_completed_under_its_condition() {
    let (server, upload) = with_a_part([Act::answer(200, COMPLETED)]).await;
    assert_eq!(
        upload.complete(Condition::IfAbsent).await.unwrap(),
        "\"e-1\""
    );
    drop(upload);

    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /bkt/db/k?uploads=");
    assert_eq!(
        seen[0].header("x-amz-meta-litestream-timestamp"),
        Some("2023-11-14T22:13:20.12Z")
    );
    assert_eq!(seen[1].line, "PUT /bkt/db/k?partNumber=1&uploadId=u%2F1");
    assert_eq!(seen[2].line, format!("POST {PATH}"));
    assert_eq!(seen[2].header("if-none-match"), Some("*"));
    let body = String::from_utf8(seen[2].body.clone()).unwrap();
    assert!(
        body.contains("<PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag>"),
        "{body}"
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.seen().len(), 3, "what is complete is not aborted");
}

#[tokio::test]
async fn a_yes_that_turns_into_an_error_is_tried_again() {
    let error = "  <Error><Code>InternalError</Code><Message>Again.</Message></Error>";
    let script = [Act::answer(200, error), Act::answer(200, COMPLETED)];
    let (_server, upload) = with_a_part(script).await;
    assert_eq!(
        upload.complete(Condition::IfAbsent).await.unwrap(),
        "\"e-1\""
    );
}

#[tokio::test]
async fn an_upload_gone_after_a_lost_answer_is_an_unknown_outcome() {
    let (_server, upload) = with_a_part([Act::CutAfter, refusal(404, "NoSuchUpload")]).await;
    let error = upload.complete(Condition::IfAbsent).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    // And it stays so, however often the caller asks.
    let error = upload.complete(Condition::IfAbsent).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");

    let (_server, upload) = with_a_part([refusal(404, "NoSuchUpload")]).await;
    let error = upload.complete(Condition::IfAbsent).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(text) if text.contains("begin it again")),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_part_is_no_doubt() {
    let (server, s3) = scripted([Act::answer(200, BEGUN), Act::CutAfter]).await;
    s3.cleaned.store(true, std::sync::atomic::Ordering::Relaxed);
    let upload = s3.start_upload("k", 0).await.unwrap();
    let error = upload
        .part(1, 0, Bytes::from_static(b"part"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert_eq!(server.seen().len(), 1 + QUICK.tries as usize);
}

#[tokio::test]
async fn an_upload_that_is_dropped_or_refused_is_aborted() {
    let (server, upload) = with_a_part([Act::answer(204, "")]).await;
    drop(upload);
    assert_eq!(
        server.seen_at_least(3).await[2].line,
        format!("DELETE {PATH}")
    );

    let script = [refusal(412, "PreconditionFailed"), Act::answer(204, "")];
    let (server, upload) = with_a_part(script).await;
    let error = upload.complete(Condition::IfAbsent).await.unwrap_err();
    assert!(matches!(error, Error::PreconditionFailed(_)), "{error}");
    drop(upload);
    assert_eq!(
        server.seen_at_least(4).await[3].line,
        format!("DELETE {PATH}")
    );
}

#[tokio::test]
async fn leftovers_are_aborted_once_with_the_first_upload() {
    let uploads: String = [
        ("db/0009/old", "2020-01-01T00:00:00Z"),
        ("db/0009/new", "2999-01-01T00:00:00Z"),
    ]
    .map(|(key, begun)| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>x</UploadId><Initiated>{begun}</Initiated></Upload>"
        )
    })
    .concat();
    let server = Server::start([Act::answer(200, BEGUN)]).await;
    server.answer_to(
        "GET /bkt?uploads=",
        Act::answer(
            200,
            &format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>"),
        ),
    );
    let s3 = open(location(server.port));
    for _ in 0..2 {
        let upload = s3.start_upload("k", 0).await.unwrap();
        std::mem::forget(upload);
    }
    server.seen_at_least(4).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut lines = server.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "DELETE /bkt/db/0009/old?uploadId=x",
            "GET /bkt?uploads=&prefix=db%2F",
            "POST /bkt/db/k?uploads=",
            "POST /bkt/db/k?uploads=",
        ]
    );
}
