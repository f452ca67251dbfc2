//! Reads the keys of one mapping. Asking for a key is what declares it: `close` takes every key
//! that nobody asked for and that no table of unsupported keys names for a mistake.

use super::findings::Findings;
use super::secret::Secret;
use super::tree::{Entry, Node, Position, Value};
use super::unsupported::{Effect, Unsupported};
use super::values;
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

pub struct Section<'a> {
    /// As a person would say it: `dbs[0].replica`; empty for the top of the file.
    name: String,
    at: Position,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
    findings: &'a Findings,
}

impl<'a> Section<'a> {
    /// The mapping at `node`; an empty value is a mapping without keys. Anything else is an error.
    pub fn open(name: impl Into<String>, node: &'a Node, findings: &'a Findings) -> Option<Self> {
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

    /// What stands under `key`, unless it is empty.
    pub fn entry(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        self.present(key)
    }

    /// Whether the file gives `key` a value, without declaring it as one that works.
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

    /// A value that `parse` understands; `expected` completes the sentence "`key` must be …".
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
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
        self.parsed(key, "text", |text| Some(text.to_owned()))
    }

    /// A text for which its place matters.
    pub fn placed_text(&mut self, key: &'static str) -> Option<Text> {
        let text = self.text(key)?;
        let entry = self.present(key)?;
        Some(Text {
            text,
            key,
            key_at: entry.key_at,
            at: entry.node.at,
        })
    }

    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        // `parsed` prints a scalar it refuses; this one accepts every scalar.
        self.parsed(key, "text", |text| Some(Secret::new(text)))
    }

    /// Accepts a key that has nothing to say.
    pub fn ignore(&mut self, key: &'static str) {
        self.asked.push(key);
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.parsed(key, "true or false", values::boolean)
    }

    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, values::DURATION, values::duration)
    }

    /// A duration longer than zero.
    pub fn interval(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(
            key,
            &format!("longer than zero, and {}", values::DURATION),
            |text| values::duration(text).filter(|duration| !duration.is_zero()),
        )
    }

    pub fn list(&mut self, key: &'static str) -> Option<&'a [Node]> {
        let entry = self.entry(key)?;
        match &entry.node.value {
            Value::List(items) => Some(items),
            other => {
                let (name, found) = (self.full_name(key), describe(other));
                let text =
                    format!("{name} must be a list (lines that start with `- `), not {found}");
                self.findings.error(entry.node.at, text);
                None
            }
        }
    }

    /// Judges the keys that nobody asked for.
    pub fn close(self, unsupported: &[&[Unsupported]]) {
        let known = || unsupported.iter().copied().flatten();
        for entry in self.entries {
            if self.asked.contains(&entry.key.as_str()) {
                continue;
            }
            match known().find(|unsupported| unsupported.key == entry.key) {
                Some(unsupported) => self.remark(entry, unsupported),
                None => self.refuse_unknown(entry, known().map(|unsupported| unsupported.key)),
            }
        }
    }

    fn remark(&self, entry: &Entry, unsupported: &Unsupported) {
        let (name, note) = (self.full_name(&entry.key), unsupported.note);
        match unsupported.effect {
            Effect::None => {
                let text = format!("\"{name}\" has no effect in this release: {note}");
                self.findings.warn(entry.key_at, text);
            }
            Effect::Refused => {
                let text = format!("\"{name}\" is not supported yet: {note}");
                self.findings.error(entry.key_at, text);
            }
        }
    }

    fn refuse_unknown(&self, entry: &Entry, unsupported: impl Iterator<Item = &'static str>) {
        let place = if self.name.is_empty() {
            "at the top of the file"
        } else {
            &self.name
        };
        let preposition = if self.name.is_empty() { "" } else { "in " };
        let advice = match nearest(&entry.key, self.asked.iter().copied().chain(unsupported)) {
            Some(key) => format!("did you mean \"{key}\"?"),
            None => format!("the keys that work there are: {}", self.asked.join(", ")),
        };
        let key = &entry.key;
        let text = format!("unknown key \"{key}\" {preposition}{place}; {advice}");
        self.findings.error(entry.key_at, text);
    }
}

/// The key somebody who typed `typed` most likely meant.
fn nearest(typed: &str, keys: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let plain = |key: &str| key.replace(['-', '_'], "").to_lowercase();
    let typed = plain(typed);
    let edits = |key: &str| strsim::damerau_levenshtein(&typed, &plain(key));
    let (edits, key) = keys
        .map(|key| (edits(key), key))
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
