//! A config: understood, or refused with lines that it has.

use config::{Config, is_replica_url};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    is_replica_url(text);
    let variable = |name: &str| (name.len() < 4).then(|| format!("${name}: [\n"));
    drop(Config::parse("made-up.yml", text, true, &variable));
    let Err(error) = Config::parse("made-up.yml", text, false, &variable) else {
        return;
    };
    // A carriage return ends a line of YAML, too.
    let ends = text.chars().filter(|c| matches!(c, '\n' | '\r'));
    let lines = ends.count() as u64 + 1;
    for mistake in error.mistakes() {
        assert!(!mistake.message.is_empty());
        assert!(
            mistake.line.is_none_or(|line| (1..=lines).contains(&line)),
            "{mistake:?}"
        );
    }
}
