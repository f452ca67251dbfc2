//! How the text of a value is understood: booleans, durations and sizes as Go programs write them.

use std::time::Duration;

/// What a duration looks like, for messages.
pub const DURATION: &str = "a duration such as \"500ms\", \"10s\" or \"1h30m\"";

/// What a size looks like, for messages.
pub const SIZE: &str = "a size in bytes such as 1048576, \"64MB\" or \"64MiB\"";

/// What Unix permissions look like, for messages.
pub const PERMISSIONS: &str = "octal permissions that begin with 0, such as 0600";

pub const NANOSECONDS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, the micro sign
    ("μs", 1_000), // U+03BC, the Greek letter
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

pub const BYTES: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("ti", 1 << 40),
    ("tib", 1 << 40),
];

/// The words of YAML.
pub const TRUE: [&str; 3] = ["true", "yes", "on"];
pub const FALSE: [&str; 3] = ["false", "no", "off"];

const MOST_PERMISSIONS: u32 = 0o777;

/// The longest fraction that is read: nanoseconds have nine digits, more cannot matter.
const MAX_FRACTION_DIGITS: usize = 18;

pub fn boolean(text: &str) -> Option<bool> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    let truth = TRUE.iter().any(is);
    (truth || FALSE.iter().any(is)).then_some(truth)
}

/// Unix permissions. The leading zero is asked for: to YAML, and so to Litestream, `600` is the
/// decimal number, which as permissions would let strangers in.
pub fn permissions(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('0')?;
    let digits = digits.strip_prefix('o').unwrap_or(digits);
    let is_octal = digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let permissions = u32::from_str_radix(digits, 8).ok()?;
    (is_octal && permissions <= MOST_PERMISSIONS).then_some(permissions)
}

/// A Go duration that is not negative. Only `0` needs no unit.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanoseconds: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, scale) = NANOSECONDS.iter().find(|(name, _)| *name == unit)?;
        nanoseconds = nanoseconds.checked_add(scaled(number, *scale)?)?;
        rest = tail;
    }
    let nanoseconds = u64::try_from(nanoseconds).ok()?;
    (!text.is_empty()).then(|| Duration::from_nanos(nanoseconds))
}

/// A number of bytes, with or without a unit.
pub fn size(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, scale) = BYTES.iter().find(|(name, _)| *name == unit)?;
    u64::try_from(scaled(number, u128::from(*scale))?).ok()
}

/// A number that is not below zero, in billionths.
pub fn billionths(text: &str) -> Option<u64> {
    u64::try_from(scaled(text, 1_000_000_000)?).ok()
}

/// `number`, a decimal fraction, times `scale`, rounded down.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits_only = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || fraction.len() > MAX_FRACTION_DIGITS {
        return None;
    }
    if !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(scale)?;
    if !fraction.is_empty() {
        let parts: u128 = fraction.parse().ok()?;
        total =
            total.checked_add(parts.checked_mul(scale)? / 10_u128.pow(fraction.len() as u32))?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("1s", 1_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1m0.25s", 60_250),
            ("0", 0),
            ("0s", 0),
            ("1000us", 1),
            ("1000µs", 1),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in [
            "",
            "10",
            "s",
            ".s",
            "1",
            "-1s",
            "1 s",
            "1d",
            "1s2",
            "1..5s",
            "9999999999999h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64MB", 64_000_000),
            ("64MiB", 64 << 20),
            ("64 mib", 64 << 20),
            ("1.5k", 1_500),
            ("1G", 1_000_000_000),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "MB", "-1", "1XB", "64 M B", "99999999999999999999"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn permissions_are_octal_and_say_so() {
        for (text, mode) in [
            ("0600", 0o600),
            ("0o660", 0o660),
            ("00", 0),
            ("0777", 0o777),
        ] {
            assert_eq!(permissions(text), Some(mode), "{text}");
        }
        for text in ["600", "384", "0", "", "0608", "01777", "0+60", "rw"] {
            assert_eq!(permissions(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_are_the_words_of_yaml() {
        assert_eq!(["true", "True", "yes", "on"].map(boolean), [Some(true); 4]);
        assert_eq!(["false", "NO", "off"].map(boolean), [Some(false); 3]);
        assert_eq!(["1", "", "ja"].map(boolean), [None; 3]);
    }
}
