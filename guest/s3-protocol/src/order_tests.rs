//! A store that walks through directories must look like one that lists in byte order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn entry(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        size: 0,
        modified_ms: 0,
    }
}

/// The order of a walk: by the parts between slashes.
fn walk_order(key: &str) -> Vec<&str> {
    key.split('/').collect()
}

/// What a store that walks answers: `page` keys of the prefix that come after a place in the walk.
fn walk(keys: &BTreeSet<String>, prefix: &str, after: Option<&str>, page: usize) -> Listing {
    let mut found: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| key.starts_with(prefix))
        .filter(|key| after.is_none_or(|after| walk_order(key) > walk_order(after)))
        .collect();
    found.sort_by_key(|key| walk_order(key));
    let truncated = found.len() > page;
    Listing {
        entries: found.into_iter().take(page).map(entry).collect(),
        truncated,
    }
}

/// All keys, by repeated answers as a caller asks for them.
fn read_all(keys: &BTreeSet<String>, prefix: &str, page: usize) -> Vec<String> {
    let mut read: Vec<String> = Vec::new();
    loop {
        let start_after = read.last().cloned();
        let answer = answer(keys, prefix, start_after.as_deref(), page);
        read.extend(answer.entries.into_iter().map(|entry| entry.key));
        if !answer.truncated {
            return read;
        }
        assert!(
            read.last() > start_after.as_ref(),
            "the caller makes progress"
        );
    }
}

fn answer(
    keys: &BTreeSet<String>,
    prefix: &str,
    start_after: Option<&str>,
    page: usize,
) -> Listing {
    let mut gathered = Gathered::new(Order::Directories, prefix, start_after);
    let mut place = start_after.map(|after| marker(Order::Directories, prefix, after));
    loop {
        let listing = walk(keys, prefix, place.as_deref(), page);
        place = listing
            .entries
            .last()
            .map(|entry| entry.key.clone())
            .or(place);
        gathered.add(listing);
        if let Some(answer) = gathered.answer() {
            return answer;
        }
    }
}

#[test]
fn the_trap_of_a_directory_and_its_neighbour() {
    let keys = ["l/sub-a", "l/sub.b", "l/sub/x", "l/sub/y", "l/zz"].map(String::from);
    let set = BTreeSet::from(keys.clone());
    assert_eq!(
        walk(&set, "l/", None, 9).entries[0].key,
        "l/sub/x",
        "the model has the trap"
    );
    for page in 1..7 {
        assert_eq!(read_all(&set, "l/", page), keys, "{page} keys a page");
        assert_eq!(
            read_all(&set, "l/su", page),
            keys[..4],
            "{page} keys a page"
        );
    }
}

#[test]
fn names_of_the_layout_cost_one_listing_a_page() {
    let names: BTreeSet<String> = (1..=50)
        .map(|txid| format!("0000/{txid:016x}-{txid:016x}.ltx"))
        .collect();
    let after = format!("0000/{:016x}-{:016x}.ltx", 40, 40);
    let place = marker(Order::Directories, "0000/", &after);
    assert!(
        place < after && place > format!("0000/{:016x}-", 0x1f),
        "{place}"
    );
    assert_eq!(answer(&names, "0000/", Some(&after), 20).entries.len(), 10);
    assert_eq!(marker(Order::Bytes, "0000/", &after), after);
}

#[test]
fn a_listing_in_byte_order_is_answered_at_once() {
    let mut gathered = Gathered::new(Order::Bytes, "", Some("a"));
    gathered.add(Listing {
        entries: vec![entry("b"), entry("c/d")],
        truncated: true,
    });
    assert!(!gathered.is_disordered());
    let answer = gathered.answer().unwrap();
    assert_eq!(answer.entries.len(), 2);
    assert!(answer.truncated);
}

#[test]
fn disorder_is_noticed() {
    let listing = |keys: [&str; 2]| Listing {
        entries: keys.map(entry).to_vec(),
        truncated: false,
    };
    for (start_after, keys, disordered) in [
        (None, ["a", "b"], false),
        (None, ["b", "a"], true),
        (None, ["a", "a"], true),
        (Some("a"), ["a", "b"], true),
        (Some("a"), ["b", "c"], false),
    ] {
        let mut gathered = Gathered::new(Order::Bytes, "", start_after);
        gathered.add(listing(keys));
        assert_eq!(
            gathered.is_disordered(),
            disordered,
            "{start_after:?} {keys:?}"
        );
    }
}

proptest! {
    #[test]
    fn whatever_the_keys_all_come_in_byte_order(
        keys in prop::collection::btree_set("[ab]([-./ab]{0,4}[ab])?", 0..40),
        prefix in "([ab]/?)?",
        page in 1..8_usize,
    ) {
        // A name cannot be a file and a directory.
        let is_directory = |key: &str| keys.iter().any(|other| other.starts_with(&format!("{key}/")));
        let keys: BTreeSet<String> = keys
            .iter()
            .filter(|key| !key.contains("//") && !is_directory(key))
            .cloned()
            .collect();
        let expected: Vec<String> =
            keys.iter().filter(|key| key.starts_with(&prefix)).cloned().collect();
        prop_assert_eq!(read_all(&keys, &prefix, page), expected);
    }
}
