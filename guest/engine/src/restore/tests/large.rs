//! Replicas of many objects.

use super::Replica;
use crate::ltx::{Layout, ObjectName};
use crate::restore::{DEFAULT_PARALLELISM, Target, list_all, plan};
use crate::testing::{MemoryStore, TestEnvironment};
use crate::units::Txid;
use futures::executor::block_on;

#[test]
fn ten_thousand_small_objects_are_restored_a_few_at_a_time() {
    let mut replica = Replica::new(512);
    for txid in 0..10_000 {
        replica.commit(&[1 + txid % 4], 4);
    }
    replica.check(10_000);
    assert!(replica.store.most_in_flight() <= DEFAULT_PARALLELISM);
}

#[test]
fn a_hundred_thousand_keys_are_planned_over() {
    const OBJECTS: u64 = 100_000;
    let (store, environment) = (MemoryStore::new(), TestEnvironment::default());
    store.set_keys_per_listing(1000);
    for txid in 1..=OBJECTS {
        let name = ObjectName::shipped(Txid(txid));
        store.insert(&Layout::Hexadecimal.key(&name), Vec::new());
    }
    let listing = block_on(list_all(&store, &environment, Layout::Hexadecimal)).unwrap();
    let plan = plan(&listing, None, Target::Latest).unwrap();
    assert_eq!(plan.reached, Txid(OBJECTS));
    assert_eq!(plan.objects.len() as u64, OBJECTS);
}
