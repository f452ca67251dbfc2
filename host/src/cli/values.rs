//! Values of flags.

use super::inspect::LevelArgument;
use std::time::Duration;

/// The highest of the Unix permissions.
const MODES: u32 = 0o7777;

/// A TXID as objects are named by it: 16 hexadecimal digits.
pub fn txid(text: &str) -> Result<u64, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
        .filter(|txid| *txid > 0)
        .ok_or_else(|| "a TXID has 16 hexadecimal digits, like 000000000000002a".to_owned())
}

/// The Unix milliseconds before which everything that is earlier than the moment lies.
pub fn before_ms(text: &str) -> Result<u64, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|_| {
        "a timestamp is written as ISO 8601 has it, like 2000-01-01T00:00:00Z".to_owned()
    })?;
    let nanoseconds = moment.as_nanosecond();
    let ms = nanoseconds.div_euclid(1_000_000) + i128::from(nanoseconds.rem_euclid(1_000_000) > 0);
    u64::try_from(ms).map_err(|_| "it lies before 1970".to_owned())
}

/// A length of time above zero.
pub fn interval(text: &str) -> Result<Duration, String> {
    crate::config::duration(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "a duration is a number with a unit, like 500ms, 10s or 5m".to_owned())
}

/// A number of bytes.
pub fn size(text: &str) -> Result<u64, String> {
    crate::config::size(text).ok_or_else(|| "a size is a number of bytes, like 16MB".to_owned())
}

/// A level of the replica.
pub fn level(text: &str) -> Result<LevelArgument, String> {
    if text == "all" {
        return Ok(LevelArgument::All);
    }
    let level = text.parse().ok().filter(|level| *level <= 9);
    level
        .map(LevelArgument::One)
        .ok_or_else(|| "level must be between 0 and 9, or all".to_owned())
}

/// Unix permissions.
pub fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= MODES)
        .ok_or_else(|| "permissions are octal digits, like 0644".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_txid_has_sixteen_digits() {
        assert_eq!(txid("000000000000002A"), Ok(42));
        for wrong in [
            "",
            "3",
            "+00000000000002a",
            "000000000000000g",
            "0000000000000000",
        ] {
            assert!(txid(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_within_a_millisecond_includes_what_came_before_in_it() {
        assert_eq!(before_ms("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(before_ms("1970-01-01T00:00:01.0005Z"), Ok(1001));
        assert_eq!(before_ms("1970-01-01T01:00:01+01:00"), Ok(1000));
        for wrong in ["", "yesterday", "2020-01-01", "1969-12-31T23:59:59Z"] {
            assert!(before_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(mode("0666"), Ok(0o666));
        assert!(mode("888").is_err() && mode("77777").is_err());
    }
}
