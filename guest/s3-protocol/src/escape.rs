//! Percent-encoding as AWS wants it signed, and its inverse in listings.

/// RFC 3986: everything but unreserved characters is encoded, a slash too.
pub fn encode(text: &str) -> String {
    encode_except(text, "-._~")
}

/// A key as the path of a URL: slashes stay.
pub fn encode_path(key: &str) -> String {
    encode_except(key, "-._~/")
}

fn encode_except(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric() || kept.contains(character) {
            encoded.push(character);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A key of a listing with `encoding-type=url`. There AWS writes a space as `+`.
pub fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        assert_eq!(encode_path("db/0000/1-1.ltx"), "db/0000/1-1.ltx");
        assert_eq!(encode_path("a b/ü+%~"), "a%20b/%C3%BC%2B%25~");
        assert_eq!(encode("a/b=c&d"), "a%2Fb%3Dc%26d");
    }

    #[test]
    fn decoding_undoes_encoding() {
        for text in ["", "db/0000/1-1.ltx", "a b/ü+%~", "\u{1F40B}"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(decode("a+b").as_deref(), Some("a b"));
        for broken in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
