//! The checksums of LTX: of a file, of a page, and of a whole database.
//!
//! All are CRC-64/GO-ISO (Go's `crc64.ISO`: reflected polynomial 0xD800000000000000, all ones in
//! and out).

use crate::units::Pgno;

const POLYNOMIAL: u64 = 0xD800_0000_0000_0000;

/// Set in every stored checksum, so that none is zero: zero means absent.
pub const CHECKSUM_FLAG: u64 = 1 << 63;

/// Bytes taken at once. Sixteen tables of 2 KiB fit the first-level cache and run several times
/// as fast as one.
const STRIDE: usize = 16;

/// `TABLES[n][b]`: what byte `b` does to the checksum when `n` more bytes follow it.
static TABLES: [[u64; 256]; STRIDE] = tables();

const fn tables() -> [[u64; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = times_x(crc);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        let mut crc = tables[0][byte];
        let mut following = 1;
        while following < STRIDE {
            crc = tables[0][(crc & 0xff) as usize] ^ (crc >> 8);
            tables[following][byte] = crc;
            following += 1;
        }
        byte += 1;
    }
    tables
}

/// Multiplies by x modulo the polynomial (bit 63 is the constant term).
const fn times_x(crc: u64) -> u64 {
    if crc & 1 == 1 {
        (crc >> 1) ^ POLYNOMIAL
    } else {
        crc >> 1
    }
}

/// A CRC-64 in the making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crc64(u64);

impl Crc64 {
    pub const fn new() -> Crc64 {
        Crc64(0)
    }

    pub fn of(data: &[u8]) -> Crc64 {
        let mut crc = Crc64::new();
        crc.update(data);
        crc
    }

    pub fn update(&mut self, data: &[u8]) {
        let mut crc = !self.0;
        let (blocks, rest) = data.as_chunks::<STRIDE>();
        for block in blocks {
            let word = u128::from_le_bytes(*block);
            // The last eight bytes do not depend on the checksum so far: the processor looks
            // them up while it waits for that.
            let last = contribution((word >> 64) as u64, 0);
            crc = contribution(crc ^ word as u64, 8) ^ last;
        }
        for &byte in rest {
            crc = TABLES[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
        }
        self.0 = !crc;
    }

    pub const fn value(self) -> u64 {
        self.0
    }

    /// The checksum as LTX stores it.
    pub const fn flagged(self) -> u64 {
        self.0 | CHECKSUM_FLAG
    }

    /// The checksum of these bytes followed by `length` others whose own checksum is `following`.
    ///
    /// So the pieces of a file may be read in any order and still be checked together.
    pub fn followed_by(self, following: Crc64, length: u64) -> Crc64 {
        Crc64(product(x_to_the(length.saturating_mul(8)), self.0) ^ following.0)
    }
}

/// What eight bytes do to the checksum when `following` more bytes of the block follow them.
#[inline(always)]
fn contribution(bytes: u64, following: usize) -> u64 {
    let bytes = bytes.to_le_bytes().into_iter();
    let tables = TABLES[following..following + 8].iter().rev();
    bytes
        .zip(tables)
        .fold(0, |sum, (byte, table)| sum ^ table[usize::from(byte)])
}

/// The product of two polynomials modulo the polynomial.
fn product(a: u64, mut b: u64) -> u64 {
    let mut sum = 0;
    let mut bit = CHECKSUM_FLAG;
    while bit != 0 {
        if a & bit != 0 {
            sum ^= b;
        }
        b = times_x(b);
        bit >>= 1;
    }
    sum
}

/// x to the power `exponent` modulo the polynomial, by squaring.
fn x_to_the(mut exponent: u64) -> u64 {
    let mut power = CHECKSUM_FLAG >> 1;
    let mut result = CHECKSUM_FLAG;
    while exponent != 0 {
        if exponent & 1 == 1 {
            result = product(power, result);
        }
        power = product(power, power);
        exponent >>= 1;
    }
    result
}

/// The checksum of one page at its place; never zero.
pub fn page_checksum(pgno: Pgno, page: &[u8]) -> u64 {
    let mut crc = Crc64::of(&pgno.0.to_be_bytes());
    crc.update(page);
    crc.flagged()
}

/// The checksum of a whole database: its pages' checksums, in any order.
///
/// The lock page does not count. A page checksum of zero stands for no page and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling(u64);

impl Rolling {
    /// Of a database without pages.
    pub const fn new() -> Rolling {
        Rolling(CHECKSUM_FLAG)
    }

    /// `checksums[n]` is that of page `n + 1`.
    pub fn of(checksums: &[u64]) -> Rolling {
        let mut rolling = Rolling::new();
        for &checksum in checksums {
            rolling.add(checksum);
        }
        rolling
    }

    pub const fn from_value(value: u64) -> Rolling {
        Rolling(value | CHECKSUM_FLAG)
    }

    pub const fn add(&mut self, page: u64) {
        self.0 = (self.0 ^ page) | CHECKSUM_FLAG;
    }

    pub const fn remove(&mut self, page: u64) {
        self.add(page);
    }

    pub const fn replace(&mut self, old: u64, new: u64) {
        self.remove(old);
        self.add(new);
    }

    /// Never zero.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Rolling {
    fn default() -> Self {
        Rolling::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Straight from the definition: bit by bit, no tables.
    fn by_definition(data: &[u8]) -> u64 {
        let mut crc = !0u64;
        for &byte in data {
            crc ^= u64::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 {
                    (crc >> 1) ^ 0xD800_0000_0000_0000
                } else {
                    crc >> 1
                };
            }
        }
        !crc
    }

    #[test]
    fn the_check_value_is_that_of_the_catalogue() {
        assert_eq!(Crc64::of(b"123456789").value(), 0xb909_56c7_75a4_1001);
    }

    #[test]
    fn a_page_checksum_depends_on_the_place() {
        let page = [7; 512];
        let mut bytes = vec![0, 0, 0, 2];
        bytes.extend_from_slice(&page);
        assert_eq!(
            page_checksum(Pgno(2), &page),
            by_definition(&bytes) | 1 << 63
        );
        assert_ne!(page_checksum(Pgno(2), &page), page_checksum(Pgno(3), &page));
    }

    #[test]
    fn replacing_a_page_equals_counting_the_new_database() {
        let one = page_checksum(Pgno(1), &[1; 512]);
        let two = page_checksum(Pgno(2), &[2; 512]);
        let changed = page_checksum(Pgno(2), &[3; 512]);
        let mut rolling = Rolling::of(&[one, two]);
        rolling.replace(two, changed);
        assert_eq!(rolling, Rolling::of(&[one, changed]));
        assert_ne!(rolling, Rolling::of(&[one, two]));
        rolling.remove(changed);
        rolling.remove(one);
        assert_eq!(rolling.value(), 1 << 63);
    }

    proptest! {
        #[test]
        fn fast_equals_definition_however_the_bytes_are_split(
            data in proptest::collection::vec(any::<u8>(), 0..200),
            at in any::<proptest::sample::Index>(),
        ) {
            let (left, right) = data.split_at(at.index(data.len() + 1));
            let mut crc = Crc64::of(left);
            crc.update(right);
            prop_assert_eq!(crc.value(), by_definition(&data));
        }

        #[test]
        fn pieces_put_together_equal_the_whole(
            data in proptest::collection::vec(any::<u8>(), 0..5000),
            at in any::<proptest::sample::Index>(),
        ) {
            let (left, right) = data.split_at(at.index(data.len() + 1));
            let joined = Crc64::of(left).followed_by(Crc64::of(right), right.len() as u64);
            prop_assert_eq!(joined, Crc64::of(&data));
        }
    }
}
