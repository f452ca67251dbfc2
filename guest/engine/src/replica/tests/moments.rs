use super::bed::{Bed, insert};
use crate::ltx::Layout;
use crate::replica::levels::Forced;
use crate::restore::{self, RestoreError, Target};
use crate::testing::{MemoryFile, Operation};
use crate::units::Txid;
use futures::executor::block_on;

/// When each transaction was shipped, and the database after it.
pub(super) type States = Vec<(u64, Vec<u8>)>;

/// Twenty transactions, ten seconds apart, partly merged.
pub(super) fn history() -> (Bed, States) {
    let bed = Bed::new();
    let app = bed.app_with_rows(10);
    let mut states = States::new();
    for round in 0..20 {
        insert(&app, 2);
        bed.drain();
        states.push((bed.environment.now_ms.get(), bed.checkpointed()));
        if round % 7 == 0 {
            block_on(bed.sidecar.compact(Forced::default())).unwrap();
        }
        let now = bed.environment.now_ms.get();
        bed.environment.now_ms.set(now + 10_000);
    }
    (bed, states)
}

fn restored_before(bed: &Bed, ms: u64) -> Result<Vec<u8>, RestoreError> {
    let file = MemoryFile::default();
    let options = restore::Options {
        target: Target::Before(ms),
        ..restore::Options::default()
    };
    let layout = Layout::Hexadecimal;
    block_on(restore::restore(
        &bed.store,
        &*bed.environment,
        layout,
        &file,
        options,
    ))?;
    Ok(file.bytes.into_inner())
}

#[test]
fn a_moment_gives_the_last_transaction_before_it() {
    let (bed, states) = history();
    for (number, (time, state)) in states.iter().enumerate() {
        assert!(restored_before(&bed, time + 1).unwrap() == *state);
        assert!(restored_before(&bed, time + 10_000).unwrap() == *state);
        if let Some((_, earlier)) = number.checked_sub(1).map(|number| &states[number]) {
            assert!(restored_before(&bed, *time).unwrap() == *earlier);
        }
    }
    let (_, newest) = states.last().unwrap();
    assert!(restored_before(&bed, u64::MAX / 4).unwrap() == *newest);
}

#[test]
fn a_moment_before_all_of_them_is_answered_with_those_there_are() {
    let (bed, states) = history();
    let error = restored_before(&bed, states[0].0).unwrap_err().to_string();
    assert!(error.contains("timestamp does not exist"), "{error}");
    assert!(
        error.contains("from 1970-01-01T00:16:40.000Z to 1970-01-01T00:19:50.000Z"),
        "{error}"
    );
}

#[test]
fn a_moment_is_found_with_few_requests() {
    let (bed, states) = history();
    let layout = Layout::Hexadecimal;
    let before = bed.store.count(Operation::Get);
    let target = Target::Before(states[11].0);
    let (plan, header) = block_on(restore::plan_for(
        &bed.store,
        &*bed.environment,
        layout,
        target,
    ))
    .unwrap();
    let time = header.timestamp_ms as u64;
    assert_eq!((plan.reached.0, time), (11, states[10].0));
    assert!(bed.store.count(Operation::Get) - before <= 7);
}

#[test]
fn the_moments_that_are_known_are_those_that_can_be_restored() {
    let (bed, _) = history();
    let requests = bed.store.calls().len();
    let moments = bed.sidecar.moments();
    assert_eq!(bed.store.calls().len(), requests, "nothing is asked");
    assert!(moments.is_sorted_by_key(|moment| moment.txid));
    assert_eq!(moments.last().unwrap().txid.0, 20);
    for txid in 1..=20 {
        let file = MemoryFile::default();
        let options = restore::Options {
            target: Target::Txid(Txid(txid)),
            ..restore::Options::default()
        };
        let (environment, layout) = (&*bed.environment, Layout::Hexadecimal);
        let restored = block_on(restore::restore(
            &bed.store,
            environment,
            layout,
            &file,
            options,
        ));
        let known = moments.iter().any(|moment| moment.txid.0 == txid);
        assert_eq!(restored.is_ok(), known, "TXID {txid}");
    }
}
