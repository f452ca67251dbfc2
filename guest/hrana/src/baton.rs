//! What a client shows to come back to its stream: a signed ticket for one request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The `sequence`th request on a stream of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baton {
    pub instance: u64,
    pub stream: u64,
    pub sequence: u64,
}

/// Signs batons, and knows its own signature.
pub struct Signer {
    key: Hmac<Sha256>,
}

const FIELDS: usize = 24;

impl Signer {
    /// `None`: never, since a key of HMAC may have any length.
    pub fn new(key: &[u8]) -> Option<Signer> {
        let key = Hmac::new_from_slice(key).ok()?;
        Some(Signer { key })
    }

    pub fn sign(&self, baton: Baton) -> String {
        let mut bytes = Vec::with_capacity(FIELDS + 32);
        for field in [baton.instance, baton.stream, baton.sequence] {
            bytes.extend(field.to_be_bytes());
        }
        let signature = self.key.clone().chain_update(&bytes).finalize();
        bytes.extend(signature.into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None`: not signed with this key.
    pub fn verify(&self, text: &str) -> Option<Baton> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (fields, signature) = bytes.split_at_checked(FIELDS)?;
        let signed = self.key.clone().chain_update(fields);
        // In constant time.
        signed.verify_slice(signature).ok()?;
        let mut fields = fields
            .chunks_exact(8)
            .filter_map(|field| field.try_into().ok())
            .map(u64::from_be_bytes);
        Some(Baton {
            instance: fields.next()?,
            stream: fields.next()?,
            sequence: fields.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Baton, Signer};

    #[test]
    fn only_what_was_signed_is_believed() {
        let signer = Signer::new(b"key").unwrap();
        let baton = Baton {
            instance: 1,
            stream: 2,
            sequence: 3,
        };
        let text = signer.sign(baton);
        assert_eq!(signer.verify(&text), Some(baton));
        assert_eq!(Signer::new(b"other").unwrap().verify(&text), None);
        for at in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character holds bits that mean nothing, and they have to be zero.
            assert_eq!(signer.verify(&forged), None, "{at}");
        }
        for text in ["", "AAAA", "?", &text[..40]] {
            assert_eq!(signer.verify(text), None, "{text}");
        }
    }
}
