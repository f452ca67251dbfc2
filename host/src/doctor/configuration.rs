//! The config and the variables of the environment that it refers to.

use super::report::Section;
use crate::config::{self, Config, Environment, Error, Finding};
use std::path::Path;

const FILE: &str = "file";
const KEYS: &str = "keys and values";
const VARIABLES: &str = "variables";

/// Pairs of which one half is of no use.
const PAIRS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY"),
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"),
];

/// The config, if it can be read.
pub fn check(
    section: &mut Section,
    path: &Path,
    expand: bool,
    environment: Environment<'_>,
) -> Option<Config> {
    let loaded = Config::load(path, expand, environment);
    if let Err(error @ (Error::NotFound(_) | Error::Unreadable { .. })) = &loaded {
        section.fault(
            FILE,
            error.to_string(),
            "give its path with -config, or set SEAWALL_CONFIG; see to it that Seawall's user can \
             read it",
        );
        section.skip(&[KEYS], "there is no config");
        check_pairs(section, environment);
        return None;
    }
    section.ok(FILE, format!("{} is read", path.display()));
    let source = std::fs::read_to_string(path).unwrap_or_default();
    let unset = match expand {
        true => config::unset_variables(&source, environment),
        false => Vec::new(),
    };
    // First, as what is missing there may be what is wrong with a value.
    check_variables(section, path, &source, &unset);
    check_pairs(section, environment);
    check_keys(section, loaded, &unset)
}

fn check_keys(
    section: &mut Section,
    loaded: Result<Config, Error>,
    unset: &[(u64, u64)],
) -> Option<Config> {
    let config = match loaded {
        Ok(config) => config,
        Err(Error::Invalid(mistakes)) => {
            for mistake in mistakes {
                section.fault(KEYS, mistake.to_string(), "");
            }
            return None;
        }
        Err(error) => {
            section.fault(KEYS, error.to_string(), "");
            return None;
        }
    };
    // Variables that are not set have a check of their own.
    let is_other = |warning: &&Finding| {
        let mistake = warning.mistake();
        let at = mistake.line.zip(mistake.column);
        at.is_none_or(|at| !unset.contains(&at))
    };
    let mut others = config.warnings.iter().filter(is_other).peekable();
    if others.peek().is_none() {
        let (databases, directories) = (config.databases.len(), config.directories.len());
        let text = format!("good: databases {databases}, directories of databases {directories}");
        section.ok(KEYS, text);
    }
    for warning in others {
        section.warn(KEYS, warning.to_string(), "");
    }
    if config.databases.is_empty() && config.directories.is_empty() && !config.socket.enabled {
        section.fault(KEYS, "the config names no database", "add one below `dbs:`");
    }
    Some(config)
}

fn check_variables(section: &mut Section, path: &Path, source: &str, unset: &[(u64, u64)]) {
    if unset.is_empty() {
        return section.ok(VARIABLES, "all that the config refers to are set");
    }
    for (line, column) in unset {
        let place = format!("{}:{line}:{column}", path.display());
        let text = match variable_at(source, *line, *column) {
            Some(name) => format!("{place}: the variable {name} is not set and becomes nothing"),
            None => format!("{place}: a variable that is not set becomes nothing"),
        };
        section.fault(
            VARIABLES,
            text,
            "set it where Seawall is started (systemd: EnvironmentFile, Kubernetes: env), or use \
             -no-expand-env when the `$` is meant literally",
        );
    }
}

/// The name of the variable there, if it is all of a value. Within a longer text it may be a piece
/// of a password, which is not to be printed.
fn variable_at(source: &str, line: u64, column: u64) -> Option<String> {
    let line = source
        .lines()
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let before = usize::try_from(column).ok()?.checked_sub(1)?;
    let (before, text): (String, String) = (
        line.chars().take(before).collect(),
        line.chars().skip(before).collect(),
    );
    let ends = |c: char| c.is_whitespace() || "'\"".contains(c);
    if !before.is_empty() && !before.ends_with(ends) {
        return None;
    }
    let value = text.strip_prefix('$')?.split(ends).next()?;
    let name = value
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'))
        .unwrap_or(value);
    let is_name = |c: char| c == '_' || c.is_ascii_uppercase() || c.is_ascii_digit();
    (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
}

fn check_pairs(section: &mut Section, environment: Environment<'_>) {
    let is_set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    for (id, secret) in PAIRS {
        let (set, missing) = match (is_set(id), is_set(secret)) {
            (true, false) => (id, secret),
            (false, true) => (secret, id),
            _ => continue,
        };
        section.warn(
            VARIABLES,
            format!("{set} is set without {missing}: it is of no use alone"),
            "set both or neither",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_variable_that_is_all_of_a_value_is_named() {
        let named = |line: &str| {
            let column = line.chars().take_while(|c| *c != '$').count() as u64 + 1;
            variable_at(line, 1, column)
        };
        assert_eq!(named("key: ${S3_KEY}").as_deref(), Some("S3_KEY"));
        assert_eq!(named("key: \"$S3_KEY\"").as_deref(), Some("S3_KEY"));
        for password in ["key: hun$TER2", "key: $ter2", "key: $A-b", "key: ${A}b"] {
            assert_eq!(named(password), None, "{password}");
        }
    }
}
