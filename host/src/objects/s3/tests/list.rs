//! Listings of stores that do not keep to the rules.

use super::*;

fn page(keys: &[&str], next: Option<&str>) -> Act {
    let mut body = String::from("<ListBucketResult>");
    for key in keys {
        body.push_str(&format!(
            "<Contents><Key>db/{key}</Key><Size>1</Size>\
             <LastModified>2026-11-22T14:15:59.500Z</LastModified></Contents>"
        ));
    }
    body.push_str(&format!("<IsTruncated>{}</IsTruncated>", next.is_some()));
    if let Some(token) = next {
        body.push_str(&format!(
            "<NextContinuationToken>{token}</NextContinuationToken>"
        ));
    }
    body.push_str("</ListBucketResult>");
    Act::answer(200, &body)
}

async fn keys(s3: &S3, start_after: Option<&str>) -> (Vec<String>, bool) {
    let listing = s3.list("", start_after).await.unwrap();
    let keys = listing.entries.into_iter().map(|entry| entry.key).collect();
    (keys, listing.truncated)
}

#[tokio::test]
async fn a_listing_asks_for_what_comes_after() {
    let (server, s3) = scripted([page(&["0000/c"], Some("t"))]).await;
    let listing = s3.list("0000/", Some("0000/b")).await.unwrap();
    assert_eq!(listing.entries[0].key, "0000/c");
    assert_eq!(listing.entries[0].modified_ms, 1_795_356_959_500);
    assert!(listing.truncated);
    assert_eq!(
        server.lines(),
        [
            "GET /bkt?list-type=2&encoding-type=url&max-keys=1000&prefix=db%2F0000%2F\
          &start-after=db%2F0000%2Fb"
        ]
    );
}

#[tokio::test]
async fn encoded_keys_are_decoded_only_where_the_store_says_so() {
    let contents = "<Contents><Key>db/a%2Bb+c</Key><Size>1</Size>\
                    <LastModified>2026-11-22T14:15:59Z</LastModified></Contents>";
    let plain = format!("<ListBucketResult>{contents}</ListBucketResult>");
    let encoded =
        format!("<ListBucketResult>{contents}<EncodingType>url</EncodingType></ListBucketResult>");
    let (_server, s3) = scripted([Act::answer(200, &plain), Act::answer(200, &encoded)]).await;
    assert_eq!(keys(&s3, None).await.0, ["a%2Bb+c"]);
    assert_eq!(keys(&s3, None).await.0, ["a+b c"]);
}

#[tokio::test]
async fn a_store_caught_walking_is_asked_again_where_it_began_at_a_key() {
    let walking = page(&["sub/x", "sub-a"], Some("t1"));
    // The walk has passed `sub-a`: nothing before it can come any more.
    let first = (vec!["sub-a".into()], true);
    let (server, s3) = scripted([walking.clone()]).await;
    assert_eq!(keys(&s3, None).await, first);
    assert_eq!(server.seen().len(), 1);
    // Keys before that one may have been left out.
    let (server, s3) = scripted([walking.clone(), walking]).await;
    assert_eq!(keys(&s3, Some("sub-")).await, first);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_empty_page_is_not_the_end() {
    let walking = page(&["d/a", "d/b"], Some("t1")).with("Server", "SeaweedFS 30GB 4.48");
    let (server, s3) = scripted([walking, page(&["d/c", "e"], None)]).await;
    assert_eq!(
        keys(&s3, None).await,
        (["d/a", "d/b", "d/c", "e"].map(String::from).to_vec(), false)
    );
    let last = server.lines().pop().unwrap();
    assert!(
        last.contains("continuation-token=t1") && !last.contains("start-after"),
        "{last}"
    );

    let (_server, s3) = scripted([page(&[], Some("t1")), page(&["a"], None)]).await;
    assert_eq!(keys(&s3, None).await, (vec!["a".into()], false));
}

#[tokio::test]
async fn answers_that_make_no_sense_are_refused() {
    for nonsense in [
        Act::answer(200, "<html><p>Log in</p></html>"),
        Act::answer(200, ""),
        Act::answer(200, "<ListBucketResult><Contents>"),
        Act::answer(
            200,
            "<ListBucketResult><Contents><Key>other/k</Key><Size>1</Size>\
             <LastModified>2026-11-22T14:15:59Z</LastModified></Contents></ListBucketResult>",
        ),
        Act::answer(
            200,
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        ),
        Act::answer(404, "<html>404</html>"),
    ] {
        let (server, s3) = scripted([nonsense.clone()]).await;
        let result = s3.list("", None).await;
        assert!(
            matches!(result, Err(Error::Invalid(_))),
            "{nonsense:?}: {result:?}"
        );
        assert_eq!(server.seen().len(), 1);
    }
}
