//! Arguments of `completions` and `man`.

use clap::Args;
use clap_complete::Shell;

/// Prints what a shell needs to complete the words of this command line.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct Completions {
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints the manual page of this program, or of one of its commands.
#[derive(Debug, Args)]
#[command(after_help = MAN_HELP)]
pub struct Man {
    /// The words of a command, like `restore` or `config check`
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  seawall completions bash > /usr/share/bash-completion/completions/seawall
  seawall completions zsh > /usr/local/share/zsh/site-functions/_seawall
  seawall completions fish > ~/.config/fish/completions/seawall.fish";

const MAN_HELP: &str = "\
Examples:
  seawall man | man -l -
  seawall man restore > /usr/local/share/man/man1/seawall-restore.1";
