//! A backup that Litestream 0.3.13 wrote, compared with what it restores from it itself.

use super::*;

macro_rules! file {
    ($name:literal) => {
        (
            concat!("generations/412252102eb3e10e/", $name),
            include_bytes!(concat!(
                "../../../../tests/vectors/litestream-0.3.13/generations/412252102eb3e10e/",
                $name
            )),
        )
    };
}

/// In the order in which they were written.
const FILES: [(&str, &[u8]); 15] = [
    file!("snapshots/00000000.snapshot.lz4"),
    file!("wal/00000000_00000000.wal.lz4"),
    file!("wal/00000000_000021a0.wal.lz4"),
    file!("wal/00000001_00000000.wal.lz4"),
    file!("wal/00000001_00000238.wal.lz4"),
    file!("wal/00000001_00001940.wal.lz4"),
    file!("wal/00000002_00000000.wal.lz4"),
    file!("wal/00000002_00000238.wal.lz4"),
    file!("wal/00000003_00000000.wal.lz4"),
    file!("wal/00000003_00000238.wal.lz4"),
    file!("snapshots/00000003.snapshot.lz4"),
    file!("wal/00000003_00000ec8.wal.lz4"),
    file!("wal/00000004_00000000.wal.lz4"),
    file!("wal/00000004_00000238.wal.lz4"),
    file!("wal/00000004_00001940.wal.lz4"),
];

fn replica() -> Replica {
    let replica = Replica::default();
    for (key, body) in FILES {
        replica.store.insert(key, body.to_vec());
    }
    replica
}

#[test]
fn the_newest_state_is_what_litestream_restores() {
    let expected = include_bytes!("../../../../tests/vectors/litestream-0.3.13/latest.db");
    let restored = replica().check(None, expected);
    assert_eq!(
        restored.requests, 7,
        "the newest snapshot, and WALs 3 and 4"
    );
    assert_eq!(integrity(expected), "ok");
}

#[test]
fn a_time_before_the_newest_snapshot_is_what_litestream_restores() {
    let expected = include_bytes!("../../../../tests/vectors/litestream-0.3.13/earlier.db");
    let replica = replica();
    let restored = replica.check(Some(7), expected);
    assert_eq!(restored.requests, 7, "the older snapshot, and WALs 0 to 2");
    assert!(replica.warnings().is_empty());
}
