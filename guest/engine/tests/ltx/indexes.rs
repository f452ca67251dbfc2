//! Page indexes that are not what their file needs.

use super::*;

/// What is said of an index whose frames take `frames` bytes.
fn index_error(frames: usize, index: &[u8]) -> IndexError {
    let mut bytes = vec![1; 100 + frames];
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(index);
    bytes.extend_from_slice(&(index.len() as u64).to_be_bytes());
    bytes.extend_from_slice(&[0; 16]);
    index_of(&bytes).unwrap_err()
}

#[test]
fn each_fault_of_an_index_is_named() {
    use IndexError as E;
    let (pgno, previous) = (Pgno(1), 1);
    assert_eq!(
        index_error(20, &[1, 100, 10, 1, 110, 10, 0]),
        E::Order { previous, found: 1 }
    );
    let beyond = [0x80, 0x80, 0x80, 0x80, 0x10, 100, 10, 0];
    assert_eq!(
        index_error(10, &beyond),
        E::Order {
            previous: 0,
            found: 1 << 32
        }
    );
    assert_eq!(
        index_error(10, &[1, 99, 11, 0]),
        E::Offset {
            pgno,
            expected: 100,
            found: 99
        }
    );
    let gap = E::Offset {
        pgno: Pgno(2),
        expected: 110,
        found: 111,
    };
    assert_eq!(index_error(20, &[1, 100, 10, 2, 111, 9, 0]), gap);
    assert_eq!(
        index_error(6, &[1, 100, 6, 0]),
        E::Length { pgno, found: 6 }
    );
    let long = [1, 100, 0x80, 0x80, 0x10, 0];
    assert_eq!(
        index_error(10, &long),
        E::Length {
            pgno,
            found: 1 << 18
        }
    );
    assert_eq!(
        index_error(10, &[1, 100, 9, 0]),
        E::End {
            expected: 110,
            found: 109
        }
    );
    assert_eq!(index_error(0, &[0, 0]), E::AfterEnd { extra: 1 });
    assert_eq!(index_error(10, &[1, 100, 10]), E::Varint { at: 3 });
    assert_eq!(index_error(10, &[0xff; 20]), E::Varint { at: 0 });
    let mut huge = [0xff; 10];
    huge[9] = 2;
    assert_eq!(index_error(10, &huge), E::Varint { at: 0 });
}

#[test]
fn an_index_that_cannot_be_in_its_file_is_not_asked_for() {
    let mut tail = vec![0; 24];
    assert_eq!(
        Index::parse(&tail, 130),
        Err(IndexError::FileTooShort { size: 130 })
    );
    tail[7] = 2;
    let (found, size) = (2, 131);
    assert_eq!(
        Index::parse(&tail, 131),
        Err(IndexError::Size { found, size })
    );
    assert!(matches!(Index::parse(&tail, 132), Ok(Parsed::NeedMore(_))));
    tail[7] = 0;
    let (found, size) = (0, 132);
    assert_eq!(
        Index::parse(&tail, 132),
        Err(IndexError::Size { found, size })
    );
    tail[..8].copy_from_slice(&(MAX_INDEX_BYTES + 1).to_be_bytes());
    let found = MAX_INDEX_BYTES + 1;
    assert_eq!(
        Index::parse(&tail, 1 << 40),
        Err(IndexError::TooLong { found })
    );
    let (expected, found) = (24, 23);
    assert_eq!(
        Index::parse(&tail[1..], 1000),
        Err(IndexError::TailTooShort { expected, found })
    );
}
