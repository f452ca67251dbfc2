//! The program `seawall`: reads the command line, sets logging up and runs the command.

use clap::CommandFactory;
use seawall::cli::{
    Cli, Command, ControlCommand, LevelArgument, Ltx, Request, SocketFlags, UsageError,
    database_path,
};
use seawall::commands;
use seawall::config::Environment;
use seawall::exit::Code;
use seawall::logging::{self, Output};
use seawall::output::{complain, print_and_end};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A database that waits for its disk or its app holds one of them for that long: the others must
/// not wait with it.
const LEAST_WORKERS: usize = 4;

/// What is still under way at the end is waited for this long.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Threads for calls of the file system: a directory as a replica uses them.
const MOST_BLOCKING: usize = 32;

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
    // stdout is for the result, but for `replicate`, which has none.
    let stderr = |_| Output::Stderr;
    match command {
        Command::Version(version) => print_version(version.verbose, version.json),
        Command::Config(config) => config.run(&environment),
        Command::Completions(args) => commands::manual::completions(&Cli::command(), args.shell),
        Command::Man(args) => commands::manual::man(Cli::command(), &args.words),
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
            let request = args.resolve(&environment);
            carry_out(request, stderr, seawall::restore::run)
        }
        Command::Serve(args) => {
            let request = args.resolve(&environment);
            carry_out(request, stderr, seawall::serve::run)
        }
        Command::Maintain(args) => {
            let request = args.resolve(&environment);
            carry_out(request, stderr, seawall::serve::maintain::run)
        }
        Command::Databases(args) => carry_out(args.resolve(&environment), stderr, async |config| {
            commands::databases::run(&config, args.json)
        }),
        Command::Status(args) => {
            let request = args.resolve(&environment);
            carry_out(request, stderr, async |(config, only)| {
                commands::status::run(&config, only.as_ref(), args.json).await
            })
        }
        Command::Verify(args) => {
            let request = args.resolve(&environment);
            carry_out(request, stderr, seawall::verify::run)
        }
        Command::Doctor(args) => {
            let request = args.resolve(&environment);
            carry_out(request, stderr, async |order| {
                seawall::doctor::run(order, &environment).await
            })
        }
        Command::Ltx(args) => list_objects(&args, &environment),
        Command::Wal(args) => {
            complain("`wal` is deprecated, use `ltx` instead");
            list_objects(&args, &environment)
        }
        Command::Generations(_) => gone("generations", "ltx"),
        Command::Snapshots(_) => gone("snapshots", "ltx -level 9"),
        Command::Reset(args) => {
            let request = plain(&args.db_path, &environment);
            carry_out(request, stderr, async |path| {
                commands::reset::run(&path, args.dry_run)
            })
        }
        Command::Control(command) => ask(&command, &environment),
    }
}

fn list_objects(args: &Ltx, environment: Environment<'_>) -> Code {
    let request = args.resolve(environment);
    let level = match args.level {
        LevelArgument::One(level) => Some(level),
        LevelArgument::All => None,
    };
    let output = |_| Output::Stderr;
    carry_out(request, output, async |replica| {
        commands::ltx::run(&replica, level, &args.source, args.json).await
    })
}

fn gone(command: &str, instead: &str) -> Code {
    complain(format_args!(
        "there is no `{command}` since Litestream 0.5, whose replicas have one line of \
         transactions; use `seawall {instead}`"
    ));
    Code::Usage
}

/// The commands that ask a running seawall by its control socket.
fn ask(command: &ControlCommand, environment: Environment<'_>) -> Code {
    use commands::control::{self, Way};
    fn way(flags: &SocketFlags, timeout: u64) -> Way<'_> {
        Way {
            socket: &flags.socket,
            timeout,
            json: flags.json,
        }
    }
    let output = |_| Output::Stderr;
    let about = |path: &str| plain(path, environment);
    match command {
        ControlCommand::Sync(args) => carry_out(about(&args.db_path), output, async |path| {
            let way = way(&args.control, args.timeout.timeout);
            control::sync(&way, &path, args.wait).await
        }),
        ControlCommand::Register(args) => carry_out(about(&args.db_path), output, async |path| {
            let way = way(&args.control, args.timeout.timeout);
            control::register(&way, &path, &args.replica).await
        }),
        ControlCommand::Unregister(args) => carry_out(about(&args.db_path), output, async |path| {
            let way = way(&args.control, args.timeout.timeout);
            control::unregister(&way, &path, args.dry_run).await
        }),
        ControlCommand::Start(args) => carry_out(about(&args.db_path), output, async |path| {
            control::start(&way(&args.control, args.timeout.timeout), &path).await
        }),
        ControlCommand::Stop(args) => carry_out(about(&args.db_path), output, async |path| {
            control::stop(&way(&args.control, args.timeout.timeout), &path).await
        }),
        ControlCommand::List(args) => {
            carry_out(Ok(Request::plain((), environment)), output, async |()| {
                control::list(&way(&args.control, args.timeout.timeout)).await
            })
        }
        ControlCommand::Info(args) => {
            carry_out(Ok(Request::plain((), environment)), output, async |()| {
                control::info(&way(&args.control, args.timeout.timeout)).await
            })
        }
    }
}

/// A command about one database that reads no config.
fn plain(db_path: &str, environment: Environment<'_>) -> Result<Request<PathBuf>, UsageError> {
    let path = database_path(db_path, environment)?;
    Ok(Request::plain(path, environment))
}

fn print_version(verbose: bool, json: bool) -> Code {
    let version = env!("CARGO_PKG_VERSION");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let text = match (json, verbose) {
        (true, true) => serde_json::json!({
            "name": "seawall", "version": version, "os": os, "arch": arch,
        })
        .to_string(),
        (true, false) => serde_json::json!({ "name": "seawall", "version": version }).to_string(),
        (false, true) => format!("Version:  {version}\nOS/Arch:  {os}/{arch}"),
        (false, false) => version.to_owned(),
    };
    print_and_end(format_args!("{text}\n"), Code::Ok)
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
            complain(error);
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
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(LEAST_WORKERS))
        .max_blocking_threads(MOST_BLOCKING)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return Code::Error;
        }
    };
    let code = runtime.block_on(run(request.plan)).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        Code::Error
    });
    // SQLite may be looking at a restored moment, which would take its time and is of no use now.
    runtime.shutdown_timeout(LAST_WAIT);
    code
}
