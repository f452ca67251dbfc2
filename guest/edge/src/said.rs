//! What whoever runs the instance said of the database.

use engine::edge::Freshness;
use engine::ltx::Layout;

const CACHE_BYTES: u64 = 16 << 20;
const TRANSACTION_BYTES: u64 = 64 << 20;

pub struct Said {
    pub layout: Layout,
    pub read_only: bool,
    pub freshness: Freshness,
    /// Bytes.
    pub cache: u64,
    pub max_transaction: u64,
}

impl Said {
    /// Errors: a value that cannot be understood, with its name.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Said, String> {
        let said = |name: &str| get(name).filter(|value| !value.is_empty());
        let wrong = |name: &str, value: &str, expected: &str| {
            format!("{name} = {value:?}: expected {expected}")
        };
        let bytes = |name: &str, usual: u64| match said(name) {
            None => Ok(usual),
            Some(value) => hrana::bytes(&value)
                .ok_or_else(|| wrong(name, &value, "bytes, such as 500kB or 10MB")),
        };
        let layout = match said("layout").as_deref() {
            None | Some("hexadecimal") => Layout::Hexadecimal,
            Some("decimal") => Layout::Decimal,
            Some(other) => return Err(wrong("layout", other, "hexadecimal or decimal")),
        };
        let read_only = match said("read-only").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(wrong("read-only", other, "true or false")),
        };
        let freshness = match said("freshness").as_deref() {
            None | Some("strong") => Freshness::Strong,
            Some(other) => match hrana::duration(other) {
                Some(bound) => Freshness::Bounded(bound.as_millis() as u64),
                None => return Err(wrong("freshness", other, "strong, or a time such as 500ms")),
            },
        };
        Ok(Said {
            layout,
            read_only,
            freshness,
            cache: bytes("cache", CACHE_BYTES)?,
            max_transaction: bytes("max-transaction", TRANSACTION_BYTES)?,
        })
    }
}
