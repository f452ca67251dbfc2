//! Backups with nothing missing, restored to their end or to a time.

use super::*;

#[test]
fn the_newest_state_is_restored_byte_for_byte() {
    let replica = Replica::default();
    let app = App::new(&replica, 0xa1, 4096);
    app.write(5);
    app.next_wal();
    app.snapshot();
    for _ in 0..3 {
        app.run(4);
        app.next_wal();
    }
    app.run(2);
    let restored = replica.check(None, &app.state());
    assert_eq!(integrity(&app.state()), "ok");
    assert_eq!(restored.generation, Generation(0xa1));
    assert_eq!(restored.reached_ms, 15);
    assert_eq!(restored.requests, 15);
    let sizes = replica.store.keys().into_iter();
    let sizes = sizes.map(|key| replica.store.body(&key).unwrap().len() as u64);
    assert_eq!(restored.downloaded_bytes, sizes.sum::<u64>());
    assert_eq!(replica.store.count(Operation::List), 1);
    assert!(replica.warnings().is_empty());
}

#[test]
fn every_page_size_is_restored() {
    for page_size in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536] {
        let replica = Replica::default();
        let app = App::new(&replica, 1, page_size);
        app.snapshot();
        app.run(2);
        app.next_wal();
        app.run(2);
        let restored = replica.check(None, &app.state());
        assert_eq!(restored.page_size.get(), page_size);
    }
}

#[test]
fn every_time_leads_to_what_was_backed_up_by_then() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    app.snapshot();
    let mut states = vec![app.state()];
    for round in 0..12 {
        app.write(2);
        app.ship();
        states.push(app.state());
        if round % 4 == 3 {
            app.next_wal();
        }
        if round == 7 {
            // Of the WAL that begins: nothing new.
            app.snapshot();
            states.push(app.state());
        }
    }
    for (state, time) in states.iter().zip(1..) {
        let restored = replica.check(Some(time), state);
        assert_eq!(restored.reached_ms, time);
    }
    replica.check(Some(u64::MAX), &app.state());
}

#[test]
fn a_snapshot_in_the_middle_of_a_wal_is_of_its_beginning() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    app.snapshot();
    app.run(3);
    app.snapshot(); // the database file has not changed since the WAL began
    app.run(2);
    let restored = replica.check(None, &app.state());
    assert_eq!(restored.requests, 1 + 5);
}

#[test]
fn older_snapshots_and_their_wals_are_not_read() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    app.snapshot();
    app.run(10);
    app.next_wal();
    app.snapshot();
    app.run(1);
    assert_eq!(replica.check(None, &app.state()).requests, 2);
}

#[test]
fn a_snapshot_alone_is_restored() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 4096);
    app.write(20);
    app.next_wal();
    app.snapshot();
    replica.check(None, &app.state());
}

#[test]
fn of_two_generations_the_one_with_the_newest_snapshot_is_restored() {
    let replica = Replica::default();
    let old = App::new(&replica, 0xff, 1024);
    old.snapshot();
    old.run(3);
    let new = App::new(&replica, 0x0f, 4096);
    new.snapshot();
    new.run(3);
    let restored = replica.check(None, &new.state());
    assert_eq!(restored.generation, Generation(0x0f));
    let restored = replica.check(Some(4), &old.state());
    assert_eq!(restored.generation, Generation(0xff));
    assert!(replica.warnings().is_empty());
}

#[test]
fn a_generation_that_went_on_beside_the_newest_snapshot_is_told() {
    let replica = Replica::default();
    let old = App::new(&replica, 0xff, 1024);
    old.snapshot();
    let new = App::new(&replica, 0x0f, 4096);
    new.snapshot();
    new.run(1);
    old.run(1);
    replica.check(None, &new.state());
    let warnings = replica.warnings();
    assert!(warnings[0].starts_with("generation 00000000000000ff has newer changes"));
}

#[test]
fn a_database_that_shrank_and_grew_is_restored_as_a_checkpoint_leaves_it() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 512);
    app.write(30);
    app.next_wal();
    app.snapshot();
    app.run(5);
    app.execute("DELETE FROM t; VACUUM");
    app.ship();
    let small = app.state();
    replica.check(None, &small);
    // Grows, with pages that are free again before they are written.
    app.execute(
        "BEGIN; CREATE TABLE u(b); INSERT INTO u VALUES (zeroblob(60000)); DROP TABLE u; COMMIT",
    );
    app.ship();
    let grown = app.state();
    assert!(grown.len() > small.len() + 50_000);
    let (_, file) = replica.restore(None).unwrap();
    assert!(file.bytes.borrow()[..] == grown[..]);
    app.next_wal();
    app.execute("VACUUM");
    app.ship();
    replica.check(None, &app.state());
}

#[test]
fn what_an_older_wal_left_behind_in_the_file_is_left_out() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    app.snapshot();
    app.write(30);
    app.ship();
    // The file is used again from its beginning on, and keeps its length.
    app.execute("PRAGMA wal_checkpoint(RESTART)");
    app.index.set(1);
    app.shipped.set(0);
    app.write(2);
    app.ship();
    replica.check(None, &app.state());
    app.next_wal();
    app.write(1);
    app.ship();
    replica.check(None, &app.state());
    assert!(replica.warnings().is_empty());
}

#[test]
fn segments_may_end_anywhere() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 1024);
    app.snapshot();
    app.write(8);
    let wal = app.wal();
    for (number, bytes) in wal.chunks(777).enumerate() {
        let key = app.segment_key(0, number * 777);
        replica.store.insert(&key, frame(bytes));
    }
    replica.check(None, &app.state());
    // A time in the middle of a transaction is the end of the one before.
    for segments in [0, 1, 5, 11] {
        let database = fs::read(app.path("db")).unwrap();
        let state = checkpointed(&database, &wal[..segments * 777]);
        replica.check(Some(1 + segments as u64), &state);
    }
}

#[test]
fn a_listing_of_many_pages_is_read_to_its_end() {
    let replica = Replica::default();
    let app = App::new(&replica, 1, 512);
    app.snapshot();
    app.run(9);
    replica.store.set_keys_per_listing(3);
    replica.check(None, &app.state());
    assert_eq!(replica.store.count(Operation::List), 4);
}

#[test]
fn answers_out_of_order_are_taken_in_order() {
    for seed in 1..20 {
        let replica = Replica::default();
        let app = App::new(&replica, 1, 512);
        app.snapshot();
        app.run(8);
        replica.store.shuffle_answers(seed);
        replica.check(None, &app.state());
        assert_eq!(replica.store.abandoned(), 0);
    }
}
