//! LZ4 frames of every kind, in pieces of any length.

use lz4_flex::frame::BlockMode;
use proptest::prelude::*;

use super::super::inflate::Inflater;
use super::*;

/// What `lz4 -B4 -BD` made of [`sample`]: linked blocks of 64 KiB.
const LINKED: &[u8] = include_bytes!("../../../../tests/vectors/linked.lz4");

fn sample(length: usize) -> Vec<u8> {
    let byte = |i: usize| (i % 251 * (i / 1000 % 7 + 1) / 3) as u8;
    (0..length).map(byte).collect()
}

/// All that is inflated, and whether it was verified.
fn inflate(frames: &[u8], piece: usize) -> Result<(Vec<u8>, bool), InflateError> {
    let (mut inflater, mut out) = (Inflater::new(), Vec::new());
    for bytes in frames.chunks(piece) {
        inflater.push(bytes);
        while let Some(bytes) = inflater.inflate()? {
            assert!(!bytes.is_empty());
            out.extend_from_slice(bytes);
        }
    }
    Ok((out, inflater.finish()?))
}

fn infos() -> impl Strategy<Value = FrameInfo> {
    let size = prop::sample::select(vec![
        BlockSize::Max64KB,
        BlockSize::Max256KB,
        BlockSize::Max1MB,
        BlockSize::Max4MB,
    ]);
    let mode = prop::sample::select(vec![BlockMode::Independent, BlockMode::Linked]);
    (size, mode, any::<bool>(), any::<bool>()).prop_map(|(size, mode, blocks, content)| {
        FrameInfo::new()
            .block_size(size)
            .block_mode(mode)
            .block_checksums(blocks)
            .content_checksum(content)
    })
}

#[test]
fn linked_blocks_of_the_reference_program_are_inflated() {
    for piece in [1, 1000, 1 << 20] {
        let (inflated, verified) = inflate(LINKED, piece).unwrap();
        assert!(inflated == sample(300_000));
        assert!(verified);
    }
}

#[test]
fn a_block_is_handed_out_as_soon_as_it_is_there() {
    let content = sample(200_000);
    let packed = frame(&content);
    let mut inflater = Inflater::new();
    let mut lengths = Vec::new();
    for byte in &packed[..packed.len() - 8] {
        inflater.push(std::slice::from_ref(byte));
        lengths.extend(inflater.inflate().unwrap().map(<[u8]>::len));
    }
    assert_eq!(lengths, [65536, 65536, 65536, 200_000 - 3 * 65536]);
}

#[test]
fn frames_may_follow_one_another_with_others_to_skip_between() {
    let (first, second) = (sample(70_000), sample(9));
    let mut frames = frame(&first);
    for (magic, length) in [(0x184d_2a50_u32, 0), (0x184d_2a5f, 5000)] {
        frames.extend(magic.to_le_bytes());
        frames.extend((length as u32).to_le_bytes());
        frames.extend(vec![7; length]);
    }
    let large = FrameInfo::new().block_size(BlockSize::Max4MB);
    frames.extend(frame_with(large, &second));
    frames.extend(frame(&[]));
    for piece in [1, 3, 4000, 1 << 20] {
        let (inflated, verified) = inflate(&frames, piece).unwrap();
        assert!(inflated == [&first[..], &second].concat());
        assert!(!verified, "the second frame has no checksum");
    }
}

#[test]
fn a_second_frame_that_is_cut_short_is_found() {
    let mut frames = frame(&sample(100));
    let first = frames.len();
    frames.extend(frame(&sample(9)));
    for length in first + 1..frames.len() {
        let offset = length as u64;
        let truncated = InflateError::Truncated { offset };
        assert_eq!(inflate(&frames[..length], 50), Err(truncated));
    }
}

#[test]
fn the_length_in_the_header_is_verified() {
    let content = sample(1000);
    let info = FrameInfo::new().content_size(Some(1000));
    let mut packed = frame_with(info, &content);
    assert!(inflate(&packed, 10).unwrap().0 == content);
    // Without the block: the end comes early.
    packed.drain(15..packed.len() - 4);
    let told = inflate(&packed, 10).unwrap_err().to_string();
    assert!(told.contains("ContentLengthError"), "{told}");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let mut dictionary = frame(b"content");
    dictionary[4] |= 1;
    let legacy = [0x02, 0x21, 0x4c, 0x18, 0, 0, 0, 0];
    let age = b"age-encryption.org/v1\n-> X25519";
    let gzip = [0x1f, 0x8b, 8, 0];
    for (bytes, why) in [
        (&dictionary[..], InflateError::Dictionary { offset: 0 }),
        (&legacy, InflateError::Legacy { offset: 0 }),
        (age, InflateError::Age),
        (
            &gzip,
            InflateError::NotLz4 {
                offset: 0,
                found: 0x0008_8b1f,
            },
        ),
    ] {
        assert_eq!(inflate(bytes, 1000), Err(why));
    }
}

#[test]
fn a_block_longer_than_the_frame_allows_is_not_waited_for() {
    let mut packed = frame(&sample(1000));
    packed[7..11].copy_from_slice(&0x7fff_0000_u32.to_le_bytes());
    let too_long = InflateError::BlockTooLong {
        offset: 7,
        found: 0x7fff_0000,
        limit: 65536,
    };
    assert_eq!(inflate(&packed, 11), Err(too_long));
}

proptest! {
    #[test]
    fn every_kind_of_frame_is_inflated_in_pieces_of_any_length(
        info in infos(),
        runs in prop::collection::vec((any::<u64>(), 1..90_000usize, any::<bool>()), 0..8),
        piece in 1..200_000usize,
    ) {
        let mut content = Vec::new();
        for (mut seed, length, noise) in runs {
            seed |= 1;
            let next = || {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed as u8
            };
            if noise {
                content.extend(std::iter::repeat_with(next).take(length));
            } else {
                content.extend(sample(length));
            }
        }
        let verified = info.content_checksum;
        let packed = frame_with(info, &content);
        let (inflated, summed) = inflate(&packed, piece.max(packed.len() / 500)).unwrap();
        prop_assert!(inflated == content && summed == verified);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed(
        at in any::<prop::sample::Index>(),
        bit in 0..8,
        piece in 1..500usize,
    ) {
        let content = sample(3000);
        let mut packed = frame(&content);
        let at = at.index(packed.len());
        packed[at] ^= 1_u8 << bit;
        if let Ok((inflated, verified)) = inflate(&packed, piece) {
            // Bits that LZ4 does not care about.
            prop_assert!(inflated == content && verified, "byte {}", at);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes: Vec<u8>, piece in 1..50usize) {
        let _ = inflate(&bytes, piece);
        let magic = [0x04, 0x22, 0x4d, 0x18];
        let _ = inflate(&[&magic[..], &bytes].concat(), piece);
    }
}
