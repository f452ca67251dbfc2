//! Reads the keys of one mapping by its table. `close` takes every key that the table does not have
//! for a mistake, and says of those that have no effect that they have none.

use super::findings::Findings;
use super::keys::{Effect, Group, Key, Shape};
use super::observe::Price;
use super::tree::{Entry, Node, Position, Value};
use super::values;
use s3_protocol::Secret;
use std::ops::RangeBounds;
use std::time::Duration;

/// Above this share of edits to letters a key is no longer a likely slip for another.
const MAX_EDITS_PER_LETTER: f64 = 0.34;

/// A text and where it was written.
pub struct Text {
    pub text: String,
    pub key: &'static str,
    pub key_at: Position,
    pub at: Position,
}

/// A mapping that is not opened yet.
pub struct Item<'a> {
    pub name: String,
    pub node: &'a Node,
    group: &'static Group,
}

impl<'a> Item<'a> {
    pub fn open(self, findings: &'a Findings) -> Option<Section<'a>> {
        Section::open(self.name, self.node, self.group, findings)
    }
}

pub struct Section<'a> {
    /// As a person would say it: `dbs[0].replica`; empty for the top of the file.
    name: String,
    at: Position,
    group: &'static Group,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
    findings: &'a Findings,
}

impl<'a> Section<'a> {
    /// The mapping at `node`; an empty value is a mapping without keys. Anything else is an error.
    pub fn open(
        name: impl Into<String>,
        node: &'a Node,
        group: &'static Group,
        findings: &'a Findings,
    ) -> Option<Self> {
        let name = name.into();
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Empty => &[],
            other => {
                let name = if name.is_empty() { "the file" } else { &name };
                let found = describe(other);
                findings.error(
                    node.at,
                    format!("{name} must hold `key: value` lines, not {found}"),
                );
                return None;
            }
        };
        Some(Self {
            name,
            at: node.at,
            group,
            entries,
            asked: Vec::new(),
            findings,
        })
    }

    pub fn at(&self) -> Position {
        self.at
    }

    pub fn findings(&self) -> &'a Findings {
        self.findings
    }

    /// The full name of a key of this section.
    pub fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// What stands under `key`, unless it is empty. The table must have the key as one that works.
    fn entry(&mut self, key: &'static str, fits: impl FnOnce(Shape) -> bool) -> Option<&'a Entry> {
        debug_assert!(
            self.group
                .find(key)
                .is_some_and(|known| known.effect == Effect::Works && fits(known.shape)),
            "the table of keys and the reader disagree on {key}"
        );
        self.asked.push(key);
        self.present(key)
    }

    /// What the file has under `key`, without reading it.
    pub fn present(&self, key: &str) -> Option<&'a Entry> {
        let empty = |value: &Value| match value {
            Value::Empty => true,
            Value::Scalar(text) => text.is_empty(),
            Value::List(_) | Value::Map(_) => false,
        };
        self.entries
            .iter()
            .find(|entry| entry.key == key && !empty(&entry.node.value))
    }

    fn parsed<T>(
        &mut self,
        key: &'static str,
        fits: impl FnOnce(Shape) -> bool,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key, fits)?;
        let parsed = match &entry.node.value {
            Value::Scalar(text) => parse(text),
            _ => None,
        };
        if parsed.is_none() {
            let (name, found) = (self.full_name(key), describe(&entry.node.value));
            self.findings.error(
                entry.node.at,
                format!("{name} must be {expected}, not {found}"),
            );
        }
        parsed
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let fits = |shape| matches!(shape, Shape::Text);
        self.parsed(key, fits, "text", |text| Some(text.to_owned()))
    }

    /// A text for which its place matters.
    pub fn placed_text(&mut self, key: &'static str) -> Option<Text> {
        let text = self.text(key)?;
        self.placed(key, text)
    }

    /// A text that `Choice` describes; its reader says which are right.
    pub fn placed_choice(&mut self, key: &'static str) -> Option<Text> {
        let fits = |shape| matches!(shape, Shape::Choice(_));
        let text = self.parsed(key, fits, "text", |text| Some(text.to_owned()))?;
        self.placed(key, text)
    }

    fn placed(&self, key: &'static str, text: String) -> Option<Text> {
        let entry = self.present(key)?;
        Some(Text {
            text,
            key,
            key_at: entry.key_at,
            at: entry.node.at,
        })
    }

    /// `expected` completes the sentence "`key` must be …".
    pub fn choice<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let fits = |shape| matches!(shape, Shape::Choice(_));
        self.parsed(key, fits, expected, parse)
    }

    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let fits = |shape| matches!(shape, Shape::Secret);
        // `parsed` prints a scalar it refuses; this one accepts every scalar.
        self.parsed(key, fits, "text", |text| Some(Secret::new(text)))
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let fits = |shape| matches!(shape, Shape::Boolean);
        self.parsed(key, fits, "true or false", values::boolean)
    }

    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let fits = |shape| matches!(shape, Shape::Duration);
        self.parsed(key, fits, values::DURATION, values::duration)
    }

    /// A duration longer than zero.
    pub fn interval(&mut self, key: &'static str) -> Option<Duration> {
        let fits = |shape| matches!(shape, Shape::Interval);
        let expected = format!("longer than zero, and {}", values::DURATION);
        self.parsed(key, fits, &expected, |text| {
            values::duration(text).filter(|duration| !duration.is_zero())
        })
    }

    /// A number of bytes within `allowed`, which `expected` says in words.
    pub fn size(
        &mut self,
        key: &'static str,
        expected: &str,
        allowed: impl RangeBounds<u64>,
    ) -> Option<u64> {
        let fits = |shape| matches!(shape, Shape::Size);
        self.parsed(key, fits, expected, |text| {
            values::size(text).filter(|bytes| allowed.contains(bytes))
        })
    }

    /// A whole number above zero.
    pub fn count(&mut self, key: &'static str, expected: &str) -> Option<u32> {
        let fits = |shape| matches!(shape, Shape::Count);
        self.parsed(key, fits, expected, |text| {
            text.parse().ok().filter(|count| *count > 0)
        })
    }

    /// A number that is not below zero.
    pub fn price(&mut self, key: &'static str) -> Option<Price> {
        let fits = |shape| matches!(shape, Shape::Price);
        let expected = "a number that is not below zero, such as 0.005";
        self.parsed(key, fits, expected, |text| {
            values::billionths(text).map(Price)
        })
    }

    pub fn integer<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(i64) -> Option<T>,
    ) -> Option<T> {
        let fits = |shape| matches!(shape, Shape::Integer);
        self.parsed(key, fits, expected, |text| parse(text.parse().ok()?))
    }

    pub fn permissions(&mut self, key: &'static str) -> Option<u32> {
        let fits = |shape| matches!(shape, Shape::Permissions);
        self.parsed(key, fits, values::PERMISSIONS, values::permissions)
    }

    /// The mappings of the list under `key`.
    pub fn mappings(&mut self, key: &'static str) -> Option<Vec<Item<'a>>> {
        let mut below = None;
        let entry = self.entry(key, |shape| {
            if let Shape::Mappings(group) = shape {
                below = Some(group);
            }
            below.is_some()
        })?;
        let (name, group) = (self.full_name(key), below?);
        match &entry.node.value {
            Value::List(items) => {
                let numbered = items.iter().enumerate();
                let item = |(index, node)| Item {
                    name: format!("{name}[{index}]"),
                    node,
                    group,
                };
                Some(numbered.map(item).collect())
            }
            other => {
                let found = describe(other);
                let text =
                    format!("{name} must be a list (lines that start with `- `), not {found}");
                self.findings.error(entry.node.at, text);
                None
            }
        }
    }

    /// The mapping under `key`, to be opened later.
    pub fn item(&mut self, key: &'static str) -> Option<Item<'a>> {
        let mut below = None;
        let entry = self.entry(key, |shape| {
            if let Shape::Mapping(group) = shape {
                below = Some(group);
            }
            below.is_some()
        })?;
        Some(Item {
            name: self.full_name(key),
            node: &entry.node,
            group: below?,
        })
    }

    /// The mapping under `key`, to be read by the table that belongs to it.
    pub fn mapping(&mut self, key: &'static str) -> Option<Section<'a>> {
        self.item(key)?.open(self.findings)
    }

    /// Judges the keys that nobody asked for.
    pub fn close(self) {
        debug_assert!(
            self.group
                .working()
                .all(|key| self.asked.contains(&key.name)),
            "not every key that works was read: {:?} of {:?}",
            self.asked,
            self.group
        );
        for entry in self.entries {
            match self.group.find(&entry.key) {
                Some(key) => self.remark(entry, key),
                None => self.refuse_unknown(entry),
            }
        }
    }

    fn remark(&self, entry: &Entry, key: &Key) {
        let name = self.full_name(&entry.key);
        match key.effect {
            Effect::Works | Effect::Harmless => {}
            Effect::Inert(note) => {
                let text = format!("\"{name}\" has no effect in this release: {note}");
                self.findings.warn(entry.key_at, text);
            }
            Effect::Refused(note) => {
                let text = format!("\"{name}\" is refused: {note}");
                self.findings.error(entry.key_at, text);
            }
        }
    }

    fn refuse_unknown(&self, entry: &Entry) {
        let place = if self.name.is_empty() {
            "at the top of the file"
        } else {
            &self.name
        };
        let preposition = if self.name.is_empty() { "" } else { "in " };
        let advice = match nearest(&entry.key, self.group.keys()) {
            Some(key) => format!("did you mean \"{key}\"?"),
            None => {
                let working: Vec<_> = self.group.working().map(|key| key.name).collect();
                format!("the keys that work there are: {}", working.join(", "))
            }
        };
        let key = &entry.key;
        let text = format!("unknown key \"{key}\" {preposition}{place}; {advice}");
        self.findings.error(entry.key_at, text);
    }
}

/// The key somebody who typed `typed` most likely meant.
fn nearest(typed: &str, keys: impl Iterator<Item = &'static Key>) -> Option<&'static str> {
    let plain = |key: &str| key.replace(['-', '_'], "").to_lowercase();
    let typed = plain(typed);
    let edits = |key: &str| strsim::damerau_levenshtein(&typed, &plain(key));
    let (edits, key) = keys
        .map(|key| (edits(key.name), key.name))
        .min_by_key(|(edits, _)| *edits)?;
    let limit = typed.chars().count() as f64 * MAX_EDITS_PER_LETTER;
    (edits as f64 <= limit).then_some(key)
}

fn describe(value: &Value) -> String {
    match value {
        Value::Empty => "nothing".to_owned(),
        Value::Scalar(text) => format!("\"{text}\""),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}
