//! Pages of which no object has a version, and pages that were cut off in between.

use super::*;

/// Ships a transaction with just these pages, also if the database grows by others.
fn ship_just(replica: &mut Replica, pages: &[u32], commit: u32) {
    let mut state = replica.states.last().unwrap().clone();
    state.resize(commit as usize, Vec::new());
    for &pgno in pages {
        state[pgno as usize - 1] = replica.noise();
    }
    replica.states.push(state);
    replica.written.push(pages.to_vec());
    let newest = replica.newest();
    replica.put(0, newest, newest, pages);
}

/// The newest state, with zeros where it has no page.
fn check_with_holes(replica: &Replica, missing: u32) {
    let (restored, file) = replica.restore().unwrap();
    let newest = replica.newest();
    let size = replica.page_size.bytes();
    let pages = replica.states[newest as usize].iter().cloned();
    let filled = pages.map(|mut page| {
        page.resize(size, 0);
        page
    });
    assert!(file.bytes.borrow()[..] == filled.collect::<Vec<_>>().concat()[..]);
    assert_eq!(restored.missing_pages, missing);
    assert!(restored.checksum_verified);
    assert_eq!(restored.page_checksums, replica.page_checksums(newest));
}

#[test]
fn a_page_that_nobody_wrote_is_zeros_and_counted() {
    for grown in [5, 500] {
        let mut replica = Replica::new(4096);
        replica.commit(&[], 200);
        ship_just(&mut replica, &[2, 200 + grown], 200 + grown);
        check_with_holes(&replica, grown - 1);
    }
}

#[test]
fn missing_pages_at_the_end_are_zeros_too() {
    let mut replica = Replica::new(512);
    replica.commit(&[], 2);
    ship_just(&mut replica, &[1], 9);
    check_with_holes(&replica, 7);
}

#[test]
fn pages_that_were_cut_off_do_not_come_back_when_the_database_grows_again() {
    for pages in [10, 1000] {
        let mut replica = Replica::new(4096);
        replica.commit(&[], pages);
        replica.commit(&[1], pages / 2);
        ship_just(&mut replica, &[pages], pages);
        check_with_holes(&replica, pages - pages / 2 - 1);
        let mut checksums = replica.page_checksums(1);
        replica.roll(1, &mut checksums).unwrap();
        assert_eq!(checksums, replica.page_checksums(3));
    }
}
