//! The S3 client against a real server: SeaweedFS, which checks signatures and conditions
//! strictly and lists directory by directory.

mod weed;

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::join_all;
use seawall::objects::{Condition, Error, Range, Secret, Store};
use weed::{BUCKET, Weed};

const TIME: u64 = 1_700_000_000_120;
const PART_BYTES: usize = 5 << 20;

/// One server for all, as starting it takes most of the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_s3_client_and_seaweedfs_agree() {
    let weed = Weed::start().await;
    macro_rules! scenarios {
        ($($name:ident)*) => {$(
            let began = std::time::Instant::now();
            $name(&weed).await;
            println!("{:>6} ms  {}", began.elapsed().as_millis(), stringify!($name));
        )*};
    }
    scenarios! {
        objects_are_kept_with_their_time
        ranges_are_cut_at_the_end
        odd_keys_survive
        of_eight_creators_exactly_one_wins
        a_put_if_match_replaces_only_that_version
        more_keys_than_a_page_are_listed_in_order
        neighbours_of_directories_are_listed_in_order
        an_empty_path_works
        what_is_deleted_is_gone
        an_upload_appears_whole_and_under_its_condition
        an_abandoned_upload_leaves_nothing
        unsigned_bodies_are_taken
        wrong_credentials_are_told_apart
        a_missing_bucket_is_named
    }
}

async fn put(store: &Store, key: &str, body: &str) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    store.put(key, body, Condition::None, TIME).await.unwrap()
}

async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let listing = store
            .list(prefix, keys.last().map(String::as_str))
            .await
            .unwrap();
        keys.extend(listing.entries.into_iter().map(|entry| entry.key));
        if !listing.truncated {
            return keys;
        }
    }
}

async fn objects_are_kept_with_their_time(weed: &Weed) {
    let store = weed.store("time").await;
    put(&store, "0000/a.ltx", "hello").await;
    assert_eq!(store.get("0000/a.ltx", None).await.unwrap(), "hello");

    let headers = weed.headers("time/0000/a.ltx").to_lowercase();
    assert!(
        headers.contains("x-amz-meta-litestream-timestamp: 2023-11-14t22:13:20.12z"),
        "{headers}"
    );

    let listing = store.list("0000/", None).await.unwrap();
    assert_eq!((listing.entries.len(), listing.entries[0].size), (1, 5));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    assert!(
        now - listing.entries[0].modified_ms < 60_000,
        "the store's own time"
    );

    let absent = store.get("0000/b.ltx", None).await;
    assert!(matches!(absent, Err(Error::NotFound(_))), "{absent:?}");
    put(&store, "empty", "").await;
    assert_eq!(store.get("empty", None).await.unwrap(), "");
}

async fn ranges_are_cut_at_the_end(weed: &Weed) {
    let store = weed.store("ranges").await;
    put(&store, "k", "0123456789").await;
    let read = async |offset, length| store.get("k", Some(Range { offset, length })).await;
    assert_eq!(read(2, 3).await.unwrap(), "234");
    assert_eq!(read(8, 100).await.unwrap(), "89");
    let beyond = read(10, 1).await;
    assert!(matches!(beyond, Err(Error::Invalid(_))), "{beyond:?}");
}

async fn odd_keys_survive(weed: &Weed) {
    let store = weed.store("odd").await;
    let mut odd = [
        "a b",
        "a+b",
        "100%",
        "ü/é",
        "q?x=1&y",
        "<k>'\"",
        "~.-_",
        "(1)!*,;:@$",
    ];
    for key in odd {
        put(&store, key, key).await;
        assert_eq!(store.get(key, None).await.unwrap(), key);
    }
    odd.sort_unstable();
    assert_eq!(keys(&store, "").await, odd);
    let all = odd.map(String::from);
    assert_eq!(store.delete(&all).await, Ok(vec![]));
    assert_eq!(keys(&store, "").await, Vec::<String>::new());
}

async fn of_eight_creators_exactly_one_wins(weed: &Weed) {
    // A store of its own for each, so that each has connections of its own.
    let stores = join_all((0..8).map(|_| weed.store("race"))).await;
    // Few rounds: SeaweedFS makes some of the losers wait for a second or two.
    for round in 0..3 {
        let key = format!("0000/{round}");
        let bodies: Vec<Bytes> = (0..8)
            .map(|writer| Bytes::from(format!("{writer}")))
            .collect();
        let results = join_all(
            stores
                .iter()
                .zip(&bodies)
                .map(|(store, body)| store.put(&key, body.clone(), Condition::IfAbsent, TIME)),
        )
        .await;
        let winners: Vec<usize> = (0..8).filter(|&index| results[index].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        assert_eq!(stores[0].get(&key, None).await.unwrap(), bodies[winners[0]]);
        for result in results.iter().filter(|result| result.is_err()) {
            assert!(
                matches!(result, Err(Error::PreconditionFailed(_))),
                "{result:?}"
            );
        }
    }
}

async fn a_put_if_match_replaces_only_that_version(weed: &Weed) {
    let store = weed.store("match").await;
    let put_if = async |body: &'static str, etag: &str| {
        let body = Bytes::from_static(body.as_bytes());
        store
            .put("lock", body, Condition::IfMatch(etag.to_owned()), TIME)
            .await
    };
    let first = put(&store, "lock", "one").await;
    put_if("two", &first).await.unwrap();
    let stale = put_if("three", &first).await;
    assert!(
        matches!(stale, Err(Error::PreconditionFailed(_))),
        "{stale:?}"
    );
    assert_eq!(store.get("lock", None).await.unwrap(), "two");
}

async fn more_keys_than_a_page_are_listed_in_order(weed: &Weed) {
    let store = weed.store("paging").await;
    let mut expected: Vec<String> = (1..=1_150)
        .map(|txid| format!("0000/{txid:016x}-{txid:016x}.ltx"))
        .collect();
    for some in expected.chunks(32) {
        join_all(some.iter().map(|key| put(&store, key, "x"))).await;
    }
    put(&store, "0001/x", "x").await;

    let first = store.list("0000/", None).await.unwrap();
    assert_eq!(first.entries.len(), 1000);
    assert!(first.truncated);
    assert_eq!(keys(&store, "0000/").await, expected);

    let rest = store.list("0000/", Some(&expected[999])).await.unwrap();
    assert_eq!((rest.entries.len(), rest.truncated), (150, false));

    let deleted: Vec<String> = expected.drain(..1_100).collect();
    assert_eq!(store.delete(&deleted).await, Ok(vec![]));
    assert_eq!(keys(&store, "0000/").await, expected);
}

async fn neighbours_of_directories_are_listed_in_order(weed: &Weed) {
    let store = weed.store("walk").await;
    let expected = ["l/sub-a", "l/sub.b", "l/sub/x", "l/sub/y", "l/zz"];
    for key in expected {
        put(&store, key, "x").await;
    }
    assert_eq!(keys(&store, "l/").await, expected);
    for (index, key) in expected.iter().enumerate() {
        let listing = store.list("l/", Some(key)).await.unwrap();
        let after: Vec<&str> = listing
            .entries
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        assert_eq!(after, expected[index + 1..], "after {key}");
    }
}

async fn an_empty_path_works(weed: &Weed) {
    let store = weed.store("").await;
    put(&store, "0000/root", "x").await;
    assert_eq!(keys(&store, "0000/").await, ["0000/root"]);
    assert_eq!(store.delete(&["0000/root".into()]).await, Ok(vec![]));
    assert_eq!(keys(&store, "0000/").await, Vec::<String>::new());
}

async fn what_is_deleted_is_gone(weed: &Weed) {
    let store = weed.store("delete").await;
    for key in ["0000/1", "0000/2", "0000/3", "keep"] {
        put(&store, key, "x").await;
    }
    let some = ["0000/1", "0000/none", "0000/3"].map(String::from);
    assert_eq!(store.delete(&some).await, Ok(vec![]));
    assert_eq!(keys(&store, "").await, ["0000/2", "keep"]);
    assert_eq!(store.delete(&["none".into()]).await, Ok(vec![]));
    assert_eq!(store.delete(&[]).await, Ok(vec![]));
}

async fn an_upload_appears_whole_and_under_its_condition(weed: &Weed) {
    let store = weed.store("upload").await;
    let parts: Vec<Bytes> = [b'a', b'b', b'c']
        .map(|fill| Bytes::from(vec![fill; PART_BYTES]))
        .to_vec();
    let winner = store.start_upload("0009/snap", TIME).await.unwrap();
    let loser = store.start_upload("0009/snap", TIME).await.unwrap();
    let sent = join_all((1..).zip(&parts).map(|(number, part)| {
        winner.part(
            number,
            (number as u64 - 1) * PART_BYTES as u64,
            part.clone(),
        )
    }));
    assert!(sent.await.iter().all(Result::is_ok));
    loser.part(1, 0, Bytes::from_static(b"late")).await.unwrap();
    assert_eq!(keys(&store, "").await, Vec::<String>::new());

    // One after the other: when they race, SeaweedFS 4.48 sometimes lets both win.
    winner.complete(Condition::IfAbsent).await.unwrap();
    let refused = loser.complete(Condition::IfAbsent).await;

    assert!(
        matches!(refused, Err(Error::PreconditionFailed(_))),
        "{refused:?}"
    );
    let whole = store.get("0009/snap", None).await.unwrap();
    assert_eq!(whole, parts.concat());
    let headers = weed.headers("upload/0009/snap").to_lowercase();
    assert!(
        headers.contains("x-amz-meta-litestream-timestamp"),
        "{headers}"
    );
}

async fn an_abandoned_upload_leaves_nothing(weed: &Weed) {
    let store = weed.store("abort").await;
    let upload = store.start_upload("k", TIME).await.unwrap();
    upload.part(1, 0, Bytes::from_static(b"x")).await.unwrap();
    upload.abort().await;
    let over = upload.complete(Condition::None).await;
    assert!(matches!(over, Err(Error::Invalid(_))), "{over:?}");

    // Another's upload of the same name is not touched.
    let upload = store.start_upload("k", TIME).await.unwrap();
    upload.part(1, 0, Bytes::from_static(b"y")).await.unwrap();
    upload.complete(Condition::IfAbsent).await.unwrap();
    assert_eq!(store.get("k", None).await.unwrap(), "y");
}

async fn unsigned_bodies_are_taken(weed: &Weed) {
    let mut location = weed.location("unsigned");
    location.sign_payload = false;
    location.content_md5 = false;
    let store = Store::open(location.into()).await.unwrap();
    put(&store, "k", "body").await;
    assert_eq!(store.get("k", None).await.unwrap(), "body");
}

async fn wrong_credentials_are_told_apart(weed: &Weed) {
    for (id, secret, hint) in [
        (
            "AK",
            "wrong",
            "the secret key does not belong to the access key",
        ),
        ("unknown", "SK", "does not know this access key"),
        ("RAK", "RSK", "lack the right"),
    ] {
        let mut location = weed.location("denied");
        location.access_key_id = Some(id.into());
        location.secret_access_key = Some(Secret::new(secret));
        let store = Store::open(location.into()).await.unwrap();
        let result = store
            .put("k", Bytes::from_static(b"x"), Condition::IfAbsent, TIME)
            .await;
        let Err(Error::Denied(text)) = result else {
            panic!("{id}: {result:?}")
        };
        assert!(text.contains(hint), "{text}");
        assert!(!text.contains("wrong"), "{text}");
    }
}

async fn a_missing_bucket_is_named(weed: &Weed) {
    let mut location = weed.location("");
    location.bucket = "not-made".into();
    let store = Store::open(location.into()).await.unwrap();
    let texts = BTreeSet::from(
        [
            store.get("k", None).await.unwrap_err(),
            store.list("", None).await.unwrap_err(),
            store.delete(&["k".into()]).await.unwrap_err(),
            store.delete(&["k".into(), "l".into()]).await.unwrap_err(),
        ]
        .map(|error| {
            assert!(matches!(error, Error::NotFound(_)), "{error}");
            error.to_string()
        }),
    );
    for text in texts {
        assert!(text.contains("there is no bucket \"not-made\""), "{text}");
        assert!(!text.contains(BUCKET), "{text}");
    }
}
