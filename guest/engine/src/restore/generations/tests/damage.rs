//! Backups of which something is missing or damaged.

use super::*;

/// Snapshot, three segments of WAL 0, three of WAL 1, three of WAL 2; each is put one millisecond
/// after the one before. Returns the keys in that order, and the states that they lead to.
fn backup(replica: &Replica) -> (App, Vec<String>, Vec<Vec<u8>>) {
    let app = App::new(replica, 0xa1, 1024);
    let mut keys = vec![app.snapshot()];
    let mut states = vec![app.state()];
    for _ in 0..3 {
        for _ in 0..3 {
            app.write(2);
            keys.push(app.ship());
            states.push(app.state());
        }
        app.next_wal();
    }
    (app, keys, states)
}

fn span(oldest: u64, newest: u64) -> Option<Span> {
    let (oldest, newest) = (Moment(oldest), Moment(newest));
    Some(Span { oldest, newest })
}

#[track_caller]
fn assert_broken(error: RestoreError, what: Break, next: &str, span: Option<Span>) {
    let generation = Generation(0xa1);
    let next = next.to_owned();
    let broken = GenerationError::Broken {
        generation,
        what,
        next,
        span,
    };
    assert_eq!(error, RestoreError::Generation(broken));
}

/// The offset that a segment's key says.
fn offset(key: &str) -> u64 {
    let digits = key.rsplit_once('_').unwrap().1;
    u64::from_str_radix(digits.split_once('.').unwrap().0, 16).unwrap()
}

#[test]
fn an_empty_replica_is_an_error_of_its_own() {
    let error = Replica::default().error(None);
    assert_eq!(error, RestoreError::Generation(GenerationError::Empty));
    assert_eq!(error.to_string(), "no matching backup files available");
}

#[test]
fn a_missing_segment_is_named_and_what_came_before_stays_restorable() {
    let replica = Replica::default();
    let (_app, keys, states) = backup(&replica);
    replica.store.remove(&keys[5]);
    let what = Break::Bytes {
        index: WalIndex(1),
        from: offset(&keys[5]),
        until: offset(&keys[6]),
    };
    // Also at 6, when the missing one came: nobody knows that it did not come before.
    for time in [None, Some(6), Some(7), Some(100)] {
        assert_broken(replica.error(time), what, &keys[6], span(1, 5));
    }
    replica.check(Some(5), &states[4]);
    let told = replica.error(None).to_string();
    assert!(
        told.ends_with(
            "times that can be restored: 1970-01-01T00:00:00.001Z to 1970-01-01T00:00:00.005Z"
        ),
        "{told}"
    );
}

#[test]
fn the_missing_beginning_of_a_wal_is_named() {
    let replica = Replica::default();
    let (_app, keys, states) = backup(&replica);
    replica.store.remove(&keys[4]);
    let what = Break::Bytes {
        index: WalIndex(1),
        from: 0,
        until: offset(&keys[5]),
    };
    assert_broken(replica.error(None), what, &keys[5], span(1, 4));
    assert_broken(replica.error(Some(5)), what, &keys[5], span(1, 4));
    replica.check(Some(4), &states[3]);
    // Files are read only for the last one: the others show in the listing.
    assert_eq!(replica.store.count(Operation::Get), 4);
}

#[test]
fn a_missing_wal_is_named() {
    let replica = Replica::default();
    let (_app, keys, states) = backup(&replica);
    (4..=6).for_each(|number| assert!(replica.store.remove(&keys[number])));
    let index = WalIndex(1);
    let what = Break::Wals {
        first: index,
        last: index,
    };
    assert_broken(replica.error(None), what, &keys[7], span(1, 4));
    replica.check(Some(4), &states[3]);
}

#[test]
fn a_wal_that_is_missing_right_after_the_snapshot_leaves_only_older_snapshots() {
    let replica = Replica::default();
    let app = App::new(&replica, 0xa1, 1024);
    app.snapshot();
    app.run(2);
    let state = app.state();
    app.next_wal();
    app.snapshot();
    app.write(1);
    let missing = app.ship();
    app.write(1);
    let next = app.ship();
    replica.store.remove(&missing);
    let what = Break::Bytes {
        index: WalIndex(1),
        from: 0,
        until: offset(&next),
    };
    for time in [None, Some(4), Some(5)] {
        assert_broken(replica.error(time), what, &next, span(1, 3));
    }
    replica.check(Some(3), &state);
}

#[test]
fn segments_without_a_snapshot_are_not_passed_over() {
    let replica = Replica::default();
    let (_app, keys, _) = backup(&replica);
    replica.store.remove(&keys[0]);
    let lost = |span| {
        RestoreError::Generation(GenerationError::NoSnapshot {
            generation: Generation(0xa1),
            newest: Moment(10),
            span,
        })
    };
    assert_eq!(replica.error(None), lost(None));
    // An older generation is not taken for the newest state.
    let replica = Replica::default();
    let old = App::new(&replica, 0xff, 1024);
    old.snapshot();
    let (_app, keys, _) = backup(&replica);
    replica.store.remove(&keys[0]);
    let error = replica.error(None);
    let newest = Moment(11);
    let generation = Generation(0xa1);
    let lost = GenerationError::NoSnapshot {
        generation,
        newest,
        span: span(1, 1),
    };
    assert_eq!(error, RestoreError::Generation(lost));
    replica.check(Some(1), &old.state());
}

#[test]
fn a_time_before_the_first_snapshot_is_answered_with_those_there_are() {
    let replica = Replica::default();
    replica.store.insert("other", Vec::new());
    backup(&replica);
    let wanted = Moment(1);
    let span = span(2, 11).unwrap();
    let early = GenerationError::TooEarly { wanted, span };
    assert_eq!(replica.error(Some(1)), RestoreError::Generation(early));
}

#[test]
fn bytes_that_are_there_twice_are_refused() {
    let replica = Replica::default();
    let (app, keys, _) = backup(&replica);
    let overlapping = app.segment_key(0, offset(&keys[2]) as usize - 8);
    let body = replica.store.body(&keys[2]).unwrap();
    replica.store.insert(&overlapping, body.clone());
    let what = Break::Overlap {
        index: WalIndex(0),
        from: offset(&keys[2]) - 8,
        until: offset(&keys[2]),
    };
    let error = replica.error(None);
    assert_broken(error, what, &overlapping, span(1, 2));

    replica.store.remove(&overlapping);
    let twice = keys[2].replace("_0000", "_00000000");
    replica.store.insert(&twice, body);
    let (index, offset) = (WalIndex(0), offset(&keys[2]));
    let what = Break::Twice { index, offset };
    assert!(replica.error(None).to_string().contains(&what.to_string()));
}

#[test]
fn a_flipped_bit_in_any_file_is_found_and_the_file_named() {
    for victim in [0, 1, 5, 9] {
        let replica = Replica::default();
        let (_app, keys, states) = backup(&replica);
        let body = replica.store.body(&keys[victim]).unwrap();
        for at in (0..body.len()).step_by(97) {
            let mut flipped = body.clone();
            flipped[at] ^= 0x10;
            replica.store.insert(&keys[victim], flipped);
            match replica.restore(None) {
                Err(RestoreError::Damaged { key, .. }) => assert_eq!(key, keys[victim]),
                Err(other) => panic!("byte {at}: {other}"),
                // LZ4 may repeat one stretch of zeros as well as another.
                Ok((_, file)) => assert!(file.bytes.borrow()[..] == states[9][..]),
            }
        }
    }
}

#[test]
fn damage_is_told_with_its_place_in_the_file() {
    let replica = Replica::default();
    let (_app, keys, _) = backup(&replica);
    for key in [&keys[0], &keys[5]] {
        let body = replica.store.body(key).unwrap();
        let mut flipped = body.clone();
        *flipped.last_mut().unwrap() ^= 1;
        replica.store.insert(key, flipped);
        // The end of the frame: four zeros and the checksum.
        let offset = body.len() - 8;
        let told = format!("{key} is damaged: at byte {offset}: LZ4: ContentChecksumError");
        assert_eq!(replica.error(None).to_string(), told);
        replica.store.insert(key, body);
    }
}

#[test]
fn a_file_that_is_cut_short_is_found() {
    let replica = Replica::default();
    let (_app, keys, _) = backup(&replica);
    for victim in [0, 9] {
        let body = replica.store.body(&keys[victim]).unwrap();
        for length in [0, 1, 6, 7, 11, 100, body.len() - 8, body.len() - 1] {
            let cut = body[..length].to_vec();
            replica.store.insert(&keys[victim], cut);
            let offset = length as u64;
            let truncated = InflateError::Truncated { offset };
            let told = format!("{} is damaged: {truncated}", keys[victim]);
            assert_eq!(replica.error(None).to_string(), told);
        }
        replica.store.insert(&keys[victim], body);
    }
}

#[test]
fn a_torn_tail_is_left_out_as_sqlite_would_and_told() {
    let replica = Replica::default();
    let (app, _, states) = backup(&replica);
    app.write(3);
    let wal = app.wal();
    let key = app.segment_key(3, 0);
    for length in [1, 31, 32, 33, 56, wal.len() / 2, wal.len() - 1] {
        replica.store.insert(&key, frame(&wal[..length]));
        let database = &states[9];
        replica.check(None, &checkpointed(database, &wal[..length]));
        let warnings = replica.warnings();
        assert_eq!(warnings.is_empty(), length == 32, "{length}: {warnings:?}");
        replica.environment.log.borrow_mut().clear();
    }
    let mut torn = wal.clone();
    let last = torn.len() - 1;
    torn[last] ^= 1;
    replica.store.insert(&key, frame(&torn));
    replica.check(None, &checkpointed(&states[9], &torn));
    let told = format!("{key}: byte ");
    assert!(replica.warnings()[0].starts_with(&told));
}

#[test]
fn a_torn_wal_that_another_one_follows_is_damage() {
    let replica = Replica::default();
    let (_app, keys, _) = backup(&replica);
    let key = &keys[6];
    let mut segment = Vec::new();
    let packed = replica.store.body(key).unwrap();
    std::io::Read::read_to_end(
        &mut lz4_flex::frame::FrameDecoder::new(&packed[..]),
        &mut segment,
    )
    .unwrap();
    let end = offset(key) + segment.len() as u64;
    let frame_bytes = wal::frame_bytes(PageSize::new(1024).unwrap());

    let short = &segment[..segment.len() - 1];
    replica.store.insert(key, frame(short));
    let (offset, what) = (end - frame_bytes, Leftover::Part);
    let tail = Tail { offset, what };
    let told =
        format!("{key} is damaged: {tail}, and yet another WAL follows: transactions are missing");
    assert_eq!(replica.error(None).to_string(), told);

    let mut flipped = segment.clone();
    *flipped.last_mut().unwrap() ^= 1;
    replica.store.insert(key, frame(&flipped));
    let told = replica.error(None).to_string();
    let lost = "a frame's checksum is wrong where a transaction is to end, and yet another WAL";
    assert!(told.contains(lost), "{told}");
}

#[test]
fn a_wal_of_another_database_is_refused() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    app.snapshot();
    let other = App::new(&Replica::default(), 1, 512);
    other.write(3);
    let key = app.segment_key(0, 0);
    replica.store.insert(&key, frame(&other.wal()));
    let told = replica.error(None).to_string();
    assert!(told.ends_with("pages have 512 bytes, those of the database 1024"));
    replica.store.insert(&key, frame(&[7; 5000]));
    let told = replica.error(None).to_string();
    assert!(told.ends_with("the WAL does not begin with a valid header"));
}

#[test]
fn a_snapshot_that_is_no_database_is_refused() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    let key = app.snapshot();
    let database = fs::read(app.path("db")).unwrap();
    let mut page_size = database.clone();
    page_size[16] = 3;
    let without_end = &database[..database.len() - 1];
    for (content, told) in [
        (&b""[..], "is no SQLite database"),
        (&database[..17], "is no SQLite database"),
        (&[7; 5000][..], "is no SQLite database"),
        (without_end, "no whole number of pages of 1024 bytes"),
        (
            &page_size,
            "a page size is a power of two from 512 to 65536: 768",
        ),
    ] {
        replica.store.insert(&key, frame(content));
        let error = replica.error(None).to_string();
        assert!(error.starts_with(&key) && error.ends_with(told), "{error}");
    }
}

#[test]
fn a_file_that_is_gone_is_worth_a_new_listing() {
    let replica = Replica::default();
    let (_app, keys, _) = backup(&replica);
    let gone = keys[3].clone();
    replica.store.before_each(move |store, call| {
        if call.operation == Operation::Get {
            store.remove(&gone);
        }
        None
    });
    assert!(replica.error(None).is_vanished());
    assert_eq!(replica.store.in_flight(), 0);
}

#[test]
fn a_full_disk_is_told() {
    use crate::ports::FileError;
    let replica = Replica::default();
    backup(&replica);
    let file = MemoryFile::default();
    file.broken.replace(Some(FileError::NoSpace));
    let restored = block_on(async {
        let plan = plan(&list(&replica.store).await?, None)?;
        restore(&replica.store, &replica.environment, &file, &plan, 8).await
    });
    assert_eq!(restored, Err(RestoreError::File(FileError::NoSpace)));
}
