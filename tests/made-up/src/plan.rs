//! Any listing: a plan leads from one transaction to the next without a gap, and to where it says.

use arbitrary::{Arbitrary, Unstructured};
use engine::ltx::{Layout, ObjectName};
use engine::ports::Entry;
use engine::restore::generations::{self, Backups};
use engine::restore::{Listed, Listing, Target, plan};
use engine::units::{Level, Txid};

#[derive(Debug, Arbitrary)]
struct Input {
    objects: Vec<(u8, u8, u8, u16)>,
    keys: Vec<(String, u32, u64)>,
    from: Option<u8>,
    until: Option<u8>,
}

pub fn run(data: &[u8]) {
    let Ok(input) = <Input>::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let entries: Vec<Entry> = input
        .keys
        .into_iter()
        .map(|(key, size, modified_ms)| Entry {
            key,
            size: size.into(),
            modified_ms,
        })
        .collect();
    let of_any_name = Listing::new(Layout::Hexadecimal, &entries);
    drop(plan(&of_any_name, None, Target::Latest));
    drop(generations::plan(&Backups::new(entries), None));

    let objects = input
        .objects
        .into_iter()
        .filter_map(|(level, min, more, size)| {
            let min = Txid(u64::from(min).max(1));
            Some(Listed {
                name: ObjectName {
                    level: Level::new(level % 10).ok()?,
                    min,
                    max: Txid(min.0 + u64::from(more)),
                },
                size: size.into(),
                modified_ms: 0,
            })
        });
    let listing = Listing::of(Layout::Hexadecimal, objects.collect());
    let target = match input.until {
        Some(txid) => Target::Txid(Txid(txid.into())),
        None => Target::Latest,
    };
    let from = input.from.map(|txid| Txid(txid.into()));
    let Ok(plan) = plan(&listing, from, target) else {
        return;
    };
    let mut at = from.unwrap_or(Txid::ZERO);
    for object in &plan.objects {
        assert!(
            object.name.is_snapshot() || object.name.min <= at.next(),
            "a gap"
        );
        assert!(object.name.max > at, "a step back");
        at = object.name.max;
    }
    assert_eq!(plan.reached, at);
    match target {
        Target::Txid(txid) => assert_eq!(at, txid),
        _ => assert_eq!(Some(at), listing.newest().map(|name| name.max)),
    }
}
