//! Which names a pattern matches, by the rules of Go's `filepath.Match`, which is what files
//! written for Litestream rely on: `*`, `?`, `[a-z]`, `[^a-z]`, and `\` before a character that
//! stands for itself. Braces and `!` are ordinary characters.

/// A pattern for the name of a file, without its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Any number of characters.
    Any,
    /// Any one character.
    One,
    Char(char),
    /// One character that is, or is not, within one of the ranges.
    Class {
        within: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Errors: what is wrong, to complete the sentence "the pattern …".
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Err(
                "is matched against the name of a file, which has no \"/\"; name the directory by \
                 `dir`, or look below it with `recursive: true`"
                    .to_owned(),
            );
        }
        let mut pieces = Vec::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            let piece = match letter {
                '*' => Piece::Any,
                '?' => Piece::One,
                '[' => class(&mut rest)?,
                '\\' => Piece::Char(rest.next().ok_or("ends with a single \"\\\"")?),
                letter => Piece::Char(letter),
            };
            // Two stars are one, and cost as much.
            if piece != Piece::Any || pieces.last() != Some(&Piece::Any) {
                pieces.push(piece);
            }
        }
        let text = text.to_owned();
        Ok(Self { text, pieces })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut piece, mut at) = (0, 0);
        // Behind the last star: where to go on when what follows it does not fit.
        let mut retry = None;
        loop {
            match self.pieces.get(piece) {
                None if at == name.len() => return true,
                Some(Piece::Any) => {
                    retry = Some((piece + 1, at + 1));
                    piece += 1;
                    continue;
                }
                Some(wanted) if name.get(at).is_some_and(|letter| wanted.takes(*letter)) => {
                    (piece, at) = (piece + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((behind_star, start)) if start <= name.len() => {
                    (piece, at) = (behind_star, start);
                    retry = Some((behind_star, start + 1));
                }
                _ => return false,
            }
        }
    }
}

impl Piece {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Char(wanted) => *wanted == letter,
            Self::Class { within, ranges } => {
                *within
                    == ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&letter))
            }
        }
    }
}

/// What stands behind `[`.
fn class(rest: &mut std::str::Chars<'_>) -> Result<Piece, String> {
    let within = !rest.as_str().starts_with('^');
    if !within {
        rest.next();
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || !rest.as_str().starts_with(']') {
        let low = class_char(rest)?;
        let high = if rest.as_str().starts_with('-') {
            rest.next();
            class_char(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
    rest.next();
    Ok(Piece::Class { within, ranges })
}

fn class_char(rest: &mut std::str::Chars<'_>) -> Result<char, String> {
    let letter = match rest.next() {
        Some('\\') => rest.next(),
        Some('-' | ']') => {
            return Err("has a \"-\" or \"]\" out of place between its brackets".to_owned());
        }
        letter => letter,
    };
    letter.ok_or_else(|| "has a \"[\" without its \"]\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of these names, those that match; all were tried with Litestream as well.
    fn matching(pattern: &str) -> Vec<&'static str> {
        const NAMES: [&str; 8] = [
            "a.db", "b.sqlite", "!.db", "x{1}.db", ".h.db", "é.db", "-.db", "a",
        ];
        let pattern = Pattern::parse(pattern).unwrap();
        NAMES
            .into_iter()
            .filter(|name| pattern.matches(name))
            .collect()
    }

    #[test]
    fn names_are_matched_as_go_matches_them() {
        for (pattern, names) in [
            (
                "*.db",
                &["a.db", "!.db", "x{1}.db", ".h.db", "é.db", "-.db"][..],
            ),
            ("**.sqlite", &["b.sqlite"]),
            ("?.db", &["a.db", "!.db", "é.db", "-.db"]),
            ("[!a].db", &["a.db", "!.db"]),
            ("[^a].db", &["!.db", "é.db", "-.db"]),
            ("[a-c].*", &["a.db", "b.sqlite"]),
            ("[\\-a].db", &["a.db", "-.db"]),
            ("x{1}.db", &["x{1}.db"]),
            ("*.{db,sqlite}", &[]),
            ("\\a*", &["a.db", "a"]),
            ("*i*e", &["b.sqlite"]),
            ("a", &["a"]),
            ("", &[]),
        ] {
            assert_eq!(matching(pattern), names, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        for pattern in ["[", "[]", "[a", "[a-]", "[-]", "[^]", "\\", "sub/*.db"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = Pattern::parse(&"*a".repeat(100)).unwrap();
        assert!(!pattern.matches(&"a".repeat(99)));
        assert!(pattern.matches(&"a".repeat(200)));
    }
}
