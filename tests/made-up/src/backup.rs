//! A backup of Litestream 0.3: a snapshot and pieces of WALs, all compressed. Restored, or refused.

use crate::{Clock, SmallFile, pieces, sum_wal};
use engine::restore::generations;
use engine::testing::MemoryStore;
use futures::executor::block_on;
use lz4_flex::frame::FrameEncoder;
use std::io::Write;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn run(data: &[u8]) {
    let store = MemoryStore::new();
    let (mut index, mut offset) = (0, 0);
    for (number, piece) in pieces(data).into_iter().enumerate() {
        let Some((&how, bytes)) = piece.split_first() else {
            continue;
        };
        let mut bytes = bytes.to_vec();
        if how & 2 == 0 && offset == 0 && number > 0 {
            sum_wal(&mut bytes);
        }
        let length = bytes.len();
        if how & 1 == 0 {
            bytes = packed(&bytes);
        }
        let folder = "generations/0000000000000001";
        if number == 0 {
            store.insert(&format!("{folder}/snapshots/00000000.snapshot.lz4"), bytes);
            continue;
        }
        store.insert(
            &format!("{folder}/wal/{index:08x}_{offset:08x}.wal.lz4"),
            bytes,
        );
        offset += length;
        if how & 4 != 0 {
            (index, offset) = (index + 1, 0);
        }
    }
    let clock = Clock::default();
    let file = SmallFile::default();
    let Ok(backups) = block_on(generations::list(&store)) else {
        return;
    };
    let Ok(plan) = generations::plan(&backups, None) else {
        return;
    };
    if let Ok(restored) = block_on(generations::restore(&store, &clock, &file, &plan, 4)) {
        let bytes = restored.page_size.bytes() * restored.pages as usize;
        assert_eq!(file.0.bytes.borrow().len(), bytes);
    }
}
