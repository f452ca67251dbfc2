//! A YAML document as a tree that knows where each of its parts stands in the file.
//!
//! Scalars stay the text that was written: `0123`, `1e5` and `yes` may be a key, a bucket or a
//! boolean, and only the reader of a field knows which.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};
use std::fmt;

/// A place in the file; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`: as good as a key that is not there.
    Empty,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub key_at: Position,
    pub node: Node,
}

/// Why a text is not a YAML document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub at: Position,
    pub message: String,
}

/// Reads one YAML document.
pub fn parse(source: &str) -> Result<Node, SyntaxError> {
    // Snippets would print the lines around a mistake, and with them credentials.
    let options = serde_saphyr::options! { with_snippet: false };
    let raw = serde_saphyr::from_str_with_options::<Spanned<Raw>>(source, options)
        .map_err(|error| syntax_error(&error))?;
    Ok(node(source, raw))
}

fn syntax_error(error: &serde_saphyr::Error) -> SyntaxError {
    let at = error
        .location()
        .map_or(Position { line: 1, column: 1 }, position);
    let message = UserMessageFormatter.format_message(error).into_owned();
    SyntaxError { at, message }
}

fn position(location: serde_saphyr::Location) -> Position {
    Position {
        line: location.line(),
        column: location.column(),
    }
}

fn node(source: &str, raw: Spanned<Raw>) -> Node {
    let value = match raw.value {
        Raw::Empty => Value::Empty,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Literal(parsed) => Value::Scalar(as_written(source, raw.defined).unwrap_or(parsed)),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(source, item)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key: key.value,
                    key_at: position(key.referenced),
                    node: node(source, value),
                })
                .collect(),
        ),
    };
    Node {
        at: position(raw.referenced),
        value,
    }
}

/// The characters of a number or boolean, which the parser hands out as a value only.
fn as_written(source: &str, location: serde_saphyr::Location) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    source
        .get(start..start.checked_add(length)?)
        .map(|text| text.trim().to_owned())
}

enum Raw {
    Empty,
    Text(String),
    /// What YAML takes for a number or boolean.
    Literal(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64) -> Position {
        Position { line, column }
    }

    fn entry(node: &Node, index: usize) -> &Entry {
        match &node.value {
            Value::Map(entries) => &entries[index],
            other => panic!("expected a mapping, found {other:?}"),
        }
    }

    fn scalar(text: &str) -> Value {
        Value::Scalar(text.to_owned())
    }

    #[test]
    fn keys_and_values_know_where_they_stand() {
        let root = parse("addr: x\ndbs:\n  - path: /a\n").unwrap();
        let dbs = entry(&root, 1);
        assert_eq!((dbs.key.as_str(), dbs.key_at), ("dbs", at(2, 1)));
        let Value::List(items) = &dbs.node.value else {
            panic!("expected a list")
        };
        let path = entry(&items[0], 0);
        assert_eq!(path.key_at, at(3, 5));
        assert_eq!(
            path.node,
            Node {
                at: at(3, 11),
                value: scalar("/a")
            }
        );
    }

    #[test]
    fn scalars_stay_as_they_were_written() {
        for text in [
            "0123", "1e5", "1.10", "0x1F", "yes", "True", "-007", "12", "a b", "1_000",
        ] {
            let root = parse(&format!("# é\nkey: {text} # why\nlist: [{text}]\n")).unwrap();
            assert_eq!(entry(&root, 0).node.value, scalar(text));
            let Value::List(items) = &entry(&root, 1).node.value else {
                panic!("expected a list")
            };
            assert_eq!(items[0].value, scalar(text));
        }
    }

    #[test]
    fn an_alias_has_the_text_of_its_anchor_and_its_own_place() {
        let root = parse("a: &x 0123\nb: *x\n").unwrap();
        assert_eq!(
            entry(&root, 1).node,
            Node {
                at: at(2, 4),
                value: scalar("0123")
            }
        );
    }

    #[test]
    fn merged_mappings_are_part_of_the_mapping() {
        let root = parse("base: &b {region: r}\nmine:\n  <<: *b\n  bucket: x\n").unwrap();
        let Value::Map(entries) = &entry(&root, 1).node.value else {
            panic!("expected a map")
        };
        let mut keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["bucket", "region"]);
    }

    #[test]
    fn an_empty_value_and_an_empty_document_are_empty() {
        assert_eq!(entry(&parse("key:\n").unwrap(), 0).node.value, Value::Empty);
        assert_eq!(parse("# nothing\n").unwrap().value, Value::Empty);
    }

    #[test]
    fn quoted_text_is_text() {
        let root = parse("a: \"0123\"\nb: 'null'\n").unwrap();
        assert_eq!(entry(&root, 0).node.value, scalar("0123"));
        assert_eq!(entry(&root, 1).node.value, scalar("null"));
    }

    #[test]
    fn a_syntax_error_says_where_and_prints_no_line_of_the_file() {
        let error = parse("secret-access-key: hunter2\ndbs: [\n").unwrap_err();
        assert!(error.at.line >= 2, "{error:?}");
        assert!(!error.message.contains("hunter2"), "{error:?}");
        assert!(!error.message.contains('\n'), "{error:?}");
    }

    #[test]
    fn a_key_given_twice_is_an_error() {
        let error = parse("path: a\npath: b\n").unwrap_err();
        assert_eq!(error.at, at(2, 1));
        assert!(error.message.contains("path"), "{error:?}");
    }
}
