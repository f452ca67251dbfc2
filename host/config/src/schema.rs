//! A config as a JSON Schema, for editors: made from the tables that the reader goes by.
//!
//! It is never stricter than the reader, and now and then laxer: what two keys say together, and
//! that an interval is longer than zero, only the reader judges.

use super::keys::{Effect, Group, Key, Shape, TOP};
use super::values;
use serde_json::{Map, Value, json};

/// What may stand for any value: a variable of the environment.
const VARIABLE: &str = "\\$";

pub fn document() -> Value {
    let mut schema = object(&TOP);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The config of Seawall, which is also that of Litestream 0.5",
    });
    merge(&mut schema, head);
    schema
}

fn object(group: &Group) -> Value {
    let properties: Map<_, _> = group
        .keys()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    json!({
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = match key.effect {
        Effect::Works => shape(key.shape),
        Effect::Harmless | Effect::Inert(_) => json!({}),
        Effect::Refused(_) => json!({ "not": {} }),
    };
    let description = match key.effect {
        Effect::Works | Effect::Harmless => key.about.to_owned(),
        Effect::Inert(note) => format!("No effect: {note}."),
        Effect::Refused(note) => format!("Refused: {note}."),
    };
    merge(&mut schema, json!({ "description": description }));
    if matches!(key.effect, Effect::Inert(_)) {
        merge(&mut schema, json!({ "deprecated": true }));
    }
    if let Some(default) = key.default {
        let default = serde_json::from_str(default).unwrap_or_else(|_| json!(default));
        merge(&mut schema, json!({ "default": default }));
    }
    schema
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => text(),
        Shape::Secret => {
            let mut schema = text();
            merge(&mut schema, json!({ "writeOnly": true }));
            schema
        }
        Shape::Boolean => {
            let words = values::TRUE.into_iter().chain(values::FALSE);
            scalar("boolean", &format!("^({})$", any_case(words)))
        }
        Shape::Duration => {
            let mut schema = scalar("integer", &format!("^0$|{}", durations()));
            merge(&mut schema, json!({ "minimum": 0, "maximum": 0 }));
            schema
        }
        Shape::Interval => {
            json!({ "type": ["string", "null"], "pattern": format!("{}|{VARIABLE}", durations()) })
        }
        Shape::Size => {
            let units = any_case(values::BYTES.iter().map(|(unit, _)| *unit));
            let mut schema = scalar("number", &format!("^[0-9]*\\.?[0-9]*[ \\t]*({units})$"));
            merge(&mut schema, json!({ "minimum": 0 }));
            schema
        }
        Shape::Count => {
            let mut schema = scalar("integer", "^\\+?[0-9]+$");
            merge(&mut schema, json!({ "minimum": 1 }));
            schema
        }
        Shape::Price => {
            let mut schema = scalar("number", "^[0-9]*\\.?[0-9]*$");
            merge(&mut schema, json!({ "minimum": 0 }));
            schema
        }
        Shape::Integer => scalar("integer", "^[+-]?[0-9]+$"),
        // A number in octal, which not every parser of YAML knows as such.
        Shape::Permissions => scalar("integer", "^0o?[0-7]+$"),
        Shape::Choice(choices) => {
            let words = any_case(choices.iter().copied());
            json!({
                "anyOf": [
                    { "enum": choices },
                    { "type": ["string", "null"], "pattern": format!("^({words})$|{VARIABLE}") },
                ]
            })
        }
        Shape::Mapping(group) => object(group),
        Shape::Mappings(group) => json!({ "type": ["array", "null"], "items": object(group) }),
        Shape::Anything => json!({}),
    }
}

/// Any scalar is text: a bucket may be called `0123`.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean", "null"] })
}

/// A value of this type, or its text.
fn scalar(kind: &str, pattern: &str) -> Value {
    json!({ "type": [kind, "string", "null"], "pattern": format!("{pattern}|{VARIABLE}|^$") })
}

fn durations() -> String {
    let units: Vec<_> = values::NANOSECONDS.iter().map(|(unit, _)| *unit).collect();
    format!("^([0-9]*\\.?[0-9]*({}))+$", units.join("|"))
}

/// The words as one pattern, in capitals or not.
fn any_case<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let any_case = |letter: char| {
        if letter.is_ascii_alphabetic() {
            format!("[{}{letter}]", letter.to_ascii_uppercase())
        } else {
            letter.to_string()
        }
    };
    let words: Vec<String> = words
        .map(|word| word.chars().map(any_case).collect())
        .collect();
    words.join("|")
}

fn merge(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
