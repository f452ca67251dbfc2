//! Random histories, merges and deletions: whatever can be restored equals the model.

use super::*;
use crate::restore::plan;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Commit {
        pages: Vec<u32>,
        commit: u32,
    },
    /// Puts an object over some of the newest transactions, and deletes what it covers if asked.
    Merge {
        level: u8,
        count: u64,
        delete: bool,
    },
}

fn step(large: bool) -> impl Strategy<Value = Step> {
    let most = if large { 200 } else { 20u32 };
    let pages = proptest::collection::vec(1..=most, 0..8);
    prop_oneof![
        3 => (pages, 0..=most).prop_map(|(pages, commit)| Step::Commit { pages, commit }),
        1 => (1..=9u8, 1..6u64, any::<bool>())
            .prop_map(|(level, count, delete)| Step::Merge { level, count, delete }),
    ]
}

fn replica(large: bool, steps: &[Step], layout: Layout, latency: Option<u64>) -> Replica {
    let mut replica = Replica::new(if large { 4096 } else { 512 });
    replica.layout = layout;
    replica.commit(&[], if large { 200 } else { 3 });
    for step in steps {
        match step {
            Step::Commit { pages, commit } => replica.commit(pages, *commit),
            Step::Merge {
                level,
                count,
                delete,
            } => {
                let newest = replica.newest();
                let first = newest.saturating_sub(*count).max(1);
                replica.merge(*level, first, newest);
                for txid in (first..newest).filter(|_| *delete) {
                    replica.store.remove(&replica.key(0, txid, txid));
                }
            }
        }
    }
    if let Some(seed) = latency {
        replica.store.shuffle_answers(seed);
    }
    replica
}

fn check(replica: &Replica, parallelism: usize) -> Result<(), TestCaseError> {
    let listing = block_on(list_all(
        &replica.store,
        &replica.environment,
        replica.layout,
    ));
    let listing = listing.unwrap();
    for txid in 1..=replica.newest() {
        let target = Target::Txid(Txid(txid));
        let planned = plan(&listing, None, target);
        if let Err(error) = planned {
            let found = replica.restore_with(target, parallelism).map(|_| ());
            prop_assert_eq!(found, Err(RestoreError::Plan(error)));
            continue;
        }
        let (restored, file) = replica.restore_with(target, parallelism).unwrap();
        prop_assert!(file.bytes.borrow()[..] == replica.database(txid)[..]);
        prop_assert_eq!(&restored.page_checksums, &replica.page_checksums(txid));
        prop_assert!(restored.checksum_verified);
        prop_assert_eq!(restored.missing_pages, 0);

        let mut checksums = restored.page_checksums;
        if plan(&listing, Some(Txid(txid)), Target::Latest).is_ok() {
            let rolled = replica.roll(txid, &mut checksums).unwrap();
            prop_assert_eq!(rolled.txid, Txid(replica.newest()));
            prop_assert_eq!(rolled.header.is_some(), txid < replica.newest());
            prop_assert_eq!(rolled.commit as usize, checksums.len());
            prop_assert_eq!(checksums, replica.page_checksums(replica.newest()));
        }
    }
    prop_assert_eq!(replica.store.abandoned(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn small_histories_are_restored_at_every_transaction(
        steps in proptest::collection::vec(step(false), 0..12),
        decimal in any::<bool>(),
        latency in any::<Option<u64>>(),
        parallelism in 1..20usize,
    ) {
        let layout = if decimal { Layout::Decimal } else { Layout::Hexadecimal };
        check(&replica(false, &steps, layout, latency), parallelism)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(15))]
    #[test]
    fn large_histories_are_restored_at_every_transaction(
        steps in proptest::collection::vec(step(true), 0..8),
        latency in any::<Option<u64>>(),
        parallelism in 1..70usize,
    ) {
        check(&replica(true, &steps, Layout::Hexadecimal, latency), parallelism)?;
    }
}
