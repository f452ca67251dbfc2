//! What the tables of keys say holds without a key is what holds.

use super::{environment, with_replica};
use crate::keys::{DATABASE, Group, Key, REPLICA, Shape, TOP};
use crate::*;

fn read(source: &str) -> Config {
    Config::parse("c.yml", source, true, &environment).unwrap()
}

/// Each key of the group that has a default, in a config made by `wrap`, and of those below it.
fn check(group: &Group, wrap: &dyn Fn(&str) -> String) -> usize {
    let plain = read(&wrap(""));
    let one = |key: &Key| match (key.shape, key.default) {
        (Shape::Mapping(below), None) if key.name != "replica" => check(below, &|line| {
            wrap(&if line.is_empty() {
                String::new()
            } else {
                format!("{}: {{{line}}}", key.name)
            })
        }),
        (_, Some(default)) => {
            let line = format!("{}: {default}", key.name);
            assert_eq!(read(&wrap(&line)), plain, "{line}");
            1
        }
        _ => 0,
    };
    group.working().map(one).sum()
}

#[test]
fn a_key_set_to_its_default_changes_nothing() {
    let replica = || with_replica(&["url: s3://b/p"]);
    let top = check(&TOP, &|line| format!("{line}\n{}", replica()));
    let below = check(&REPLICA, &|line| with_replica(&["url: s3://b/p", line]));
    // Two of these are of directories alone.
    let directory = |line: &str| {
        format!("dbs:\n  - dir: /d\n    pattern: '*'\n    replica: {{path: /r}}\n    {line}\n")
    };
    let database = check(&DATABASE, &directory);
    assert!(
        top > 15 && below > 3 && database > 6,
        "{top} {below} {database}"
    );
}
