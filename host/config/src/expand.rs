//! `$VAR` and `${VAR}` in the raw text of a config, by the rules of Go's `os.Expand`, which is
//! what files written for Litestream rely on.

use super::Environment;
use super::tree::Position;

/// A text after expansion.
pub struct Expanded {
    pub text: String,
    /// Where variables stood that are not set (outside comments). Their names are not kept: a
    /// `$` inside a password looks like a variable too.
    pub unset: Vec<Position>,
}

/// Replaces every variable by its value, one that is not set by nothing.
pub fn expand(source: &str, environment: Environment<'_>) -> Expanded {
    let mut expanded = Expanded {
        text: String::with_capacity(source.len()),
        unset: Vec::new(),
    };
    let mut rest = source;
    while let Some(dollar) = rest.find('$') {
        expanded.text.push_str(&rest[..dollar]);
        let (reference, length) = reference(&rest[dollar + 1..]);
        match reference {
            Reference::Plain => expanded.text.push('$'),
            Reference::Malformed => {}
            Reference::Variable(name) => match value(name, environment) {
                Some(value) => expanded.text.push_str(&value),
                None => {
                    let consumed = source.len() - rest.len() + dollar;
                    expanded
                        .unset
                        .extend(position_outside_comment(&source[..consumed]));
                }
            },
        }
        rest = &rest[dollar + 1 + length..];
    }
    expanded.text.push_str(rest);
    expanded
}

enum Reference<'a> {
    /// The `$` stands for itself.
    Plain,
    /// `${` without a name or an end: dropped.
    Malformed,
    Variable(&'a str),
}

/// What follows a `$`, and how many bytes of it belong to the reference.
fn reference(text: &str) -> (Reference<'_>, usize) {
    if let Some(braced) = text.strip_prefix('{') {
        return match braced.find('}') {
            None => (Reference::Malformed, 1),
            Some(0) => (Reference::Malformed, 2),
            Some(end) => (Reference::Variable(&braced[..end]), end + 2),
        };
    }
    // The shell's one-character variables: `$$`, `$1`, `$?` …
    if text.starts_with(|c: char| "*#$@!?-".contains(c) || c.is_ascii_digit()) {
        return (Reference::Variable(&text[..1]), 1);
    }
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    match text.find(|c| !is_name(c)).unwrap_or(text.len()) {
        0 => (Reference::Plain, 0),
        end => (Reference::Variable(&text[..end]), end),
    }
}

fn value(name: &str, environment: Environment<'_>) -> Option<String> {
    match name {
        "PID" => Some(std::process::id().to_string()),
        name => environment(name),
    }
}

fn position_outside_comment(before: &str) -> Option<Position> {
    let line = before.matches('\n').count() as u64 + 1;
    let start_of_line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let on_line = &before[start_of_line..];
    let column = on_line.chars().count() as u64 + 1;
    (!on_line.trim_start().starts_with('#')).then_some(Position { line, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(source: &str) -> String {
        expand(source, &environment).text
    }

    fn environment(name: &str) -> Option<String> {
        (name == "KEY").then(|| "value".to_owned())
    }

    #[test]
    fn variables_are_replaced_with_and_without_braces() {
        assert_eq!(
            expanded("a: $KEY-${KEY}x\nb: $KEY"),
            "a: value-valuex\nb: value"
        );
        assert_eq!(expanded("$PID"), std::process::id().to_string());
    }

    #[test]
    fn odd_dollars_are_read_as_go_reads_them() {
        assert_eq!(expanded("cost: 5$ or $, $"), "cost: 5$ or $, $");
        assert_eq!(expanded("a${}b${c"), "abc");
        assert_eq!(expanded("p$$w $1x"), "pw x");
    }

    #[test]
    fn an_unset_variable_becomes_nothing_and_its_place_is_known() {
        let result = expand("# $GONE\nkey: é$GONE!\n", &environment);
        assert_eq!(result.text, "# \nkey: é!\n");
        assert_eq!(result.unset, [Position { line: 2, column: 7 }]);
    }
}
