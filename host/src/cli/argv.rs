//! Flags as users of Go programs type them: `-config x`, `-config=x`, `-json=true`.

use clap::Command;
use std::ffi::OsString;

/// Rewrites the arguments after the program's name so that clap reads them: a word after a
/// single dash is a long flag, and a switch may be given a value.
pub fn normalise(command: &Command, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut normalised = Vec::new();
    let mut switches = Vec::new();
    for arg in args.by_ref() {
        if arg == "--" {
            normalised.push(arg);
            break;
        }
        let Some(text) = arg.to_str() else {
            normalised.push(arg);
            continue;
        };
        if let Some(subcommand) = command.find_subcommand(text) {
            switches = switches_of(subcommand);
        }
        normalised.extend(flag(text, &switches).map(OsString::from));
    }
    normalised.extend(args);
    normalised
}

/// The flags of a command, and of those below it, that take no value.
fn switches_of(command: &Command) -> Vec<String> {
    let below = command.get_subcommands().flat_map(switches_of);
    command
        .get_arguments()
        .filter(|argument| !argument.get_action().takes_values())
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .chain(below)
        .collect()
}

/// One argument, rewritten; None when it is a switch that is switched off.
fn flag(text: &str, switches: &[String]) -> Option<String> {
    let Some(word) = text.strip_prefix("--").or_else(|| single_dash_word(text)) else {
        return Some(text.to_owned());
    };
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let is_switch = switches.iter().any(|switch| switch == name);
    match value {
        Some("true" | "1" | "t") if is_switch => Some(format!("--{name}")),
        Some("false" | "0" | "f") if is_switch => None,
        _ => Some(format!("--{word}")),
    }
}

/// What follows the dash of `-word`. A single letter stays a short flag, and so does `-o/path`.
fn single_dash_word(text: &str) -> Option<&str> {
    let word = text.strip_prefix('-')?;
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let is_word = name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_word.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn normalised(line: &str) -> String {
        let args = line.split(' ').map(OsString::from);
        let args = normalise(&crate::cli::Cli::command(), args);
        let words: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn words_after_one_dash_are_long_flags() {
        assert_eq!(
            normalised("restore -config x -config=y -if-db-not-exists /data/db"),
            "restore --config x --config=y --if-db-not-exists /data/db"
        );
    }

    #[test]
    fn letters_paths_and_double_dashes_stay() {
        for line in [
            "restore -h",
            "restore -o /x -o/x -o=x",
            "restore --config x",
            "restore -",
        ] {
            assert_eq!(normalised(line), line);
        }
    }

    #[test]
    fn a_switch_may_have_a_value() {
        assert_eq!(
            normalised("restore -force=true -json=false -config=true -if-replica-exists=1"),
            "restore --force --config=true --if-replica-exists"
        );
    }

    #[test]
    fn nothing_after_two_dashes_is_touched() {
        assert_eq!(
            normalised("restore -json -- -config"),
            "restore --json -- -config"
        );
    }
}
