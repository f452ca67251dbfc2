//! Random files, split and damaged at random.

use super::*;
use proptest::prelude::*;

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
        (content_size, block_checksums) in any::<(bool, bool)>(),
    ) {
        let frame = Lz4Frame { content_size, block_checksums };
        let bytes = encode_with_lz4_frames(header, &pages, frame);
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
            encode_with_lz4_frames(header, &pages, LZ4_FRAME)
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
