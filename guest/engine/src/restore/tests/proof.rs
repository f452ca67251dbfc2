//! Proving replicas whose writer left no checksums of the database, as Litestream's.

use super::*;
use crate::replica::levels::schedule::Schedule;
use crate::restore::proof::read_replica;

fn found(replica: &Replica) -> Vec<String> {
    let schedule = Schedule::default();
    let (store, environment) = (&replica.store, &replica.environment);
    let read = async {
        let listing = list_all(store, environment, replica.layout).await?;
        read_replica(store, environment, replica.layout, &listing, &schedule, 8).await
    };
    block_on(read).unwrap().findings
}

/// Five transactions, of which two were merged, and two snapshots.
fn without_checksums() -> Replica {
    let mut replica = Replica::new(512);
    replica.checksums = false;
    replica.commit(&[], 5);
    replica.commit(&[2, 4], 6);
    replica.commit(&[1], 6);
    replica.commit(&[3], 4);
    replica.commit(&[1], 8);
    replica.merge(9, 1, 2);
    replica.merge(1, 3, 4);
    replica.merge(9, 1, 4);
    replica
}

#[test]
fn a_sound_one_is_sound() {
    assert_eq!(found(&without_checksums()), [""; 0]);
}

#[test]
fn a_snapshot_of_another_database_is_noticed_by_its_pages() {
    let (replica, mut stranger) = (without_checksums(), without_checksums());
    stranger.seed = 99;
    stranger.commit(&[1, 2, 3, 4], 4);
    let key = replica.key(9, 1, 4);
    let header = replica.header(1, 4);
    let state = stranger.states.last().unwrap();
    let pages = (1..).zip(state.iter().map(Vec::as_slice));
    replica.store.insert(&key, encode(header, pages));
    let findings = found(&replica);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with(&format!("{key}: its page 1 ")));
}

#[test]
fn a_merged_object_that_lacks_a_page_is_noticed() {
    let replica = without_checksums();
    let key = replica.put(1, 3, 4, &[1]);
    let lacks = "it lacks page 3, which changed in its transactions";
    assert_eq!(found(&replica), [format!("{key}: {lacks}")]);
}

#[test]
fn a_database_of_another_length_is_noticed() {
    let replica = without_checksums();
    let key = replica.key(1, 3, 4);
    let header = Header {
        commit: 5,
        ..replica.header(3, 4)
    };
    replica.store.insert(&key, encode(header, []));
    let findings = found(&replica);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].contains("has 5 pages"), "{findings:?}");
}

#[test]
fn a_merged_object_that_says_another_checksum_of_the_database_is_noticed() {
    let mut replica = without_checksums();
    replica.checksums = true;
    (1..=5).for_each(|txid| replica.ship(txid));
    let mut header = replica.header(3, 4);
    header.extra = replica.header(3, 3).extra;
    let state = &replica.states[4];
    let pages = [1, 3].map(|pgno| (pgno, &state[pgno as usize - 1][..]));
    let key = replica.key(1, 3, 4);
    replica.store.insert(&key, encode(header, pages));
    let findings = found(&replica);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with(&format!("{key}: it says")));
}

#[test]
fn what_litestream_wrote_is_proven() {
    let replica = Replica::new(4096);
    let body = include_bytes!("../../../tests/vectors/L2.ltx");
    replica.store.insert(&replica.key(2, 1, 7), body.to_vec());
    assert_eq!(found(&replica), [""; 0]);
}

#[test]
fn a_large_object_is_read_in_pieces_and_one_that_is_cut_short_is_named() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 1000);
    replica.commit(&[5], 1000);
    assert_eq!(found(&replica), [""; 0]);
    let key = replica.key(0, 1, 1);
    let mut body = replica.store.body(&key).unwrap();
    body.truncate(2_000_000);
    replica.store.insert(&key, body);
    let findings = found(&replica);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with(&key), "{findings:?}");
}

#[test]
fn another_page_size_begins_anew() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 3);
    replica.page_size = PageSize::new(1024).unwrap();
    replica.commit(&[1, 2, 3], 3);
    replica.commit(&[2], 3);
    assert_eq!(found(&replica), [""; 0]);
}
