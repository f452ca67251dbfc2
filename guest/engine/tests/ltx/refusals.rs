//! What the encoder does not write, and the decoder does not let through.

use super::*;

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

    let mut bytes = VECTORS[1].to_vec();
    bytes[105] = 2;
    let mut decoder = Decoder::new();
    decoder.push(&bytes);
    assert!(matches!(decoder.event(), Ok(Some(Event::Header(_)))));
    let first = decoder.event().unwrap_err();
    assert_eq!(decoder.event(), Err(first));
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

#[test]
fn an_lz4_frame_must_carry_a_checksum_and_need_no_dictionary() {
    // FLG: version 1, independent blocks; then with a dictionary, and of version 0.
    for flg in [0x60, 0x65, 0x24] {
        let frame = [0, 0, 0, 1, 0, 0, 0x04, 0x22, 0x4d, 0x18, flg, 0x40];
        let found = [0x04, 0x22, 0x4d, 0x18, flg, 0x40];
        let pgno = Pgno(1);
        assert_eq!(
            decode_frame(&frame, PageSize::MIN),
            Err(FrameError::Lz4Frame { pgno, found })
        );
    }
}

#[test]
fn the_checksum_of_an_lz4_frame_is_compared() {
    let bytes = encode_with_lz4_frames(header(512, 4, 5), &[(1, vec![9; 512])], LZ4_FRAME);
    let entry = index_of(&bytes).unwrap().entries[0];
    let mut frame = bytes[entry.offset as usize..entry.end() as usize].to_vec();
    assert!(decode_frame(&frame, PageSize::MIN).is_ok());
    *frame.last_mut().unwrap() ^= 1;
    let error = decode_frame(&frame, PageSize::MIN).unwrap_err();
    assert!(matches!(error, FrameError::Inflate { .. }), "{error}");
}

#[test]
fn an_lz4_frame_of_another_length_is_refused() {
    for (length, expected) in [(511, 512), (513, 512)] {
        let page = vec![9; length];
        let of_length = Header {
            page_size: PageSize::MIN,
            ..header(512, 4, 5)
        };
        let bytes = encode_with_lz4_frames(of_length, &[(1, page)], LZ4_FRAME);
        let entry = index_of(&bytes).unwrap().entries[0];
        let frame = &bytes[entry.offset as usize..entry.end() as usize];
        let (pgno, found) = (Pgno(1), length);
        assert_eq!(
            decode_frame(frame, PageSize::MIN),
            Err(FrameError::InflatedLength {
                pgno,
                expected,
                found
            })
        );
    }
}

#[test]
fn a_frame_given_with_other_bytes_is_refused() {
    let (frame, size) = (&VECTORS[1][100..179], PageSize::new(4096).unwrap());
    assert!(decode_frame(frame, size).is_ok());
    let longer = &VECTORS[1][100..180];
    let (pgno, length, found) = (Pgno(2), 79, 80);
    assert_eq!(
        decode_frame(longer, size),
        Err(FrameError::Length {
            pgno,
            length,
            found
        })
    );
    let found = 78;
    assert_eq!(
        decode_frame(&frame[..78], size),
        Err(FrameError::Truncated { found })
    );
    assert_eq!(decode_frame(&[0; 6], size), Err(FrameError::End));
}
