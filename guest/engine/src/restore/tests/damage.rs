//! Whatever is wrong with an object, it is named, and nothing is restored.

use super::*;
use crate::ltx::{DecodeError, FrameError, IndexError};
use crate::restore::Damage;

/// The damage that a restore tells of, which must be in the object of that key.
fn damage(replica: &Replica, expected: &str) -> Damage {
    match replica.restore().map(|_| ()) {
        Err(RestoreError::Damaged { key, damage }) => {
            assert_eq!(key, expected);
            damage
        }
        other => panic!("{other:?}"),
    }
}

fn change(replica: &Replica, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut body = replica.store.body(key).unwrap();
    change(&mut body);
    replica.store.insert(key, body);
}

/// A replica with one object of 1000 pages, which is read in chunks.
fn large(checksums: bool) -> (Replica, String) {
    let mut replica = Replica::new(4096);
    replica.checksums = checksums;
    replica.commit(&[], 1000);
    let key = replica.key(0, 1, 1);
    (replica, key)
}

/// In the middle of a page's bytes, which noise leaves as they are in LZ4.
const INSIDE_A_PAGE: usize = 1_000_000;

#[test]
fn a_bit_flipped_in_a_small_object_is_found() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 3);
    let key = replica.key(0, 1, 1);
    change(&replica, &key, |body| body[2000] ^= 1);
    assert!(matches!(
        damage(&replica, &key),
        Damage::File(DecodeError::FileChecksum { .. })
    ));
}

#[test]
fn a_small_object_cut_short_is_found() {
    let mut replica = Replica::new(4096);
    replica.commit(&[], 3);
    let key = replica.key(0, 1, 1);
    change(&replica, &key, |body| body.truncate(5000));
    let size = 5000;
    assert_eq!(
        damage(&replica, &key),
        Damage::File(DecodeError::Truncated { size })
    );
    change(&replica, &key, |body| body.truncate(99));
    let (offset, expected, found) = (0, 99, 99);
    assert_eq!(
        damage(&replica, &key),
        Damage::Short {
            offset,
            expected,
            found
        }
    );
}

#[test]
fn a_bit_flipped_in_a_large_object_that_is_read_whole_is_found_without_any_other_checksum() {
    let (replica, key) = large(false);
    change(&replica, &key, |body| body[INSIDE_A_PAGE] ^= 1);
    assert!(matches!(
        damage(&replica, &key),
        Damage::FileChecksum { .. }
    ));
}

#[test]
fn a_bit_flipped_in_a_header_is_found() {
    let (replica, key) = large(false);
    change(&replica, &key, |body| body[39] ^= 1);
    assert!(matches!(
        damage(&replica, &key),
        Damage::FileChecksum { .. }
    ));
}

#[test]
fn a_bit_flipped_in_an_object_that_is_read_in_part_is_found_by_the_databases_checksum() {
    let (mut replica, _) = large(true);
    let key = replica.key(0, 1, 1);
    replica.commit(&(501..=1000).collect::<Vec<_>>(), 1000);
    change(&replica, &key, |body| body[INSIDE_A_PAGE] ^= 1);
    let error = replica.restore().map(|_| ()).unwrap_err();
    let expected = Rolling::of(&replica.page_checksums(2)).value();
    let newest = replica.key(0, 2, 2);
    assert!(
        matches!(&error, RestoreError::DatabaseChecksum { key, expected: e, .. }
            if *key == newest && *e == expected),
        "{error}"
    );
}

#[test]
fn a_large_object_cut_short_is_found() {
    let (replica, key) = large(true);
    change(&replica, &key, |body| body.truncate(1_000_000));
    assert!(matches!(
        damage(&replica, &key),
        Damage::Index(IndexError::Size { .. })
    ));
}

#[test]
fn an_answer_cut_short_is_found() {
    let (replica, key) = large(true);
    let size = replica.store.body(&key).unwrap().len() as u64;
    replica.store.before_each(|store, call| {
        // Between the index and the chunks the object gets shorter.
        if call.range.is_some_and(|range| range.length > 100_000) {
            let mut body = store.body(&call.key).unwrap();
            body.truncate(3_000_000);
            store.insert(&call.key, body);
        }
        None
    });
    let Damage::Short {
        offset,
        expected,
        found,
    } = damage(&replica, &key)
    else {
        panic!("no short answer");
    };
    assert_eq!((offset, found), (100, 3_000_000 - 100));
    assert!(found < expected && expected < size);
}

#[test]
fn damaged_frames_of_a_large_object_are_named() {
    let frame = 4096 + 10 + 18; // noise becomes one literal: a token, 16 length bytes, the page
    let at = 100 + 10 * frame;
    let offset = at as u64;
    let (replica, key) = large(true);
    let index_size = replica.store.body(&key).unwrap().len();
    assert_eq!(
        index_size / frame,
        1001,
        "the frames are as long as this test takes them to be"
    );

    change(&replica, &key, |body| body[at + 5] = 9);
    let source = FrameError::Flags {
        pgno: Pgno(11),
        flags: 9,
    };
    assert_eq!(damage(&replica, &key), Damage::Frame { offset, source });

    let (replica, key) = large(true);
    change(&replica, &key, |body| body[at + 3] = 10);
    let (previous, found) = (Pgno(10), Pgno(10));
    assert_eq!(
        damage(&replica, &key),
        Damage::Descending {
            offset,
            previous,
            found
        }
    );

    let (replica, key) = large(true);
    change(&replica, &key, |body| body[at..at + 6].fill(0));
    let source = FrameError::End;
    assert_eq!(damage(&replica, &key), Damage::Frame { offset, source });
}

#[test]
fn a_frame_that_claims_to_be_another_page_is_found() {
    let mut replica = Replica::new(4096);
    replica.checksums = false;
    replica.commit(&[], 1000);
    // Every other page up to 400 is newer in the second object, which is large as well.
    let newer: Vec<u32> = (1..=400).filter(|pgno| pgno % 2 == 0).collect();
    replica.commit(&newer, 1000);
    let (key, at) = (replica.key(0, 1, 1), 100 + 10 * (4096 + 10 + 18));
    // Page 11 calls itself 12, which the newer object owns; then page 12 is not in order.
    change(&replica, &key, |body| body[at + 3] = 12);
    assert!(matches!(damage(&replica, &key), Damage::Descending { .. }));
    // Page 399 calls itself 400, and there is no 400 after it: it was cut out of the range.
    let (mut replica, key) = (replica, key);
    replica.commit(&(401..=999).collect::<Vec<_>>(), 1000);
    replica.merge(0, 1, 1);
    let at = 100 + 998 * (4096 + 10 + 18) + 4124;
    change(&replica, &key, |body| {
        body[at + 2..at + 4].copy_from_slice(&999u16.to_be_bytes())
    });
    let damage = damage(&replica, &key);
    assert!(
        matches!(
            damage,
            Damage::Pages {
                expected: 1,
                found: 0,
                ..
            }
        ),
        "{damage}"
    );
}

#[test]
fn an_object_under_another_objects_key_is_found() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 3);
    replica.commit(&[1], 3);
    let body = replica.store.body(&replica.key(0, 2, 2)).unwrap();
    let key = replica.key(0, 3, 3);
    replica.store.insert(&key, body);
    let found = ObjectName::shipped(Txid(2));
    assert_eq!(damage(&replica, &key), Damage::WrongName { found });
}

#[test]
fn another_page_size_without_a_full_copy_is_found() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 3);
    replica.page_size = PageSize::new(1024).unwrap();
    replica.commit(&[1, 2], 3);
    let (expected, found) = (replica.page_size, PageSize::new(512).unwrap());
    let key = replica.key(0, 1, 1);
    assert_eq!(damage(&replica, &key), Damage::PageSize { expected, found });
}

#[test]
fn a_database_that_is_not_what_its_writer_had_is_found() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 3);
    replica.commit(&[1], 3);
    // A sound object, but not the one that the writer built upon.
    replica.states[1][2] = replica.noise();
    replica.ship(1);
    let error = replica.restore().map(|_| ()).unwrap_err();
    assert!(
        matches!(error, RestoreError::DatabaseChecksum { .. }),
        "{error}"
    );
}

#[test]
fn an_index_with_a_page_beyond_the_end_is_found() {
    let (replica, key) = large(true);
    change(&replica, &key, |body| {
        body[12..16].copy_from_slice(&999u32.to_be_bytes())
    });
    assert!(matches!(damage(&replica, &key), Damage::IndexOrder(_)));
}

#[test]
fn a_post_apply_checksum_where_none_may_be_is_found() {
    let (replica, key) = large(true);
    change(&replica, &key, |body| {
        let at = body.len() - 9;
        body[at] = 1;
    });
    let found = 1;
    assert_eq!(
        damage(&replica, &key),
        Damage::File(DecodeError::PostApply { found })
    );
}

#[test]
fn a_rolled_forward_object_is_verified_whole() {
    let (mut replica, _) = large(true);
    replica.commit(&(1..=800).collect::<Vec<_>>(), 1000);
    let key = replica.key(0, 2, 2);
    change(&replica, &key, |body| body[INSIDE_A_PAGE] ^= 1);
    let error = replica.roll(1, &mut replica.page_checksums(1)).unwrap_err();
    assert!(
        matches!(&error, RestoreError::Damaged { key: k, damage: Damage::File(_) } if *k == key),
        "{error}"
    );
}

#[test]
fn a_size_that_no_memory_holds_is_refused() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 1);
    let mut header = replica.header(1, 1);
    header.commit = u32::MAX;
    (header.min, header.max) = (Txid(2), Txid(2));
    replica
        .store
        .insert(&replica.key(0, 2, 2), encode(header, []));
    let commit = u32::MAX;
    let error = RestoreError::TooLarge(crate::restore::TooLarge { commit });
    assert_eq!(replica.restore().map(|_| ()).unwrap_err(), error);
    assert_eq!(replica.roll(1, &mut replica.page_checksums(1)), Err(error));
}
