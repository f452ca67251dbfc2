//! Writing: a lost answer is told apart from a refusal.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_put_says_what_it_is() {
    let (server, s3) = scripted([stored()]).await;
    assert_eq!(put_if_absent(&s3).await.unwrap(), "\"e\"");

    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "PUT /bkt/db/k");
    assert_eq!(seen.body, b"body");
    for (name, value) in [
        ("content-length", "4"),
        ("content-type", "application/octet-stream"),
        ("content-md5", "hBotaJrYa9FhFEdFPCLG/A=="),
        ("if-none-match", "*"),
        ("x-amz-meta-litestream-timestamp", "2023-11-14T22:13:20.12Z"),
        (
            "x-amz-content-sha256",
            "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5",
        ),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    let authorization = seen.header("authorization").unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("if-none-match;"),
        "the condition is signed: {authorization}"
    );
}

#[tokio::test]
async fn a_put_is_tried_again_after_passing_troubles() {
    for trouble in [
        refusal(500, "InternalError"),
        refusal(503, "SlowDown"),
        refusal(409, "ConditionalRequestConflict"),
        refusal(400, "BadDigest"),
        refusal(400, "RequestTimeout"),
        Act::CutBefore,
        Act::CutAfter,
        Act::Silence,
    ] {
        let (server, s3) = scripted([trouble.clone(), stored()]).await;
        assert_eq!(put_if_absent(&s3).await.unwrap(), "\"e\"", "{trouble:?}");
        let seen = server.seen();
        assert_eq!(seen.last().unwrap().body, b"body");
    }
}

#[tokio::test]
async fn refused_after_a_lost_answer_is_refused_and_says_so() {
    for lost in [Act::CutAfter, Act::Silence, refusal(500, "InternalError")] {
        let (_server, s3) = scripted([lost.clone(), refusal(412, "PreconditionFailed")]).await;
        let error = put_if_absent(&s3).await.unwrap_err();
        let Error::PreconditionFailed(text) = error else {
            panic!("{lost:?}: {error}")
        };
        assert!(text.contains("may be the one it wrote"), "{text}");
    }
    let (server, s3) = scripted([refusal(412, "PreconditionFailed")]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    let Error::PreconditionFailed(text) = error else {
        panic!("{error}")
    };
    assert!(!text.contains("may be"), "{text}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_an_unknown_outcome() {
    for lost in [
        Act::CutAfter,
        Act::Silence,
        refusal(500, "InternalError"),
        Act::answer(502, "<html>bad gateway</html>"),
        Act::answer(503, "<html>upstream connection was reset</html>"),
    ] {
        let (_server, s3) = scripted([lost.clone()]).await;
        let error = put_if_absent(&s3).await.unwrap_err();
        assert!(
            matches!(error, Error::UnknownOutcome(_)),
            "{lost:?}: {error}"
        );
    }
}

#[tokio::test]
async fn doubt_is_not_lost_when_a_later_try_fails_for_certain() {
    for later in [refusal(503, "SlowDown"), refusal(403, "AccessDenied")] {
        let (_server, s3) = scripted([Act::CutAfter, later.clone()]).await;
        let error = put_if_absent(&s3).await.unwrap_err();
        assert!(
            matches!(error, Error::UnknownOutcome(_)),
            "{later:?}: {error}"
        );
    }
    let (server, s3) = scripted([Act::Vanish]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    assert!(error.to_string().contains("tried 4 times"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_certainly_had_no_effect_is_told_as_that() {
    let server = Server::start([]).await;
    let s3 = open(location(server.port));
    drop(server);
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");

    let (_server, s3) = scripted([refusal(503, "SlowDown")]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(matches!(error, Error::Throttled(_)), "{error}");

    let (_server, s3) = scripted([refusal(503, "ServiceUnavailable")]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");

    let (_server, s3) = scripted([refusal(409, "ConditionalRequestConflict")]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_told_and_not_asked_without() {
    let (server, s3) = scripted([refusal(501, "NotImplemented"), stored()]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    let Error::Invalid(text) = error else {
        panic!("{error}")
    };
    assert!(
        text.contains("does not support conditional writes"),
        "{text}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_store_that_stops_reading_is_noticed() {
    let (_server, s3) = scripted([Act::Deafness]).await;
    let body = Bytes::from(vec![7; 32 << 20]);
    let began = Instant::now();
    let error = s3.put("k", body, Condition::IfAbsent, 0).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    // Although a body of this size has minutes as long as it moves.
    assert!(began.elapsed() < QUICK.call, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_bare_etag_is_tried_where_quotes_are_refused() {
    let put = async |s3: &S3, etag: &str| {
        s3.put("k", Bytes::new(), Condition::IfMatch(etag.into()), 0)
            .await
    };
    let refused = || refusal(412, "PreconditionFailed");
    let (server, s3) = scripted([refused(), stored(), stored()]).await;
    put(&s3, "\"e\"").await.unwrap();
    put(&s3, "\"e\"").await.unwrap();
    let sent: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("if-match").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["\"e\"", "e", "e"], "and it is remembered");

    let (server, s3) = scripted([stored(), refused()]).await;
    put(&s3, "\"e\"").await.unwrap();
    assert!(matches!(
        put(&s3, "\"e\"").await,
        Err(Error::PreconditionFailed(_))
    ));
    assert_eq!(
        server.seen().len(),
        2,
        "a store known to take quotes is believed"
    );
}

#[tokio::test]
async fn a_wrong_clock_is_told() {
    let skewed = refusal(403, "RequestTimeTooSkewed").with("Date", "Thu, 01 Jan 2099 00:00:00 GMT");
    let (_server, s3) = scripted([skewed]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(
        matches!(&error, Error::Denied(text) if text.contains("s behind the store's")),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let (_server, s3) = scripted([refusal(404, "NoSuchBucket")]).await;
    let error = put_if_absent(&s3).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFound(text) if text.contains("there is no bucket \"bkt\"")),
        "{error}"
    );
}
