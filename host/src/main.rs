//! The program `seawall`: reads the command line, sets logging up and runs the command.

use seawall::cli::{Cli, Command, Request, UsageError};
use seawall::exit::Code;
use seawall::logging::{self, Output};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell when even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() {
                Code::Usage.into()
            } else {
                Code::Ok.into()
            };
        }
    };
    run(cli.command).into()
}

fn run(command: Command) -> Code {
    let environment = |name: &str| std::env::var(name).ok();
    match command {
        Command::Version(version) => print_version(version.json),
        Command::Config(config) => config.run(&environment),
        Command::Replicate(args) => {
            let request = args.resolve(&environment);
            let output = |stderr| {
                if stderr {
                    Output::Stderr
                } else {
                    Output::Stdout
                }
            };
            carry_out(request, output, seawall::replicate::run)
        }
        Command::Restore(args) => {
            // stdout is for the result.
            carry_out(
                args.resolve(&environment),
                |_| Output::Stderr,
                seawall::restore::run,
            )
        }
    }
}

fn print_version(json: bool) -> Code {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        println!(
            "{}",
            serde_json::json!({ "name": "seawall", "version": version })
        );
    } else {
        println!("{version}");
    }
    Code::Ok
}

fn carry_out<Plan, Run, Running>(
    request: Result<Request<Plan>, UsageError>,
    output: impl FnOnce(bool) -> Output,
    run: Run,
) -> Code
where
    Run: FnOnce(Plan) -> Running,
    Running: Future<Output = anyhow::Result<Code>>,
{
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            for line in error.to_string().lines() {
                eprintln!("seawall: {line}");
            }
            return Code::Usage;
        }
    };
    logging::init(
        request.level,
        request.format,
        request.source,
        output(request.stderr),
    );
    for warning in &request.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return Code::Error;
        }
    };
    runtime.block_on(run(request.plan)).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        Code::Error
    })
}
