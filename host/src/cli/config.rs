//! `seawall config`: what a config means, and what may stand in one.

use super::resolve;
use crate::config::report::Report;
use crate::config::{Config, Environment, Error, schema};
use crate::exit::Code;
use crate::output::{complain, print_and_end};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Checks a config, or prints the JSON Schema of configs.
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    Check(Check),
    /// Prints a JSON Schema of the config, for editors.
    Schema,
}

/// Tells what would run with a config. Looks into its directories, but asks no store.
#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub struct Check {
    /// The config file [default: the one that `replicate` would read]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Leave $VAR and ${VAR} in the config as they are
    #[arg(long)]
    pub no_expand_env: bool,

    /// Print the result as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

const CHECK_HELP: &str = "\
Exit codes:
  0  the config is good; what it says is on stdout
  2  it is not; what is wrong is on stderr, with -json on stdout";

impl ConfigCommand {
    pub fn run(&self, environment: Environment<'_>) -> Code {
        match &self.action {
            Action::Check(check) => check.run(environment),
            Action::Schema => print_and_end(format_args!("{:#}\n", schema::document()), Code::Ok),
        }
    }
}

impl Check {
    fn run(&self, environment: Environment<'_>) -> Code {
        let file = self
            .file
            .clone()
            .unwrap_or_else(|| resolve::default_path(environment));
        match Config::load(&file, !self.no_expand_env, environment) {
            Ok(config) => self.report(&Report::of(&config)),
            Err(error) => self.refuse(&error),
        }
    }

    fn report(&self, report: &Report) -> Code {
        if !self.json {
            return print_and_end(report, Code::Ok);
        }
        let mut json = serde_json::json!(report);
        json["valid"] = true.into();
        print_and_end(format_args!("{json:#}\n"), Code::Ok)
    }

    fn refuse(&self, error: &Error) -> Code {
        if !self.json {
            complain(error);
            return Code::Usage;
        }
        let json = serde_json::json!({ "valid": false, "errors": error.mistakes() });
        print_and_end(format_args!("{json:#}\n"), Code::Usage)
    }
}
