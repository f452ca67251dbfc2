//! Proving a replica that the sidecar wrote, with something wrong in it.

use super::bed::{Bed, insert, settings};
use super::moments::history;
use crate::ltx::{Layout, ObjectName};
use crate::ports::ObjectError;
use crate::prove::{Inquiry, Proof, prove};
use crate::rebuild::RebuildError;
use crate::restore::{self, proof};
use crate::testing::{Fault, MemoryFiles, Operation};
use crate::vfs;
use futures::executor::block_on;
use std::rc::Rc;

const LAYOUT: Layout = Layout::Hexadecimal;
const TEMPORARY: &str = "seawall-proof";

fn proven(bed: &Bed, expected: &[ObjectName]) -> Result<Proof, RebuildError> {
    let files = MemoryFiles::default();
    vfs::register(TEMPORARY, Rc::new(files.clone()), bed.environment.clone());
    let inquiry = Inquiry {
        expected,
        schedule: &settings().schedule,
        parallelism: 3,
    };
    let environment = &*bed.environment;
    block_on(prove(
        &bed.store,
        environment,
        LAYOUT,
        &files,
        TEMPORARY,
        inquiry,
    ))
}

/// What reading alone brings, without restoring.
fn found(bed: &Bed) -> Vec<String> {
    let (environment, schedule) = (&*bed.environment, settings().schedule);
    block_on(async {
        let listing = restore::list_all(&bed.store, environment, LAYOUT).await?;
        proof::read_replica(&bed.store, environment, LAYOUT, &listing, &schedule, 3).await
    })
    .unwrap()
    .findings
}

fn names(bed: &Bed) -> Vec<ObjectName> {
    let keys = bed.store.keys();
    keys.iter().filter_map(|key| LAYOUT.parse(key)).collect()
}

#[test]
fn a_sound_replica_is_proven_from_its_oldest_moment_to_its_newest() {
    let (bed, states) = history();
    let expected = names(&bed);
    assert_eq!(bed.sidecar.holds().len(), expected.len());
    let proof = proven(&bed, &expected).unwrap();
    assert_eq!(proof.findings, [""; 0]);
    assert_eq!(
        (proof.missing.len(), proof.objects),
        (0, expected.len() as u32)
    );
    let moments: Vec<(u64, u64)> = proof
        .moments
        .iter()
        .map(|moment| (moment.txid.0, moment.time_ms))
        .collect();
    assert_eq!(moments, [(20, states[19].0), (1, states[0].0)]);
    assert!(proof.moments.iter().all(|moment| moment.checksum_verified));
}

#[test]
fn every_object_is_asked_for_once_to_be_read() {
    let (bed, _) = history();
    let before = bed.store.count(Operation::Get);
    assert_eq!(found(&bed), [""; 0]);
    assert_eq!(bed.store.count(Operation::Get) - before, names(&bed).len());
}

#[test]
fn a_flipped_bit_of_any_object_is_noticed_and_named() {
    let (bed, _) = history();
    for key in bed.store.keys() {
        let body = bed.store.body(&key).unwrap();
        for at in [
            0,
            20,
            50,
            85,
            101,
            body.len() / 2,
            body.len() - 20,
            body.len() - 1,
        ] {
            let mut flipped = body.clone();
            flipped[at] ^= 1;
            bed.store.insert(&key, flipped);
            let findings = found(&bed);
            assert!(
                findings.iter().any(|finding| finding.contains(&key)),
                "byte {at} of {key}: {findings:?}"
            );
        }
        bed.store.insert(&key, body);
    }
    assert_eq!(found(&bed), [""; 0]);
}

#[test]
fn two_objects_in_each_others_place_are_noticed() {
    let (bed, _) = history();
    let keys = bed.store.keys();
    for (number, one) in keys.iter().enumerate() {
        for other in &keys[number + 1..] {
            let (first, second) = (bed.store.body(one), bed.store.body(other));
            bed.store.insert(one, second.clone().unwrap());
            bed.store.insert(other, first.clone().unwrap());
            let findings = found(&bed);
            assert!(!findings.is_empty(), "{one} and {other}");
            bed.store.insert(one, first.unwrap());
            bed.store.insert(other, second.unwrap());
        }
    }
}

#[test]
fn an_object_of_another_database_under_the_right_name_is_noticed() {
    let (bed, _) = history();
    let (stranger, _) = history();
    for key in bed.store.keys() {
        let (body, other) = (bed.store.body(&key).unwrap(), stranger.store.body(&key));
        bed.store.insert(&key, other.unwrap());
        let findings = found(&bed);
        assert!(!findings.is_empty(), "{key}");
        bed.store.insert(&key, body);
    }
}

#[test]
fn an_expected_object_that_is_not_there_is_missed_whichever_it_is() {
    let (bed, _) = history();
    let expected = names(&bed);
    for name in &expected {
        let key = LAYOUT.key(name);
        let body = bed.store.body(&key).unwrap();
        bed.store.remove(&key);
        assert_eq!(proven(&bed, &expected).unwrap().missing, [*name]);
        bed.store.insert(&key, body);
    }
}

#[test]
fn without_knowing_what_to_expect_a_gap_is_still_noticed() {
    let (bed, _) = history();
    // Not merged yet: nothing else holds it.
    let key = LAYOUT.key(&ObjectName::shipped(crate::units::Txid(18)));
    assert!(bed.store.remove(&key));
    let proof = proven(&bed, &[]).unwrap();
    let told = |text: &str| proof.findings.iter().any(|finding| finding.contains(text));
    assert!(
        told("TXID 0000000000000012 is missing at every level"),
        "{:?}",
        proof.findings
    );
    assert!(
        told("the newest moment cannot be restored"),
        "{:?}",
        proof.findings
    );
}

#[test]
fn what_is_merged_and_deleted_meanwhile_is_not_missed() {
    let (bed, _) = history();
    let keys = bed.store.keys();
    let shipped: Vec<String> = keys
        .iter()
        .filter(|key| key.starts_with("0000/"))
        .cloned()
        .collect();
    let merged = keys.iter().any(|key| key.starts_with("0001/"));
    assert!(merged);
    // What level 1 and the snapshot hold goes while the third object is read.
    let mut reads = 0;
    bed.store.before_each(move |store, call| {
        reads += u32::from(call.operation == Operation::Get);
        if reads == 3 {
            shipped.iter().take(15).for_each(|key| {
                store.remove(key);
            });
        }
        None
    });
    assert_eq!(found(&bed), [""; 0]);
}

#[test]
fn an_object_that_is_listed_and_cannot_be_had_is_named() {
    let (bed, _) = history();
    let key = bed.store.keys().pop().unwrap();
    let gone = key.clone();
    bed.store.before_each(move |_, call| {
        let refused = Fault::Refused(ObjectError::NotFound(gone.clone()));
        (call.operation == Operation::Get && call.key == gone).then_some(refused)
    });
    let findings = found(&bed);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with(&key), "{findings:?}");
}

#[test]
fn a_store_that_is_away_is_no_finding() {
    let (bed, _) = history();
    for operation in [Operation::Get, Operation::List] {
        let away = ObjectError::Unavailable("away".to_owned());
        bed.store.before_each(move |_, call| {
            let hit = call.operation == operation;
            hit.then(|| Fault::Refused(away.clone()))
        });
        let error = proven(&bed, &[]).unwrap_err().to_string();
        assert!(error.contains("away"), "{error}");
    }
}

#[test]
fn an_empty_replica_holds_nothing_to_prove() {
    let bed = Bed::new();
    let error = proven(&bed, &[]).unwrap_err();
    assert!(matches!(error, RebuildError::Restore(_)), "{error}");
}

#[test]
fn damage_that_only_sqlite_sees_is_told() {
    let bed = Bed::new();
    let app = bed.app_with_rows(3);
    insert(&app, 200);
    // An index entry in the wrong place: every checksum is right.
    app.execute_batch(
        "CREATE INDEX by_text ON notes(text); PRAGMA writable_schema=on;
         UPDATE sqlite_schema SET rootpage=2 WHERE name='by_text'; PRAGMA writable_schema=off",
    )
    .unwrap();
    bed.drain();
    let proof = proven(&bed, &[]).unwrap();
    assert_eq!(proof.findings.len(), 1, "{:?}", proof.findings);
    assert!(
        proof.findings[0].contains("quick_check"),
        "{:?}",
        proof.findings
    );
}
