//! Every key that a config may hold: what stands behind it, and whether it works.
//!
//! The reader and the JSON Schema both go by these tables, so that neither can know a key that the
//! other does not: the reader refuses to ask for a key that is not here, and to leave one unread.

mod database;
mod replica;
mod top;

pub use database::DATABASE;
pub use replica::{REPLICA, URL};
pub use top::{SNAPSHOT, TOP};

/// The keys of one mapping, in lists that several mappings may share.
#[derive(Debug)]
pub struct Group {
    pub lists: &'static [&'static [Key]],
}

#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub effect: Effect,
    /// For the schema: what the key is for.
    pub about: &'static str,
    /// What holds when the key is not there, as a config would say it.
    pub default: Option<&'static str>,
}

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text,
    /// Text that is never printed.
    Secret,
    Boolean,
    Duration,
    /// A duration longer than zero.
    Interval,
    Size,
    /// A whole number above zero.
    Count,
    /// A whole number.
    Integer,
    /// A number that is not below zero.
    Price,
    /// Unix permissions in octal.
    Permissions,
    Choice(&'static [&'static str]),
    Mapping(&'static Group),
    /// A list of such mappings.
    Mappings(&'static Group),
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Works,
    /// It never needs to do anything: not worth a warning.
    Harmless,
    /// Going on without it is safe: a warning that says this.
    Inert(&'static str),
    /// Going on without it would not do what was asked: an error that says this.
    Refused(&'static str),
}

impl Group {
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.lists.iter().copied().flatten()
    }

    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    pub fn working(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys().filter(|key| key.effect == Effect::Works)
    }
}

impl Key {
    const fn works(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            shape,
            effect: Effect::Works,
            about,
            default: None,
        }
    }

    const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    const fn harmless(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            shape: Shape::Anything,
            effect: Effect::Harmless,
            about,
            default: None,
        }
    }

    const fn inert(name: &'static str, note: &'static str) -> Self {
        Self {
            name,
            shape: Shape::Anything,
            effect: Effect::Inert(note),
            about: "",
            default: None,
        }
    }

    const fn refused(name: &'static str, note: &'static str) -> Self {
        Self {
            name,
            shape: Shape::Anything,
            effect: Effect::Refused(note),
            about: "",
            default: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_mapping_has_a_key_twice() {
        for group in [&TOP, &DATABASE, &REPLICA, &URL] {
            let mut seen = HashSet::new();
            for key in group.keys() {
                assert!(seen.insert(key.name), "{}", key.name);
            }
        }
    }

    #[test]
    fn every_key_says_what_it_is_for() {
        for group in [&TOP, &DATABASE, &REPLICA] {
            for key in group.keys() {
                let text = match key.effect {
                    Effect::Inert(note) | Effect::Refused(note) => note,
                    Effect::Works | Effect::Harmless => key.about,
                };
                assert!(!text.is_empty(), "{}", key.name);
            }
        }
    }
}
