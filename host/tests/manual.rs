//! `seawall completions` and `seawall man` show what users type.

use std::process::Command;

fn seawall(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers after `line`, as its user would see it.
fn bash_offers(line: &str) -> Vec<String> {
    let script = seawall(&["completions", "bash"]);
    let asked = format!(
        "{script}
        COMP_LINE={line:?}
        COMP_WORDS=($COMP_LINE)
        [ \"${{COMP_LINE% }}\" = \"$COMP_LINE\" ] || COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _seawall seawall \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
        printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &asked])
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let offers = text.lines().filter(|line| !line.is_empty());
    offers.map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_flags_with_one_dash() {
    assert_eq!(bash_offers("seawall resto"), ["restore"]);
    assert_eq!(
        bash_offers("seawall restore -if"),
        ["-if-db-not-exists", "-if-replica-exists"]
    );
    assert_eq!(
        bash_offers("seawall restore -integrity-check "),
        ["none", "quick", "full"]
    );
    assert!(bash_offers("seawall restore --if").is_empty());
}

#[test]
fn no_shell_offers_hidden_commands_or_two_dashes() {
    for shell in ["bash", "zsh", "fish"] {
        let script = seawall(&["completions", shell]);
        assert!(script.contains("restore"), "{shell}");
        assert!(!script.contains("generations"), "{shell}");
        assert!(!script.contains("--config"), "{shell}");
    }
    let fish = seawall(&["completions", "fish"]);
    assert!(fish.contains(" -o if-db-not-exists "), "{fish}");
    // fish's own commands keep their flags.
    assert!(fish.contains("set -l cmd"), "{fish}");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = seawall(&["man"]);
    assert!(page.contains(r"seawall\-restore(1)"), "{page}");
    assert!(page.contains(".SH \"EXIT CODES\""), "{page}");
    let page = seawall(&["man", "restore"]);
    assert!(page.contains(r"\fB\-if\-db\-not\-exists\fR"), "{page}");
    assert!(!page.contains(r"\fB\-\-"), "{page}");
    assert!(seawall(&["man", "config", "check"]).contains(r"\-no\-expand\-env"));
}
