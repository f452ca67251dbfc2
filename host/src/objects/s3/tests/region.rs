//! A bucket that is in another region than was thought.

use super::*;

/// The regions that requests were signed for.
fn regions(server: &Server) -> Vec<String> {
    let region = |seen: &server::Seen| {
        let authorization = seen.header("authorization").unwrap().to_owned();
        authorization.split('/').nth(2).unwrap().to_owned()
    };
    server.seen().iter().map(region).collect()
}

fn asking(server: &Server) -> S3 {
    let mut s3 = open(location(server.port));
    Arc::get_mut(&mut s3.bucket).unwrap().carrier.region = Region::new(None);
    s3
}

#[tokio::test]
async fn a_redirect_names_the_right_region() {
    let redirect = refusal(301, "PermanentRedirect").with("x-amz-bucket-region", "eu-west-1");
    let (server, s3) = scripted([redirect, Act::answer(200, "yes")]).await;
    assert_eq!(s3.get("k", None).await.unwrap(), "yes");
    assert_eq!(s3.get("k", None).await.unwrap(), "yes");
    assert_eq!(regions(&server), ["us-east-1", "eu-west-1", "eu-west-1"]);
}

#[tokio::test]
async fn so_does_a_signature_for_the_wrong_one() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>No</Message>\
                     <Region>eu-west-1</Region></Error>";
    let (server, s3) = scripted([Act::answer(400, malformed), stored()]).await;
    put_if_absent(&s3).await.unwrap();
    assert_eq!(regions(&server), ["us-east-1", "eu-west-1"]);
}

#[tokio::test]
async fn stores_that_send_each_other_around_are_left() {
    let there = refusal(301, "PermanentRedirect").with("x-amz-bucket-region", "a");
    let back = refusal(301, "PermanentRedirect").with("x-amz-bucket-region", "b");
    let script = [
        there.clone(),
        back.clone(),
        there.clone(),
        back.clone(),
        there,
        back,
    ];
    let (server, s3) = scripted(script).await;
    let error = s3.get("k", None).await.unwrap_err();
    assert!(
        matches!(&error, Error::Invalid(text) if text.contains("is elsewhere")),
        "{error}"
    );
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn an_unknown_region_is_asked_for_once() {
    let location = "<LocationConstraint>eu-west-3</LocationConstraint>";
    let server = Server::start([Act::answer(200, location), Act::answer(200, "yes")]).await;
    let s3 = asking(&server);
    s3.get("k", None).await.unwrap();
    s3.get("k", None).await.unwrap();
    assert_eq!(
        server.lines(),
        ["GET /bkt?location=", "GET /bkt/db/k", "GET /bkt/db/k"]
    );
    assert_eq!(regions(&server), ["us-east-1", "eu-west-3", "eu-west-3"]);
}

#[tokio::test]
async fn without_the_right_to_ask_the_refusal_tells() {
    let denied = refusal(403, "AccessDenied").with("x-amz-bucket-region", "eu-west-3");
    let server = Server::start([denied, Act::answer(200, "yes")]).await;
    asking(&server).get("k", None).await.unwrap();
    assert_eq!(regions(&server), ["us-east-1", "eu-west-3"]);

    let server = Server::start([refusal(403, "AccessDenied"), Act::answer(200, "yes")]).await;
    asking(&server).get("k", None).await.unwrap();
    assert_eq!(regions(&server), ["us-east-1", "us-east-1"]);
}
