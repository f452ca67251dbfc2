//! The directory as a store.

use super::*;
use crate::objects::{Location, Store};

struct Fixture {
    directory: tempfile::TempDir,
    store: Store,
}

async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/made/yet");
    let store = Store::open(Location::Directory { path }).await.unwrap();
    Fixture { directory, store }
}

impl Fixture {
    fn root(&self) -> PathBuf {
        self.directory.path().join("not/made/yet")
    }

    async fn put(
        &self,
        key: &str,
        body: &'static str,
        condition: Condition,
    ) -> Result<String, Error> {
        self.store
            .put(
                key,
                Bytes::from_static(body.as_bytes()),
                condition,
                1_700_000_000_123,
            )
            .await
    }

    async fn get(&self, key: &str) -> Result<String, Error> {
        let bytes = self.store.get(key, None).await?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn keys(&self, prefix: &str, start_after: Option<&str>) -> Vec<String> {
        let listing = self.store.list(prefix, start_after).await.unwrap();
        listing.entries.into_iter().map(|entry| entry.key).collect()
    }

    /// Files of our own below the root.
    fn temporary_files(&self) -> Vec<PathBuf> {
        fn walk(path: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else if path.file_name().unwrap().to_str().unwrap().contains("tmp") {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.root(), &mut found);
        found
    }
}

#[tokio::test]
async fn a_put_object_can_be_read_and_listed_with_its_time() {
    let at = fixture().await;
    at.put("0000/a.ltx", "hello", Condition::None)
        .await
        .unwrap();

    assert_eq!(at.get("0000/a.ltx").await.unwrap(), "hello");
    let listing = at.store.list("0000/", None).await.unwrap();
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].size, 5);
    assert_eq!(listing.entries[0].modified_ms, 1_700_000_000_123);
    assert!(!listing.truncated);
    assert_eq!(at.temporary_files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn of_eight_creators_exactly_one_wins() {
    let at = fixture().await;
    for round in 0..20 {
        let key = format!("0000/{round}");
        let bodies = ["0", "1", "2", "3", "4", "5", "6", "7"];
        let puts = bodies.map(|body| at.put(&key, body, Condition::IfAbsent));
        let results = futures::future::join_all(puts).await;

        let winners: Vec<usize> = (0..8).filter(|&index| results[index].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        assert_eq!(at.get(&key).await.unwrap(), bodies[winners[0]]);
        for result in results.iter().filter(|result| result.is_err()) {
            assert!(
                matches!(result, Err(Error::PreconditionFailed(_))),
                "{result:?}"
            );
        }
    }
    assert_eq!(at.temporary_files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_put_if_match_replaces_only_that_version() {
    let at = fixture().await;
    let absent = at
        .put("lock", "x", Condition::IfMatch("\"e\"".into()))
        .await;
    assert!(
        matches!(absent, Err(Error::PreconditionFailed(_))),
        "{absent:?}"
    );

    let first = at.put("lock", "one", Condition::IfAbsent).await.unwrap();
    let second = at
        .put("lock", "two", Condition::IfMatch(first.clone()))
        .await
        .unwrap();
    let stale = at.put("lock", "three", Condition::IfMatch(first)).await;

    assert!(
        matches!(stale, Err(Error::PreconditionFailed(_))),
        "{stale:?}"
    );
    assert_eq!(at.get("lock").await.unwrap(), "two");
    at.put("lock", "four", Condition::IfMatch(second))
        .await
        .unwrap();
}

#[tokio::test]
async fn no_version_is_replaced_twice() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 15;
    let at = fixture().await;
    let first = at.put("counter", "0", Condition::None).await.unwrap();
    let known = std::sync::Mutex::new(std::collections::HashMap::from([(first, 0)]));
    let newest = || {
        let known = known.lock().unwrap();
        let (etag, count): (&String, &usize) =
            known.iter().max_by_key(|(_, count)| **count).unwrap();
        (etag.clone(), *count)
    };
    let count_up = async |_| {
        let mut counted = 0;
        let began = std::time::Instant::now();
        while counted < ROUNDS {
            assert!(
                began.elapsed().as_secs() < 60,
                "a version that was replaced is back"
            );
            let (etag, count) = newest();
            let body = Bytes::from((count + 1).to_string());
            let put = at
                .store
                .put("counter", body, Condition::IfMatch(etag), 0)
                .await;
            if let Ok(etag) = put {
                let before = known.lock().unwrap().insert(etag, count + 1);
                assert_eq!(before, None, "two writers replaced version {count}");
                counted += 1;
            }
        }
    };
    futures::future::join_all((0..WRITERS).map(count_up)).await;
    let reached = newest().1;
    assert_eq!(reached, WRITERS * ROUNDS);
    assert_eq!(at.get("counter").await.unwrap(), reached.to_string());
}

#[tokio::test]
async fn ranges_are_cut_at_the_end() {
    let at = fixture().await;
    at.put("k", "0123456789", Condition::None).await.unwrap();
    let read = async |offset, length| at.store.get("k", Some(Range { offset, length })).await;

    assert_eq!(read(2, 3).await.unwrap(), "234");
    assert_eq!(read(8, 100).await.unwrap(), "89");
    for (offset, length) in [(10, 1), (11, 1), (0, 0), (u64::MAX, 2)] {
        let result = read(offset, length).await;
        assert!(
            matches!(result, Err(Error::Invalid(_))),
            "{offset}+{length}: {result:?}"
        );
    }
}

#[tokio::test]
async fn listings_are_in_byte_order_and_page_on() {
    let at = fixture().await;
    let mut keys: Vec<String> = ["a", "l/sub/x", "l/sub/y", "l/sub-a", "l/sub.b", "l/zz", "m"]
        .map(String::from)
        .to_vec();
    for key in &keys {
        at.put(key, "", Condition::None).await.unwrap();
    }
    keys.sort();

    assert_eq!(at.keys("", None).await, keys);
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(
            at.keys("", Some(key)).await,
            keys[index + 1..],
            "after {key}"
        );
    }
    assert_eq!(
        at.keys("l/sub", None).await,
        ["l/sub-a", "l/sub.b", "l/sub/x", "l/sub/y"]
    );
    assert_eq!(
        at.keys("l/sub/", Some("l/sub.b")).await,
        ["l/sub/x", "l/sub/y"]
    );
    assert_eq!(at.keys("nothing/", None).await, Vec::<String>::new());

    let first = walk::list(&at.root(), "", None, 3).unwrap();
    assert_eq!(first.entries.len(), 3);
    assert!(first.truncated);
    let all = walk::list(&at.root(), "", None, keys.len()).unwrap();
    assert!(!all.truncated);
}

#[tokio::test]
async fn deleting_is_done_also_where_nothing_was() {
    let at = fixture().await;
    assert_eq!(at.store.delete(&["none".into()]).await, Ok(vec![]));
    at.put("a/1", "", Condition::None).await.unwrap();
    at.put("b/2", "", Condition::None).await.unwrap();

    let keys = ["a/1", "a/none", "b/2", "a/1/below-a-file"].map(String::from);
    assert_eq!(at.store.delete(&keys).await, Ok(vec![]));

    assert_eq!(at.keys("", None).await, Vec::<String>::new());
    assert!(matches!(at.get("a/1").await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn an_upload_shows_nothing_before_it_is_complete() {
    let at = fixture().await;
    let upload = at
        .store
        .start_upload("0009/snap", 1_700_000_000_123)
        .await
        .unwrap();
    let (second, first) = tokio::join!(
        upload.part(2, 5, Bytes::from_static(b"world")),
        upload.part(1, 0, Bytes::from_static(b"hello")),
    );
    first.unwrap();
    second.unwrap();
    assert_eq!(at.keys("", None).await, Vec::<String>::new());

    let etag = upload.complete(Condition::IfAbsent).await.unwrap();

    assert_eq!(at.get("0009/snap").await.unwrap(), "helloworld");
    at.put("0009/snap", "next", Condition::IfMatch(etag))
        .await
        .unwrap();
    assert!(
        upload.complete(Condition::None).await.is_err(),
        "it is over"
    );
    assert_eq!(at.temporary_files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_upload_with_a_hole_or_a_rival_is_not_completed() {
    let at = fixture().await;
    at.put("taken", "theirs", Condition::None).await.unwrap();
    let upload = at.store.start_upload("taken", 0).await.unwrap();
    upload.part(1, 1, Bytes::from_static(b"x")).await.unwrap();
    assert!(matches!(
        upload.complete(Condition::None).await,
        Err(Error::Invalid(_))
    ));

    upload.part(1, 0, Bytes::from_static(b"x")).await.unwrap();
    let refused = upload.complete(Condition::IfAbsent).await;
    assert!(
        matches!(refused, Err(Error::PreconditionFailed(_))),
        "{refused:?}"
    );

    drop(upload);
    assert_eq!(at.get("taken").await.unwrap(), "theirs");
    assert_eq!(at.temporary_files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let at = fixture().await;
    let upload = at.store.start_upload("k", 0).await.unwrap();
    upload.part(1, 0, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(at.temporary_files().len(), 1);

    upload.abort().await;

    assert_eq!(at.temporary_files(), Vec::<PathBuf>::new());
    assert!(upload.part(2, 1, Bytes::from_static(b"y")).await.is_err());
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_a_forbidden_one_denied() {
    let path = Path::new("/replica/x");
    let full = told("write", path)(io::Error::from(io::ErrorKind::StorageFull));
    assert!(
        matches!(&full, Error::Unavailable(text) if text.contains("make room")),
        "{full}"
    );
    let forbidden = told("write", path)(io::Error::from(io::ErrorKind::PermissionDenied));
    assert!(matches!(forbidden, Error::Denied(_)), "{forbidden}");
    let full = told("write", path)(io::Error::from_raw_os_error(libc::ENOSPC));
    assert!(matches!(full, Error::Unavailable(_)), "{full}");
}

#[tokio::test]
async fn a_file_in_the_way_of_a_directory_is_an_error_not_a_panic() {
    let at = fixture().await;
    at.put("a", "file", Condition::None).await.unwrap();
    let result = at.put("a/b", "x", Condition::IfAbsent).await;
    assert!(result.is_err(), "{result:?}");
    assert_eq!(at.get("a").await.unwrap(), "file");
}
