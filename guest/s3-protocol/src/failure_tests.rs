//! Refusals of stores as they have been seen, and what they must mean.

use http::Method;

use super::*;

fn refused(status: u16, body: &str) -> Failure {
    refused_to(&Request::of_object(Method::PUT, "db/k"), status, body)
}

fn refused_to(request: &Request<'_>, status: u16, body: &str) -> Failure {
    from_refusal(
        request,
        &Refusal {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.as_bytes(),
            retry_after: None,
            region: None,
            clock_ahead_seconds: Some(7200),
            bucket: "bkt",
            site: "http://store",
        },
    )
}

fn document(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>Because.</Message></Error>")
}

#[test]
fn every_known_refusal_has_its_meaning() {
    use Kind::*;
    // (status, code, kind, is tried again, may have taken effect)
    for (status, code, kind, again, doubt) in [
        (503, "SlowDown", Throttled, true, false),
        (429, "", Throttled, true, false),
        (503, "ServiceUnavailable", Unavailable, true, false),
        (503, "", Unavailable, true, true),
        (500, "InternalError", Unavailable, true, true),
        (502, "", Unavailable, true, true),
        (504, "", Unavailable, true, true),
        (409, "ConditionalRequestConflict", Unavailable, true, false),
        (412, "PreconditionFailed", PreconditionFailed, false, false),
        (412, "", PreconditionFailed, false, false),
        (400, "RequestTimeout", Unavailable, true, false),
        (400, "BadDigest", Unavailable, true, false),
        (400, "ExpiredToken", Denied, false, false),
        (403, "AccessDenied", Denied, false, false),
        (403, "RequestTimeTooSkewed", Denied, false, false),
        (404, "NoSuchKey", NotFound, false, false),
        (404, "", NotFound, false, false),
        (416, "InvalidRange", Invalid, false, false),
        (501, "NotImplemented", Invalid, false, false),
        (400, "InvalidArgument", Invalid, false, false),
    ] {
        let body = if code.is_empty() {
            String::new()
        } else {
            document(code)
        };
        let failure = refused(status, &body);
        assert_eq!(
            (failure.kind, failure.again != Again::No, failure.doubt),
            (kind, again, doubt),
            "{status} {code}"
        );
    }
}

#[test]
fn a_page_of_another_server_is_not_taken_for_an_absent_object() {
    let failure = refused(404, "<html><body>nginx</body></html>");
    assert_eq!(failure.kind, Kind::Invalid);
    assert!(
        failure.text.contains("is the endpoint http://store right?"),
        "{}",
        failure.text
    );
}

#[test]
fn a_missing_bucket_is_named() {
    let failure = refused(404, &document("NoSuchBucket"));
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(
        failure.text.contains("no bucket \"bkt\" at http://store"),
        "{}",
        failure.text
    );
}

#[test]
fn a_wrong_clock_is_told_by_how_much() {
    let failure = refused(403, &document("RequestTimeTooSkewed"));
    assert!(failure.text.contains("7200 s behind"), "{}", failure.text);
}

#[test]
fn a_store_without_conditional_writes_is_told_from_other_missing_things() {
    let mut request = Request::of_object(Method::PUT, "k");
    request.headers.push(("if-none-match", "*".into()));
    let failure = refused_to(&request, 501, &document("NotImplemented"));
    assert!(
        failure.text.contains("does not support conditional writes"),
        "{}",
        failure.text
    );
    assert!(
        !refused(501, &document("NotImplemented"))
            .text
            .contains("conditional")
    );
}

#[test]
fn doubt_makes_an_unknown_outcome_of_everything_but_a_failed_precondition() {
    let mut failure = refused(403, &document("AccessDenied"));
    assert!(matches!(
        failure.clone().into_error(Effect::Visible),
        Error::Denied(_)
    ));
    failure.doubt = true;
    assert!(matches!(
        failure.clone().into_error(Effect::Visible),
        Error::UnknownOutcome(_)
    ));
    assert!(matches!(
        failure.into_error(Effect::Repeatable),
        Error::Denied(_)
    ));

    let mut failure = refused(412, "");
    failure.doubt = true;
    assert!(matches!(
        failure.into_error(Effect::Visible),
        Error::PreconditionFailed(_)
    ));
}
