//! As much of the LTX format as the tests must know to check a replica from outside: names and
//! headers, read independently of the engine.

use anyhow::{Context, Result, ensure};

/// An object's name: the first and last TXID in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub min: u64,
    pub max: u64,
}

impl Span {
    /// From `…/<16 hex>-<16 hex>.ltx`; `None` for other names.
    pub fn of_key(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next()?.strip_suffix(".ltx")?;
        let (min, max) = name.split_once('-')?;
        let hex = |text: &str| {
            u64::from_str_radix(text, 16)
                .ok()
                .filter(|_| text.len() == 16)
        };
        Some(Self {
            min: hex(min)?,
            max: hex(max)?,
        })
    }
}

/// What a header says, as far as the tests look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub page_size: u32,
    /// Database size in pages.
    pub commit: u32,
    pub span: Span,
    pub wal_offset: u64,
    pub wal_size: u64,
    pub salts: (u32, u32),
}

pub const HEADER_BYTES: usize = 100;

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let head = bytes.get(..HEADER_BYTES).context("shorter than a header")?;
        ensure!(&head[..4] == b"LTX1", "no LTX magic");
        let u32_at = |at: usize| {
            let four = head[at..at + 4].try_into().expect("four bytes");
            u32::from_be_bytes(four)
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
        Ok(Self {
            page_size: u32_at(8),
            commit: u32_at(12),
            span: Span {
                min: u64_at(16),
                max: u64_at(24),
            },
            wal_offset: u64_at(48),
            wal_size: u64_at(56),
            salts: (u32_at(64), u32_at(68)),
        })
    }
}

/// Checks that level-0 spans are single TXIDs in a row; returns the last. An empty level is 0.
pub fn contiguous(spans: &[Span]) -> Result<u64> {
    for span in spans {
        ensure!(
            span.min == span.max,
            "level 0 holds more than one TXID: {span:?}"
        );
    }
    for pair in spans.windows(2) {
        ensure!(
            pair[1].min == pair[0].max + 1,
            "level 0 goes from {:?} to {:?}",
            pair[0],
            pair[1]
        );
    }
    Ok(spans.last().map_or(0, |last| last.max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(min: u64, max: u64) -> Span {
        Span { min, max }
    }

    #[test]
    fn names_are_read_and_others_are_not() {
        let key = "a/0000/000000000000000a-00000000000000ff.ltx";
        assert_eq!(Span::of_key(key), Some(span(10, 255)));
        for other in ["0000/a-b.ltx", "lock.json", "0000/x.ltx.tmp"] {
            assert_eq!(Span::of_key(other), None, "{other}");
        }
    }

    #[test]
    fn gaps_and_duplicates_are_noticed() {
        assert_eq!(contiguous(&[]).unwrap(), 0);
        assert_eq!(contiguous(&[span(3, 3), span(4, 4)]).unwrap(), 4);
        for bad in [
            [span(3, 3), span(5, 5)],
            [span(3, 3), span(3, 3)],
            [span(1, 2), span(3, 3)],
        ] {
            assert!(contiguous(&bad).is_err(), "{bad:?}");
        }
    }
}
