//! Which keys and prefixes are taken: names that stay below the prefix on every kind of store.

use crate::Error;
use crate::limits::KEY_BYTES;

/// What our own files in a directory begin with; no key part may.
pub const OWN_FILES: &str = ".seawall-";

/// Is `key` the name of an object that every store can hold below its prefix?
///
/// Errors: [`Error::Invalid`].
pub fn check_key(key: &str) -> Result<(), Error> {
    check_text("key", key)?;
    for part in key.split('/') {
        check_part("key", key, part)?;
        if part.is_empty() {
            return Err(invalid("key", key, "has an empty part"));
        }
    }
    Ok(())
}

/// Is `prefix` what a key may begin with? It may be empty or end within a part.
///
/// Errors: [`Error::Invalid`].
pub fn check_prefix(prefix: &str) -> Result<(), Error> {
    check_text("prefix", prefix)?;
    let (whole_parts, _begun) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if prefix.starts_with('/') {
        return Err(invalid("prefix", prefix, "begins with a slash"));
    }
    whole_parts
        .split('/')
        .try_for_each(|part| check_part("prefix", prefix, part))
}

fn check_text(what: &str, text: &str) -> Result<(), Error> {
    if text.len() > KEY_BYTES {
        return Err(Error::Invalid(format!(
            "a {what} of {} bytes is too long: at most {KEY_BYTES} are allowed",
            text.len()
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(what, text, "has control characters"));
    }
    Ok(())
}

fn check_part(what: &str, whole: &str, part: &str) -> Result<(), Error> {
    if part == "." || part == ".." {
        return Err(invalid(what, whole, "has a part `.` or `..`"));
    }
    if part.starts_with(OWN_FILES) {
        return Err(invalid(
            what,
            whole,
            "has a part that is reserved for Seawall's own files",
        ));
    }
    Ok(())
}

fn invalid(what: &str, text: &str, why: &str) -> Error {
    Error::Invalid(format!("the {what} {text:?} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_layout_are_keys() {
        for key in [
            "0000/0000000000000001-0000000000000001.ltx",
            "lock.json",
            "a b/ü+%",
            "a/.b",
        ] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn nothing_outside_the_prefix_can_be_named() {
        for key in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            "a\n",
            ".seawall-tmp-1",
            "a\0",
        ] {
            assert!(matches!(check_key(key), Err(Error::Invalid(_))), "{key:?}");
        }
        assert!(check_key(&"k".repeat(1025)).is_err());
    }

    #[test]
    fn a_prefix_may_end_anywhere_but_not_lead_outside() {
        for prefix in ["", "0", "0000/", "0000/00", "a/.."] {
            assert_eq!(check_prefix(prefix), Ok(()), "{prefix}");
        }
        for prefix in ["/", "/a", "../", "a/../", "./b", "a\0"] {
            assert!(
                matches!(check_prefix(prefix), Err(Error::Invalid(_))),
                "{prefix:?}"
            );
        }
    }
}
