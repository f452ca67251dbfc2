//! Completions and manual pages, made from the command line itself.
//!
//! Both generators write long flags with two dashes; here they get the one dash that is typed.

use crate::exit::Code;
use crate::output::{complain, print_and_end};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;

/// Prints the completions of `command` for a shell.
pub fn completions(command: &Command, shell: Shell) -> Code {
    let mut command = visible(command);
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = one_dash(&String::from_utf8_lossy(&script));
    let script = match shell {
        // fish has a kind of its own for long flags with one dash.
        Shell::Fish => {
            let line = |line: &str| match line.starts_with("complete ") {
                true => format!("{}\n", line.replacen(" -l ", " -o ", 1)),
                false => format!("{line}\n"),
            };
            script.lines().map(line).collect()
        }
        // zsh would read `-config` as stacked letters.
        Shell::Zsh => script.replace("(-s -S -C)", "(-S -C)"),
        _ => script,
    };
    print_and_end(script, Code::Ok)
}

/// Without hidden commands, which some generators would offer.
fn visible(command: &Command) -> Command {
    let shown = |below: &&Command| !below.is_hide_set();
    Command::new(env!("CARGO_PKG_NAME"))
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(command.get_subcommands().filter(shown).cloned())
}

/// Prints the manual page of the command that `words` lead to.
pub fn man(mut command: Command, words: &[String]) -> Code {
    command.build();
    let mut found = &command;
    for word in words {
        found = match found.find_subcommand(word) {
            Some(below) => below,
            None => {
                complain(format_args!("there is no command {:?}", words.join(" ")));
                return Code::Usage;
            }
        };
    }
    match page(found) {
        Ok(page) => print_and_end(page, Code::Ok),
        Err(error) => {
            complain(format_args!("the manual page cannot be made: {error}"));
            Code::Error
        }
    }
}

fn page(command: &Command) -> io::Result<String> {
    let after = command.get_after_help().map(ToString::to_string);
    let man = Man::new(command.clone()).manual("Seawall").section("1");
    let mut roff = Vec::new();
    man.render_title(&mut roff)?;
    man.render_name_section(&mut roff)?;
    man.render_synopsis_section(&mut roff)?;
    man.render_description_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut roff)?;
    }
    let mut page = String::from_utf8_lossy(&roff).replace(r"\fB\-\-", r"\fB\-");
    for paragraph in after.iter().flat_map(|text| text.split("\n\n")) {
        page.push_str(&section(paragraph));
    }
    Ok(page)
}

/// A paragraph that follows the help, line by line; its first line is a heading when it ends so.
fn section(paragraph: &str) -> String {
    let (heading, lines) = match paragraph.split_once(":\n") {
        Some((heading, lines)) if !heading.contains('\n') => (Some(heading), lines),
        _ => (None, paragraph),
    };
    let mut roff = match heading {
        Some(heading) => format!(".SH \"{}\"\n.nf\n", heading.to_uppercase()),
        None => ".PP\n.nf\n".to_owned(),
    };
    for line in lines.lines() {
        // A dot or quote at the start of a line would be a request.
        roff.push_str(r"\&");
        roff.push_str(&line.replace('\\', r"\e").replace('-', r"\-"));
        roff.push('\n');
    }
    roff.push_str(".fi\n");
    roff
}

/// `--word` as `-word`, everywhere.
fn one_dash(script: &str) -> String {
    let mut result = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(dashes) = rest.find("--") {
        let (before, after) = (&rest[..dashes], &rest[dashes + 2..]);
        let starts = !before.ends_with(|c: char| c == '-' || c.is_ascii_alphanumeric());
        let is_word = after.starts_with(|c: char| c.is_ascii_lowercase());
        result.push_str(before);
        result.push_str(if starts && is_word { "-" } else { "--" });
        rest = after;
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flags_lose_a_dash() {
        assert_eq!(
            one_dash("\"--config -o\" --) -- \"${cur}\" ---x a--b"),
            "\"-config -o\" --) -- \"${cur}\" ---x a--b"
        );
    }

    #[test]
    fn what_follows_the_help_keeps_its_lines() {
        assert_eq!(
            section("Exit codes:\n  0  ok\n.x -y"),
            ".SH \"EXIT CODES\"\n.nf\n\\&  0  ok\n\\&.x \\-y\n.fi\n"
        );
        assert_eq!(section("a: b\nc"), ".PP\n.nf\n\\&a: b\n\\&c\n.fi\n");
    }
}
