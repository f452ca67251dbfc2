use super::bed::{Bed, insert, settings};
use crate::ports::{FileKind, ObjectError};
use crate::replica::Error;
use crate::testing::{Fault, Operation};
use crate::units::Txid;
use futures::executor::block_on;

fn lost() -> Fault {
    Fault::Lost(ObjectError::UnknownOutcome("no answer".to_owned()))
}

pub fn away() -> Fault {
    Fault::Refused(ObjectError::Unavailable("away".to_owned()))
}

#[test]
fn a_refused_put_that_was_ours_is_success() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    insert(&app, 5);
    bed.next_puts(1, lost());
    assert_eq!(bed.drain().txid, Txid(2));
    assert_eq!(bed.shipped(), 2);
    bed.assert_replica_is_the_database();
}

#[test]
fn a_put_whose_answer_is_lost_again_and_again_is_settled_later_with_the_same_bytes() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    insert(&app, 5);
    bed.next_puts(
        3,
        Fault::Refused(ObjectError::UnknownOutcome("no answer".to_owned())),
    );
    assert!(matches!(bed.sync(), Err(Error::Store(_))));
    // What comes meanwhile must not get into the object whose fate is not known.
    insert(&app, 5);
    bed.next_puts(1, lost());
    bed.drain();
    assert_eq!(bed.shipped(), 3);
    bed.assert_replica_is_the_database();
}

#[test]
fn an_outage_leaves_no_gap_and_is_made_up_for_in_one_object() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    bed.next_puts(20, away());
    for _ in 0..20 {
        insert(&app, 3);
        assert!(matches!(bed.sync(), Err(Error::Store(_))));
    }
    bed.drain();
    assert_eq!(bed.shipped(), 2);
    bed.assert_replica_is_the_database();
}

#[test]
fn another_writers_object_fences_for_good() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    // Another writer takes TXID 2: its object is a copy of ours with another NodeID.
    let key = |txid: u64| format!("0000/{txid:016x}-{txid:016x}.ltx");
    let mut theirs = bed.store.body(&key(1)).unwrap();
    theirs[72..80].copy_from_slice(&99u64.to_be_bytes());
    bed.store.insert(&key(2), theirs.clone());
    insert(&app, 5);
    assert!(matches!(
        bed.sync(),
        Err(Error::Fenced { txid: Txid(2), .. })
    ));
    let puts = bed.puts();
    assert!(matches!(bed.sync(), Err(Error::Fenced { .. })));
    assert_eq!(bed.puts(), puts);
    assert_eq!(bed.store.body(&key(2)), Some(theirs));
}

#[test]
fn of_two_uploads_in_parts_that_both_won_the_one_that_is_not_there_is_fenced() {
    let mut settings = settings();
    settings.parts.above_bytes = 0;
    let bed = Bed::with(settings);
    let app = bed.app_with_rows(5);
    bed.drain();
    insert(&app, 5);
    let key = |txid: u64| format!("0000/{txid:016x}-{txid:016x}.ltx");
    let second = key(2);
    bed.store.before_each(move |store, call| {
        if call.operation == Operation::Get && call.key == second {
            let mut theirs = store.body(&second).unwrap();
            theirs[72..80].copy_from_slice(&99u64.to_be_bytes());
            store.insert(&second, theirs);
        }
        None
    });
    assert!(matches!(
        bed.sync(),
        Err(Error::Fenced { txid: Txid(2), .. })
    ));
}

#[test]
fn a_store_that_refuses_the_credentials_says_so() {
    let bed = Bed::new();
    let _app = bed.app_with_rows(5);
    bed.store.before_each(|_, _| {
        Some(Fault::Refused(ObjectError::Denied(
            "wrong secret".to_owned(),
        )))
    });
    assert!(matches!(bed.sync(), Err(Error::Denied(_))));
}

#[test]
fn a_torn_wal_index_is_mended_though_we_hold_the_lock_for_it() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    // A process died between the two copies of the header.
    bed.files.scribble_on_shared_memory(8, &[0xff; 4]);
    for _ in 0..4 {
        bed.sidecar.maintain().unwrap();
        bed.environment
            .now_ms
            .set(bed.environment.now_ms.get() + 250);
    }
    assert!(bed.log_has("mended"));
    insert(&app, 5);
    bed.drain();
    bed.assert_replica_is_the_database();
}

#[test]
fn frames_that_the_index_does_not_name_are_not_shipped() {
    let bed = Bed::new();
    let app = bed.app_with_rows(5);
    bed.drain();
    // A writer that died before it published its commit: frames in the WAL, not in the index.
    let wal = bed.files.bytes(FileKind::Wal).unwrap();
    let head = {
        use crate::ports::Files;
        bed.files.shared_memory().unwrap().load(0, 136)
    };
    insert(&app, 3);
    assert!(bed.files.bytes(FileKind::Wal).unwrap().len() > wal.len());
    bed.files.scribble_on_shared_memory(0, &head);
    assert!(!bed.drain().behind);
    assert_eq!(bed.shipped(), 1);
}

#[test]
fn the_probe_tells_whether_conditions_are_honoured() {
    let bed = Bed::new();
    assert!(block_on(bed.sidecar.probe()).unwrap());
    // A store that ignores conditions: what is there is forgotten before each put.
    bed.store.before_each(|store, call| {
        if call.operation == Operation::Put {
            store.remove(&call.key);
        }
        None
    });
    assert!(!block_on(bed.sidecar.probe()).unwrap());
    assert!(bed.store.keys().is_empty());
}
