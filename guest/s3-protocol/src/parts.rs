//! The parts of an upload: do they make up one object without a hole?

use std::collections::BTreeMap;

use crate::Error;

/// Parts in a multipart upload: S3's own limit.
const MOST_PARTS: u32 = 10_000;

/// The parts that arrived, each with what its store said about it.
#[derive(Debug, Default)]
pub struct Parts<T> {
    by_number: BTreeMap<u32, Part<T>>,
}

#[derive(Debug)]
struct Part<T> {
    offset: u64,
    bytes: u64,
    receipt: T,
}

/// Is `number` a part number?
///
/// Errors: [`Error::Invalid`].
pub fn check_number(number: u32) -> Result<(), Error> {
    if (1..=MOST_PARTS).contains(&number) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "part number {number} is not within 1..={MOST_PARTS}"
    )))
}

impl<T> Parts<T> {
    /// Notes a part. The same number again replaces the former one.
    pub fn insert(&mut self, number: u32, offset: u64, bytes: u64, receipt: T) {
        self.by_number.insert(
            number,
            Part {
                offset,
                bytes,
                receipt,
            },
        );
    }

    /// The receipts in order of part numbers, when the parts join up from offset 0 on.
    ///
    /// Errors: [`Error::Invalid`] when a part is missing or does not begin where the one before
    /// it ends.
    pub fn in_order(&self) -> Result<Vec<(u32, &T)>, Error> {
        if self.by_number.is_empty() {
            return Err(Error::Invalid(
                "an upload without any part cannot be completed".into(),
            ));
        }
        let mut reached = 0;
        for (expected, (&number, part)) in (1..).zip(&self.by_number) {
            if number != expected {
                return Err(Error::Invalid(format!(
                    "part {expected} of the upload is missing"
                )));
            }
            if part.offset != reached {
                return Err(Error::Invalid(format!(
                    "part {number} begins at byte {}, but the part before it ends at {reached}",
                    part.offset
                )));
            }
            reached += part.bytes;
        }
        Ok(self
            .by_number
            .iter()
            .map(|(number, part)| (*number, &part.receipt))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_arrived_in_any_order_are_put_in_order() {
        let mut parts = Parts::default();
        parts.insert(2, 10, 5, "b");
        parts.insert(1, 0, 10, "a");
        assert_eq!(parts.in_order(), Ok(vec![(1, &"a"), (2, &"b")]));
    }

    #[test]
    fn a_hole_is_noticed() {
        let mut parts = Parts::default();
        assert!(parts.in_order().is_err());
        parts.insert(2, 10, 5, ());
        assert!(parts.in_order().is_err());
        parts.insert(1, 0, 9, ());
        assert!(parts.in_order().is_err());
        parts.insert(1, 0, 10, ());
        assert!(parts.in_order().is_ok());
    }

    #[test]
    fn part_numbers_begin_at_one() {
        assert!(check_number(0).is_err());
        assert!(check_number(1).is_ok());
        assert!(check_number(10_001).is_err());
    }
}
