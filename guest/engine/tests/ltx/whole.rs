//! Sound files: Litestream's own, and large ones.

use super::*;

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
    let whole = checksum.followed_by(index.tail_checksum(bytes), index.tail_bytes);
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
