//! The tail of an object whose size a listing told: its page index.

use engine::ltx::{Index, Parsed};

pub fn run(data: &[u8]) {
    let Some((size, tail)) = data.split_first_chunk::<8>() else {
        return;
    };
    let size = u64::from_be_bytes(*size);
    match Index::parse(tail, size) {
        Ok(Parsed::NeedMore(range)) => {
            assert!(range.length > tail.len() as u64, "what is there is enough");
            assert_eq!(range.offset + range.length, size);
        }
        Ok(Parsed::Complete(index)) => {
            let ends = index.entries.iter().map(|entry| entry.end());
            assert!(ends.is_sorted(), "frames lie in each other");
            assert!(index.frames_end <= size);
            for two in index.entries.windows(2) {
                assert!(two[0].pgno < two[1].pgno && two[0].end() == two[1].offset);
            }
        }
        Err(_) => {}
    }
}
