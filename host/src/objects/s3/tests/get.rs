//! Reading: everything that may pass is tried again.

use std::time::Instant;

use super::*;

async fn get(s3: &S3) -> Result<Bytes, Error> {
    s3.get("k", None).await
}

#[tokio::test]
async fn passing_troubles_are_not_noticed() {
    for trouble in [
        refusal(500, "InternalError"),
        refusal(503, "SlowDown"),
        Act::answer(502, "<html>bad gateway</html>"),
        Act::answer(429, ""),
        Act::CutBefore,
        Act::CutAfter,
        Act::Silence,
        Act::Part {
            length: 100,
            sent: 10,
            closed: true,
        },
        Act::Part {
            length: 100,
            sent: 10,
            closed: false,
        },
        Act::Part {
            length: 100,
            sent: 0,
            closed: false,
        },
    ] {
        let (server, s3) = scripted([trouble.clone(), Act::answer(200, "yes")]).await;
        assert_eq!(get(&s3).await.unwrap(), "yes", "{trouble:?}");
        assert!(server.lines().iter().all(|line| line == "GET /bkt/db/k"));
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_within_the_limits() {
    for (trouble, throttled) in [
        (refusal(500, "InternalError"), false),
        (refusal(503, "SlowDown"), true),
        (Act::CutAfter, false),
        (Act::Silence, false),
    ] {
        let (_server, s3) = scripted([trouble.clone()]).await;
        let began = Instant::now();
        let error = get(&s3).await.unwrap_err();
        assert_eq!(matches!(error, Error::Throttled(_)), throttled, "{error}");
        assert_eq!(
            matches!(error, Error::Unavailable(_)),
            !throttled,
            "{error}"
        );
        assert!(error.to_string().contains("GET s3://bkt/db/k: "), "{error}");
        assert!(error.to_string().contains("tried 4 times"), "{error}");
        assert!(
            began.elapsed() < QUICK.call,
            "{trouble:?}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn the_time_limit_holds_whatever_a_try_takes() {
    let server = Server::start([Act::Silence]).await;
    let patience = Patience {
        call: Duration::from_millis(400),
        ..QUICK
    };
    let s3 = S3::open_with(location(server.port), &Env::of(&[]), patience).unwrap();
    let began = Instant::now();
    let error = get(&s3).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn the_store_says_how_long_to_wait() {
    let wait = refusal(503, "SlowDown").with("Retry-After", "1");
    let (_server, s3) = scripted([wait, Act::answer(200, "yes")]).await;
    let began = Instant::now();
    assert_eq!(get(&s3).await.unwrap(), "yes");
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );

    let wait = refusal(503, "SlowDown").with("Retry-After", "60");
    let (server, s3) = scripted([wait]).await;
    let error = get(&s3).await.unwrap_err();
    assert!(
        matches!(&error, Error::Throttled(text) if text.contains("wait 60 s")),
        "{error}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let server = Server::start([]).await;
    let s3 = open(location(server.port));
    drop(server);
    let error = get(&s3).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_certain_no_is_not_asked_for_twice() {
    for (status, code) in [
        (404, "NoSuchKey"),
        (404, "NoSuchBucket"),
        (403, "AccessDenied"),
    ] {
        let (server, s3) = scripted([refusal(status, code)]).await;
        let error = get(&s3).await.unwrap_err();
        match status {
            404 => assert!(matches!(error, Error::NotFound(_)), "{error}"),
            _ => assert!(matches!(error, Error::Denied(_)), "{error}"),
        }
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_store_that_ignores_ranges_is_coped_with() {
    let range = Some(Range {
        offset: 2,
        length: 3,
    });
    let (server, s3) = scripted([Act::answer(200, "0123456789")]).await;
    assert_eq!(s3.get("k", range).await.unwrap(), "234");
    assert_eq!(server.seen()[0].header("range"), Some("bytes=2-4"));

    let (_server, s3) = scripted([Act::answer(200, "0")]).await;
    assert!(matches!(s3.get("k", range).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn another_range_than_asked_for_is_refused() {
    let range = Some(Range {
        offset: 2,
        length: 3,
    });
    let right = Act::answer(206, "234").with("Content-Range", "bytes 2-4/10");
    let (_server, s3) = scripted([right]).await;
    assert_eq!(s3.get("k", range).await.unwrap(), "234");
    for (body, content_range) in [("345", "bytes 3-5/10"), ("2345", "bytes 2-5/10")] {
        let wrong = Act::answer(206, body).with("Content-Range", content_range);
        let (_server, s3) = scripted([wrong]).await;
        assert!(
            matches!(s3.get("k", range).await, Err(Error::Invalid(_))),
            "{content_range}"
        );
    }
}

#[tokio::test]
async fn an_answer_past_the_limit_is_not_read() {
    let length = GET_BYTES as usize + 1;
    let (server, s3) = scripted([Act::Part {
        length,
        sent: 10,
        closed: false,
    }])
    .await;
    assert!(matches!(get(&s3).await, Err(Error::Invalid(_))));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn connections_are_kept() {
    let (server, s3) = scripted([Act::answer(200, "yes")]).await;
    for _ in 0..5 {
        get(&s3).await.unwrap();
    }
    assert_eq!(server.seen().len(), 5);
    assert_eq!(server.connections(), 1);
}
