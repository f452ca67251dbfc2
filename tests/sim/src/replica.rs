//! What a bucket amounts to, found out the plainest way, without a line of the engine.

use crate::bucket::Object;
use anyhow::{Context, Result, bail, ensure};
use end_to_end::ltx::{HEADER_BYTES, Header, Span};
use std::collections::BTreeMap;

/// A page frame's head: page number, flags, size.
const FRAME_HEAD_BYTES: usize = 10;

/// As keys begin.
const LEVELS: [&str; 10] = [
    "0000/", "0001/", "0002/", "0003/", "0004/", "0005/", "0006/", "0007/", "0008/", "0009/",
];

struct File<'a> {
    span: Span,
    key: &'a str,
    body: &'a [u8],
}

fn files(objects: &BTreeMap<String, Object>) -> Vec<File<'_>> {
    let named = objects
        .iter()
        .filter(|(key, _)| LEVELS.iter().any(|level| key.starts_with(level)));
    let file = named.filter_map(|(key, object)| {
        let span = Span::of_key(key)?;
        let body = object.body.as_slice();
        Some(File { span, key, body })
    });
    file.collect()
}

/// The database that the objects amount to, and its TXID; `None`: there is none.
///
/// Errors: a gap, or an object that cannot be read.
pub fn restore(objects: &BTreeMap<String, Object>) -> Result<Option<(u64, Vec<u8>)>> {
    let files = files(objects);
    let Some(newest) = files.iter().map(|file| file.span.max).max() else {
        return Ok(None);
    };
    let mut pages: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let (mut at, mut length, mut page_size) = (0, 0, 0);
    while at < newest {
        // The one that leads furthest, of those that go on from here without a gap.
        let next = files
            .iter()
            .filter(|file| file.span.min <= at + 1 && file.span.max > at);
        let Some(file) = next.max_by_key(|file| (file.span.max, file.span.min)) else {
            bail!("nothing goes on from TXID {at}, and there is {newest}");
        };
        let header = apply(file, &mut pages).with_context(|| file.key.to_owned())?;
        ensure!(
            header.span == file.span,
            "{}: its header says {:?}",
            file.key,
            header.span
        );
        (at, length, page_size) = (file.span.max, header.commit, header.page_size as usize);
        pages.retain(|pgno, _| *pgno <= length);
    }
    let mut bytes = vec![0; length as usize * page_size];
    for (pgno, page) in pages {
        let offset = (pgno as usize - 1) * page_size;
        bytes[offset..offset + page_size].copy_from_slice(&page);
    }
    Ok(Some((at, bytes)))
}

fn apply(file: &File<'_>, pages: &mut BTreeMap<u32, Vec<u8>>) -> Result<Header> {
    let header = Header::parse(file.body)?;
    let mut rest = &file.body[HEADER_BYTES..];
    loop {
        let pgno = number(rest)?;
        if pgno == 0 {
            return Ok(header);
        }
        ensure!(
            rest.get(4..6) == Some(&[0, 1]),
            "page {pgno}: unknown flags"
        );
        let size = number(&rest[6..])? as usize;
        let block = rest
            .get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + size)
            .context("cut off")?;
        let page = lz4_flex::block::decompress(block, header.page_size as usize)?;
        ensure!(
            page.len() == header.page_size as usize,
            "page {pgno} is short"
        );
        pages.insert(pgno, page);
        rest = &rest[FRAME_HEAD_BYTES + size..];
    }
}

fn number(bytes: &[u8]) -> Result<u32> {
    let four = bytes.get(..4).context("cut off")?;
    Ok(u32::from_be_bytes(four.try_into()?))
}
