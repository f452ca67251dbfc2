//! The LTX codec against files of Litestream, against itself, and against damage.

use engine::ltx::frame::max_frame_bytes;
use engine::ltx::index::{FIRST_TAIL_BYTES, IndexWriter};
use engine::ltx::order::OrderError;
use engine::ltx::{
    Crc64, DecodeError, Decoder, EncodeError, Encoder, Event, Extra, FrameError, Header, Index,
    IndexEntry, IndexError, Parsed, Rolling, Summary, decode_frame, page_checksum, tail_range,
};
use engine::units::{PageSize, Pgno, Txid};
use proptest::prelude::*;

const VECTORS: [&[u8]; 5] = [
    include_bytes!("vectors/L0-1-1.ltx"),
    include_bytes!("vectors/L0-3-3.ltx"),
    include_bytes!("vectors/L1-1-6.ltx"),
    include_bytes!("vectors/L2.ltx"),
    include_bytes!("vectors/L9-1-1.ltx"),
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

/// A file as Litestream up to 0.5.15 writes it: every page an LZ4 frame of its own.
fn encode_with_lz4_frames(header: Header, pages: &[(u32, Vec<u8>)]) -> Vec<u8> {
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
            .content_checksum(true);
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

/// Random, repetitive or empty, so that both ends of LZ4 are met.
fn page(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), bytes),
        (any::<u8>(), 1..50usize).prop_map(move |(seed, period)| {
            (0..bytes)
                .map(|at| seed.wrapping_add((at % period) as u8))
                .collect()
        }),
        Just(vec![0; bytes]),
    ]
}

/// A header with pages that fit it: a snapshot or some pages of a larger database.
fn file() -> impl Strategy<Value = (Header, Pages)> {
    let size = prop_oneof![Just(512u32), Just(512), Just(4096), Just(65536)];
    (size, 0..12u32, any::<bool>(), any::<u64>()).prop_flat_map(|(size, pages, snapshot, node)| {
        let txid = if snapshot { 1 } else { 5 };
        let step = if snapshot {
            Just(1).boxed()
        } else {
            (1..40u32).boxed()
        };
        let page = (step, page(size as usize));
        proptest::collection::vec(page, pages as usize).prop_map(move |steps| {
            let mut last = 0;
            let numbered = |(step, page)| {
                last += step;
                (last, page)
            };
            let pages: Pages = steps.into_iter().map(numbered).collect();
            let commit = if snapshot { last } else { last + 3 };
            (
                Header {
                    node,
                    ..header(size, commit, txid)
                },
                pages,
            )
        })
    })
}

fn splits(length: usize, points: Vec<prop::sample::Index>) -> Vec<usize> {
    let mut splits: Vec<usize> = points.iter().map(|at| at.index(length + 1)).collect();
    splits.sort_unstable();
    splits
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

#[test]
fn litestreams_files_are_read_whole() {
    let known: [(u32, u64, u64, &[u32], u64); 5] = [
        (4, 1, 1, &[1, 2, 3, 4], 0xd827_0664_99bc_62dc),
        (4, 3, 3, &[2], 0x81a6_e89e_8f8d_000b),
        (4, 1, 6, &[1, 2, 3, 4], 0x91fd_589c_3854_5323),
        (4, 1, 7, &[1, 2, 3, 4], 0xadff_6532_5e25_ae8d),
        (4, 1, 1, &[1, 2, 3, 4], 0x839e_e26b_3561_6f97),
    ];
    for (bytes, (commit, min, max, pgnos, file_checksum)) in VECTORS.into_iter().zip(known) {
        let file = decode(bytes).unwrap();
        assert_eq!(file.header.commit, commit);
        assert_eq!((file.header.min, file.header.max), (Txid(min), Txid(max)));
        assert_eq!(
            file.pages.iter().map(|page| page.0).collect::<Vec<_>>(),
            pgnos
        );
        let size = bytes.len() as u64;
        assert_eq!(
            file.summary,
            Summary {
                size,
                file_checksum
            }
        );
        if let (1, page) = &file.pages[0] {
            assert_eq!(page[..16], *b"SQLite format 3\0");
        }
    }
}

#[test]
fn litestreams_files_written_again_hold_the_same() {
    for bytes in VECTORS {
        let file = decode(bytes).unwrap();
        let again = encode(file.header, &file.pages);
        assert_eq!(again[..100], bytes[..100]);
        let read = decode(&again).unwrap();
        assert_eq!((read.header, read.pages), (file.header, file.pages));
    }
}

#[test]
fn each_page_of_litestreams_files_is_found_through_the_index() {
    for bytes in VECTORS {
        let (file, index) = (decode(bytes).unwrap(), index_of(bytes).unwrap());
        assert_eq!(index.file_checksum, file.summary.file_checksum);
        let found: Pages = index
            .entries
            .iter()
            .map(|entry| {
                let frame = &bytes[entry.offset as usize..entry.end() as usize];
                let (pgno, page) = decode_frame(frame, file.header.page_size).unwrap();
                assert_eq!(pgno, entry.pgno);
                (pgno.0, page)
            })
            .collect();
        assert_eq!(found, file.pages);
    }
}

#[test]
fn the_tail_gives_what_is_needed_to_check_a_file_read_in_pieces() {
    let bytes = VECTORS[2];
    let (file, index) = (decode(bytes).unwrap(), index_of(bytes).unwrap());
    let mut checksum = Crc64::of(&bytes[..100]);
    for (pgno, page) in &file.pages {
        let entry = index
            .entries
            .iter()
            .find(|entry| entry.pgno.0 == *pgno)
            .unwrap();
        let mut piece = Crc64::of(&bytes[entry.offset as usize..][..10]);
        piece.update(page);
        checksum = checksum.followed_by(piece, 10 + page.len() as u64);
    }
    let whole = checksum.followed_by(index.tail_checksum, index.tail_bytes);
    assert_eq!(whole.flagged(), index.file_checksum);
}

#[test]
fn an_index_longer_than_the_first_tail_is_asked_for_in_full() {
    let pages: Pages = (1..=6000).map(|pgno| (pgno, vec![0; 512])).collect();
    let bytes = encode(header(512, 6000, 1), &pages);
    let size = bytes.len() as u64;
    let first = &bytes[(size - FIRST_TAIL_BYTES) as usize..];
    assert!(matches!(Index::parse(first, size), Ok(Parsed::NeedMore(_))));
    assert_eq!(index_of(&bytes).unwrap().entries.len(), 6000);
}

#[test]
fn the_encoder_refuses_what_may_not_be_in_a_file() {
    let page = vec![1; 65536];
    // (header, pages accepted, page refused, why)
    let lock = Pgno(16385);
    let cases = [
        (
            header(65536, 20_000, 5),
            vec![],
            lock.0,
            OrderError::LockPage(lock),
        ),
        (
            header(65536, 4, 5),
            vec![],
            5,
            OrderError::BeyondCommit {
                found: Pgno(5),
                commit: 4,
            },
        ),
        (
            header(65536, 4, 5),
            vec![2],
            2,
            OrderError::Descending {
                previous: Pgno(2),
                found: Pgno(2),
            },
        ),
        (
            header(65536, 4, 1),
            vec![],
            2,
            OrderError::SnapshotGap {
                expected: Pgno(1),
                found: Pgno(2),
            },
        ),
        (
            header(65536, 4, 1),
            vec![1],
            3,
            OrderError::SnapshotGap {
                expected: Pgno(2),
                found: Pgno(3),
            },
        ),
    ];
    for (header, accepted, refused, why) in cases {
        let (mut encoder, mut out) = (Encoder::new(header).unwrap(), Vec::new());
        for pgno in accepted {
            encoder.page(Pgno(pgno), &page, &mut out).unwrap();
        }
        let before = out.clone();
        let error = encoder.page(Pgno(refused), &page, &mut out).unwrap_err();
        assert_eq!(error, EncodeError::Order(why));
        assert_eq!(out, before);
    }
    let mut encoder = Encoder::new(header(4096, 4, 5)).unwrap();
    let error = encoder
        .page(Pgno(1), &[0; 512], &mut Vec::new())
        .unwrap_err();
    let (pgno, expected, found) = (Pgno(1), 4096, 512);
    assert_eq!(
        error,
        EncodeError::PageLength {
            pgno,
            expected,
            found
        }
    );
}

#[test]
fn a_snapshot_cannot_be_finished_before_its_last_page() {
    let mut encoder = Encoder::new(header(512, 2, 1)).unwrap();
    let mut out = Vec::new();
    encoder.page(Pgno(1), &[0; 512], &mut out).unwrap();
    let why = OrderError::SnapshotEndsEarly {
        missing: Pgno(2),
        commit: 2,
    };
    assert_eq!(encoder.finish(&mut out), Err(EncodeError::Order(why)));
}

#[test]
fn a_snapshot_steps_over_the_lock_page() {
    let (page, lock) = (vec![0; 65536], 16385);
    let (mut encoder, mut out) = (
        Encoder::new(header(65536, lock + 1, 1)).unwrap(),
        Vec::new(),
    );
    for pgno in (1..=lock + 1).filter(|&pgno| pgno != lock) {
        encoder.page(Pgno(pgno), &page, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    let pgnos: Vec<u32> = index_of(&out)
        .unwrap()
        .entries
        .iter()
        .map(|e| e.pgno.0)
        .collect();
    assert_eq!(pgnos[16383..], [16384, 16386]);

    // Also when the lock page is the last one.
    let mut encoder = Encoder::new(header(65536, lock, 1)).unwrap();
    for pgno in 1..lock {
        encoder.page(Pgno(pgno), &page, &mut Vec::new()).unwrap();
    }
    assert!(encoder.finish(&mut Vec::new()).is_ok());
}

#[test]
fn frames_of_unknown_flags_are_refused() {
    let mut bytes = VECTORS[1].to_vec();
    bytes[105] = 2;
    let source = FrameError::Flags {
        pgno: Pgno(2),
        flags: 2,
    };
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::Frame {
            offset: 100,
            source
        })
    );
}

#[test]
fn a_frame_longer_than_any_page_needs_is_not_waited_for() {
    let mut bytes = VECTORS[1][..110].to_vec();
    bytes[106..110].copy_from_slice(&u32::MAX.to_be_bytes());
    let limit = max_frame_bytes(PageSize::new(4096).unwrap());
    let length = 10 + u64::from(u32::MAX);
    let source = FrameError::TooLong {
        pgno: Pgno(2),
        length,
        limit,
    };
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::Frame {
            offset: 100,
            source
        })
    );
}

#[test]
fn an_endless_lz4_frame_is_not_waited_for() {
    let mut bytes = header(512, 4, 5).encode().unwrap().to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7]);
    for _ in 0..1000 {
        bytes.extend_from_slice(&[1, 0, 0, 0x80, 0]);
    }
    let error = decode(&bytes).unwrap_err();
    assert!(
        matches!(
            error,
            DecodeError::Frame {
                source: FrameError::TooLong { .. },
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_page_that_inflates_short_is_refused() {
    let short = lz4_flex::block::compress(&[1; 4095]);
    let mut frame = vec![0, 0, 0, 2, 0, 1];
    frame.extend_from_slice(&(short.len() as u32).to_be_bytes());
    frame.extend(short);
    let (pgno, expected, found) = (Pgno(2), 4096, 4095);
    assert_eq!(
        decode_frame(&frame, PageSize::new(4096).unwrap()),
        Err(FrameError::InflatedLength {
            pgno,
            expected,
            found
        })
    );
}

#[test]
fn an_index_that_disagrees_with_the_frames_is_refused() {
    // (pgno 2, offset 100, length 79) becomes (pgno 2, offset 101, length 79).
    let mut bytes = VECTORS[1].to_vec();
    let at = bytes.len() - 24 - 4 + 1;
    assert_eq!(bytes[at], 100);
    bytes[at] = 101;
    let offset = at as u64;
    let wanted = DecodeError::Index {
        offset,
        expected: 100,
        found: 101,
    };
    assert_eq!(decode(&bytes), Err(wanted));
    let (pgno, expected, found) = (Pgno(2), 100, 101);
    assert_eq!(
        index_of(&bytes),
        Err(IndexError::Offset {
            pgno,
            expected,
            found
        })
    );
}

#[test]
fn a_wrong_index_size_is_refused() {
    let mut bytes = VECTORS[1].to_vec();
    let at = bytes.len() - 17;
    bytes[at] = 5;
    let wanted = DecodeError::Index {
        offset: at as u64,
        expected: 4,
        found: 5,
    };
    assert_eq!(decode(&bytes), Err(wanted));
    assert_eq!(index_of(&bytes), Err(IndexError::EndMark));
}

#[test]
fn a_post_apply_checksum_is_refused_where_none_may_be() {
    let mut bytes = VECTORS[1].to_vec();
    let at = bytes.len() - 9;
    bytes[at] = 1;
    assert_eq!(
        decode_resealed(bytes),
        Err(DecodeError::PostApply { found: 1 })
    );
}

#[test]
fn a_snapshot_that_carries_a_database_checksum_is_held_to_it() {
    let pages = decode(VECTORS[0]).unwrap().pages;
    let mut bytes = VECTORS[0].to_vec();
    bytes[7] = 0; // checksums are tracked
    let sums: Vec<u64> = pages
        .iter()
        .map(|(pgno, page)| page_checksum(Pgno(*pgno), page))
        .collect();
    let right = Rolling::of(&sums).value();
    let at = bytes.len() - 16;
    bytes[at..at + 8].copy_from_slice(&right.to_be_bytes());
    assert_eq!(decode_resealed(bytes.clone()).unwrap().pages, pages);
    bytes[at + 7] ^= 1;
    let wanted = DecodeError::DatabaseChecksum {
        expected: right ^ 1,
        found: right,
    };
    assert_eq!(decode_resealed(bytes), Err(wanted));
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = VECTORS[1].to_vec();
    bytes.push(0);
    assert_eq!(
        decode(&bytes),
        Err(DecodeError::Trailing {
            offset: 213,
            extra: 1
        })
    );
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new();
    decoder.push(&[0; 100]);
    let first = decoder.event().unwrap_err();
    decoder.push(VECTORS[1]);
    assert_eq!(decoder.event().unwrap_err(), first);
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn memory_does_not_grow_with_what_was_read() {
    let pages: Pages = (1..=2000)
        .map(|pgno| (pgno, vec![pgno as u8; 4096]))
        .collect();
    let bytes = encode(header(4096, 2000, 1), &pages);
    let mut decoder = Decoder::new();
    for chunk in bytes.chunks(1000) {
        decoder.push(chunk);
        while decoder.event().unwrap().is_some() {}
        assert!(decoder.held_bytes() < 1000 + max_frame_bytes(PageSize::new(4096).unwrap()));
    }
    decoder.finish().unwrap();
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_arrives(
        (header, pages) in file(),
        points in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = encode(header, &pages);
        let file = decode_split(&bytes, &splits(bytes.len(), points)).unwrap();
        prop_assert_eq!((file.header, &file.pages), (header, &pages));
        let index = index_of(&bytes).unwrap();
        for (entry, (pgno, page)) in index.entries.iter().zip(&pages) {
            let frame = &bytes[entry.offset as usize..entry.end() as usize];
            let wanted = (Pgno(*pgno), page.clone());
            prop_assert_eq!(decode_frame(frame, header.page_size).unwrap(), wanted);
        }
        prop_assert_eq!(index.entries.len(), pages.len());
    }

    #[test]
    fn lz4_frames_of_older_writers_are_read_however_they_arrive(
        (header, pages) in file(),
        points in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = encode_with_lz4_frames(header, &pages);
        let file = decode_split(&bytes, &splits(bytes.len(), points)).unwrap();
        prop_assert_eq!((file.header, &file.pages), (header, &pages));
        for (entry, (_, page)) in index_of(&bytes).unwrap().entries.iter().zip(&pages) {
            let frame = &bytes[entry.offset as usize..entry.end() as usize];
            prop_assert_eq!(&decode_frame(frame, header.page_size).unwrap().1, page);
        }
    }

    /// LZ4 can say the same in several ways, so a change may also leave every page as it was.
    #[test]
    fn no_changed_byte_goes_unnoticed(
        (header, pages) in file(),
        old_format in any::<bool>(),
        at in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let mut bytes = if old_format {
            encode_with_lz4_frames(header, &pages)
        } else {
            encode(header, &pages)
        };
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Ok(file) = decode(&bytes) {
            prop_assert_eq!((file.header, file.pages), (header, pages));
        }
        if let Ok(index) = index_of(&bytes) {
            for entry in index.entries {
                let _ = decode_frame(&bytes[entry.offset as usize..entry.end() as usize], header.page_size);
            }
        }
    }

    #[test]
    fn no_cut_goes_unnoticed((header, pages) in file(), at in any::<prop::sample::Index>()) {
        let bytes = encode(header, &pages);
        let size = at.index(bytes.len());
        prop_assert_eq!(decode(&bytes[..size]), Err(DecodeError::Truncated { size: size as u64 }));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        size in any::<u64>(),
        with_header in any::<bool>(),
    ) {
        let mut input = if with_header { VECTORS[1][..100].to_vec() } else { Vec::new() };
        input.extend_from_slice(&bytes);
        prop_assert!(decode(&input).is_err());
        let _ = Index::parse(&bytes, bytes.len() as u64);
        let _ = Index::parse(&bytes, size);
        let _ = decode_frame(&bytes, PageSize::MIN);
        let mut lz4 = vec![0, 0, 0, 1, 0, 0, 0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7];
        lz4.extend_from_slice(&bytes);
        let _ = decode_frame(&lz4, PageSize::MIN);
    }

    #[test]
    fn arbitrary_indexes_never_panic(
        index in proptest::collection::vec(any::<u8>(), 0..100),
        claimed in prop_oneof![Just(None), any::<u64>().prop_map(Some), (0..200u64).prop_map(Some)],
    ) {
        let mut bytes = VECTORS[1][..100].to_vec();
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&index);
        bytes.extend_from_slice(&claimed.unwrap_or(index.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&[0; 16]);
        let _ = Index::parse(&bytes, bytes.len() as u64);
    }
}
