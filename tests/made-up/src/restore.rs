//! A replica of made-up objects: restored, or refused.

use crate::{Clock, SmallFile, pieces, sum_ltx};
use engine::ltx::{Header, Layout, ObjectName};
use engine::restore::{self, Options};
use engine::testing::MemoryStore;
use engine::units::Level;
use futures::executor::block_on;

pub fn run(data: &[u8]) {
    let store = MemoryStore::new();
    for piece in pieces(data) {
        let Some((&how, object)) = piece.split_first() else {
            continue;
        };
        let mut object = object.to_vec();
        if how & 1 == 0 {
            sum_ltx(&mut object);
        }
        let header = object
            .first_chunk()
            .and_then(|head| Header::parse(head).ok());
        let Some(((header, _), level)) = header.zip(Level::new((how >> 1) % 10).ok()) else {
            continue;
        };
        let (min, max) = (header.min, header.max);
        let key = Layout::Hexadecimal.key(&ObjectName { level, min, max });
        store.insert(&key, object);
    }
    let (file, clock) = (SmallFile::default(), Clock::default());
    let options = Options::default();
    let restored = restore::restore(&store, &clock, Layout::Hexadecimal, &file, options);
    if let Ok(restored) = block_on(restored) {
        let bytes = restored.page_size.bytes() * restored.commit as usize;
        assert_eq!(file.0.bytes.borrow().len(), bytes);
    }
}
