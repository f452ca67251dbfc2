//! A config: understood, or refused with lines that it has.
#![no_main]

use config::{Config, is_replica_url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
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
});
