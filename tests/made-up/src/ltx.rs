//! An LTX file, in parts of any size. One that is sound has the index that says so.

use engine::ltx::{Decoder, Event, Index, Parsed};

pub fn run(data: &[u8]) {
    let Some((&how, file)) = data.split_first() else {
        return;
    };
    let mut file = file.to_vec();
    if how & 1 == 0 {
        crate::sum_ltx(&mut file);
    }
    let mut decoder = Decoder::new();
    let mut pages = Vec::new();
    for part in file.chunks(usize::from(how >> 1) * 8 + 1) {
        decoder.push(part);
        loop {
            match decoder.event() {
                Ok(Some(Event::Page { pgno, .. })) => pages.push(pgno),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    if decoder.finish().is_err() {
        return;
    }
    let Ok(Parsed::Complete(index)) = Index::parse(&file, file.len() as u64) else {
        panic!("a sound file without an index");
    };
    assert!(index.entries.iter().map(|entry| entry.pgno).eq(pages));
}
