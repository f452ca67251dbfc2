//! The LTX codec against files of Litestream, against itself, and against damage.

mod golden;
mod indexes;
mod random;
mod refusals;
mod whole;

use engine::ltx::frame::{checksummed_head, max_frame_bytes};
use engine::ltx::index::{FIRST_TAIL_BYTES, IndexWriter, MAX_INDEX_BYTES};
use engine::ltx::order::OrderError;
use engine::ltx::{
    Crc64, DecodeError, Decoder, EncodeError, Encoder, Event, Extra, FrameError, Header, Index,
    IndexEntry, IndexError, Parsed, Rolling, Summary, decode_frame, page_checksum, tail_range,
};
use engine::units::{PageSize, Pgno, Txid};

const VECTORS: [&[u8]; 5] = [
    include_bytes!("../vectors/L0-1-1.ltx"),
    include_bytes!("../vectors/L0-3-3.ltx"),
    include_bytes!("../vectors/L1-1-6.ltx"),
    include_bytes!("../vectors/L2.ltx"),
    include_bytes!("../vectors/L9-1-1.ltx"),
];

type Pages = Vec<(u32, Vec<u8>)>;

#[derive(Debug, Clone, PartialEq)]
struct File {
    header: Header,
    pages: Pages,
    summary: Summary,
}

fn header(page_size: u32, commit: u32, txid: u64) -> Header {
    Header {
        page_size: PageSize::new(page_size).unwrap(),
        commit,
        min: Txid(txid),
        max: Txid(txid),
        timestamp_ms: 1_795_347_231_909,
        wal_offset: 32,
        wal_size: 4120,
        salts: (1, 2),
        node: 7,
        extra: Extra::default(),
    }
}

fn encode(header: Header, pages: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(header).unwrap();
    for (pgno, page) in pages {
        encoder.page(Pgno(*pgno), page, &mut out).unwrap();
    }
    let summary = encoder.finish(&mut out).unwrap();
    assert_eq!(summary.size, out.len() as u64);
    out
}

/// Reads a file in pieces that end at `splits`.
fn decode_split(bytes: &[u8], splits: &[usize]) -> Result<File, DecodeError> {
    let mut decoder = Decoder::new();
    let (mut header, mut pages, mut ended) = (None, Pages::new(), None);
    let mut start = 0;
    for &end in splits.iter().chain([&bytes.len()]) {
        decoder.push(&bytes[start..end]);
        start = end;
        while let Some(event) = decoder.event()? {
            match event {
                Event::Header(found) => assert_eq!(header.replace(*found), None),
                Event::Page { pgno, data } => pages.push((pgno.0, data.to_vec())),
                Event::End(summary) => assert_eq!(ended.replace(summary), None),
            }
        }
    }
    let summary = decoder.finish()?;
    assert_eq!(ended, Some(summary));
    Ok(File {
        header: header.unwrap(),
        pages,
        summary,
    })
}

fn decode(bytes: &[u8]) -> Result<File, DecodeError> {
    decode_split(bytes, &[])
}

/// Puts the checksum right after a change, so that only what was changed is wrong.
fn decode_resealed(mut bytes: Vec<u8>) -> Result<File, DecodeError> {
    loop {
        match decode(&bytes) {
            Err(DecodeError::FileChecksum { found, .. }) => {
                let at = bytes.len() - 8;
                bytes[at..].copy_from_slice(&found.to_be_bytes());
            }
            other => return other,
        }
    }
}

/// What an LZ4 frame may have beside the checksum of its content.
#[derive(Debug, Clone, Copy)]
struct Lz4Frame {
    content_size: bool,
    block_checksums: bool,
}

/// As Litestream's.
const LZ4_FRAME: Lz4Frame = Lz4Frame {
    content_size: false,
    block_checksums: false,
};

/// A file as Litestream up to 0.5.15 writes it: every page an LZ4 frame of its own.
fn encode_with_lz4_frames(header: Header, pages: &[(u32, Vec<u8>)], frame: Lz4Frame) -> Vec<u8> {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    let mut out = header.encode().unwrap().to_vec();
    let mut checksum = Crc64::of(&out);
    let mut index = IndexWriter::default();
    for (pgno, page) in pages {
        let offset = out.len();
        out.extend_from_slice(&pgno.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        checksum.update(&out[offset..]);
        checksum.update(page);
        let info = FrameInfo::new()
            .block_size(BlockSize::Max64KB)
            .content_checksum(true)
            .block_checksums(frame.block_checksums)
            .content_size(frame.content_size.then_some(page.len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, &mut out);
        std::io::Write::write_all(&mut encoder, page).unwrap();
        encoder.finish().unwrap();
        let length = (out.len() - offset) as u32;
        let offset = offset as u64;
        index
            .push(IndexEntry {
                pgno: Pgno(*pgno),
                offset,
                length,
            })
            .unwrap();
    }
    let start = out.len();
    out.extend_from_slice(&[0; 6]);
    out.extend(index.finish());
    out.extend_from_slice(&[0; 8]);
    checksum.update(&out[start..]);
    out.extend_from_slice(&checksum.flagged().to_be_bytes());
    out
}

fn index_of(bytes: &[u8]) -> Result<Index, IndexError> {
    let size = bytes.len() as u64;
    let mut range = tail_range(size);
    loop {
        let from = range.offset as usize;
        match Index::parse(&bytes[from..from + range.length as usize], size)? {
            Parsed::Complete(index) => return Ok(index),
            Parsed::NeedMore(more) => {
                assert!(more.length > range.length, "the same range again");
                range = more;
            }
        }
    }
}
