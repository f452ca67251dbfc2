//! From arguments and a config to a plan.

use super::{ConfigFlags, Replicate, Restore};
use crate::config::{self, Config, Database, Environment, Finding, Findings, Replica};
use crate::logging::{Format, Level, Logging};
use crate::plan;
use std::path::{Path, PathBuf};

/// The variables that name a config file, the first that is set wins.
const CONFIG_VARIABLES: [&str; 2] = ["SEAWALL_CONFIG", "LITESTREAM_CONFIG"];

/// Where the config file is when nothing names one.
const OWN_CONFIG: &str = "/etc/seawall.yml";
const LITESTREAM_CONFIG: &str = "/etc/litestream.yml";

/// A plan, and how to speak while it is carried out.
#[derive(Debug)]
pub struct Request<Plan> {
    pub plan: Plan,
    pub level: Level,
    pub format: Format,
    /// The config wants log lines on stderr.
    pub stderr: bool,
    /// The config wants source files in log lines.
    pub source: bool,
    pub warnings: Vec<Finding>,
}

/// Bad usage or a bad config. Nothing was started or changed.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error("{}", lines(.0))]
    Argument(Vec<Finding>),
    #[error("{0}")]
    Usage(String),
}

fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

pub fn replicate(
    args: &Replicate,
    environment: Environment<'_>,
) -> Result<Request<plan::Replicate>, UsageError> {
    let config = match &args.db_path {
        None => load(&args.config, environment)?,
        Some(db_path) => {
            let [url] = args.replica_urls.as_slice() else {
                let text = "a database has one replica; give one REPLICA_URL";
                return Err(UsageError::Usage(text.to_owned()));
            };
            let path = database_path(db_path, environment)?;
            let (replica, warnings) = replica(url, environment)?;
            Config {
                databases: vec![Database::new(path, replica)],
                warnings,
                ..Config::default()
            }
        }
    };
    if config.databases.is_empty() && config.directories.is_empty() {
        let file = config_path(&args.config, environment);
        let text = format!("{} names no database; add one below `dbs:`", file.display());
        return Err(UsageError::Usage(text));
    }
    let mut databases = config.databases;
    for directory in &config.directories {
        let paths = directory
            .scan()
            .map_err(|error| UsageError::Usage(format!("{}: {error}", directory.path.display())))?;
        databases.extend(paths.iter().map(|path| directory.database(path)));
    }
    let plan = plan::Replicate {
        databases,
        shutdown: plan::Shutdown {
            timeout: config.shutdown_sync_timeout,
            interval: config.shutdown_sync_interval,
        },
    };
    Ok(request(
        plan,
        &args.config,
        config.logging,
        config.warnings,
        environment,
    ))
}

pub fn restore(
    args: &Restore,
    environment: Environment<'_>,
) -> Result<Request<plan::Restore>, UsageError> {
    let (replica, output, logging, warnings) = if config::is_replica_url(&args.source) {
        from_url(args, environment)?
    } else {
        from_config(args, environment)?
    };
    let plan = plan::Restore {
        replica,
        output,
        if_db_not_exists: args.if_db_not_exists,
        if_replica_exists: args.if_replica_exists,
        force: args.force,
        integrity_check: args.integrity_check,
        target: match (args.txid, args.timestamp) {
            (Some(txid), _) => plan::Target::Txid(txid),
            (None, Some(ms)) => plan::Target::BeforeMs(ms),
            (None, None) => plan::Target::Latest,
        },
        parallelism: args.parallelism,
        dry_run: args.dry_run,
        follow: args.follow.then_some(args.follow_interval),
        mode: args.mode,
        source: args.source.clone(),
        json: args.json,
    };
    Ok(request(plan, &args.config, logging, warnings, environment))
}

type Source = (Replica, PathBuf, Logging, Vec<Finding>);

fn from_url(args: &Restore, environment: Environment<'_>) -> Result<Source, UsageError> {
    if args.config.config.is_some() {
        let text = "give a replica URL or -config, not both";
        return Err(UsageError::Usage(text.to_owned()));
    }
    let Some(output) = &args.output else {
        let text = "a replica URL does not say where the database goes; add -o PATH";
        return Err(UsageError::Usage(text.to_owned()));
    };
    let (replica, warnings) = replica(&args.source, environment)?;
    Ok((replica, absolute(output)?, Logging::default(), warnings))
}

fn from_config(args: &Restore, environment: Environment<'_>) -> Result<Source, UsageError> {
    let path = database_path(&args.source, environment)?;
    let config = load(&args.config, environment)?;
    let Some(database) = config.database(&path) else {
        let listed = config.databases.iter().map(|database| &database.path);
        let known: Vec<_> = listed
            .chain(config.directories.iter().map(|directory| &directory.path))
            .map(|path| path.display().to_string())
            .collect();
        return Err(UsageError::Usage(format!(
            "database not found in config: {}\nThe config has: {}",
            path.display(),
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        )));
    };
    let output = match &args.output {
        Some(output) => absolute(output)?,
        None => database.path,
    };
    Ok((database.replica, output, config.logging, config.warnings))
}

fn request<Plan>(
    plan: Plan,
    flags: &ConfigFlags,
    logging: Logging,
    warnings: Vec<Finding>,
    environment: Environment<'_>,
) -> Request<Plan> {
    let variable = environment("LOG_LEVEL");
    let level = Level::choose(flags.log_level, variable.as_deref(), logging.level);
    Request {
        plan,
        level,
        format: logging.format,
        stderr: logging.stderr,
        source: logging.source,
        warnings,
    }
}

fn load(flags: &ConfigFlags, environment: Environment<'_>) -> Result<Config, UsageError> {
    let path = config_path(flags, environment);
    Ok(Config::load(&path, !flags.no_expand_env, environment)?)
}

fn config_path(flags: &ConfigFlags, environment: Environment<'_>) -> PathBuf {
    flags
        .config
        .clone()
        .unwrap_or_else(|| default_path(environment))
}

pub fn default_path(environment: Environment<'_>) -> PathBuf {
    let variable = CONFIG_VARIABLES
        .iter()
        .find_map(|name| environment(name).filter(|value| !value.is_empty()));
    match variable {
        Some(path) => PathBuf::from(path),
        None if Path::new(OWN_CONFIG).exists() => PathBuf::from(OWN_CONFIG),
        None => PathBuf::from(LITESTREAM_CONFIG),
    }
}

fn database_path(text: &str, environment: Environment<'_>) -> Result<PathBuf, UsageError> {
    config::database_path(text, environment)
        .map_err(|message| UsageError::Usage(format!("DB_PATH: {message}")))
}

fn absolute(path: &Path) -> Result<PathBuf, UsageError> {
    std::path::absolute(path)
        .map_err(|error| UsageError::Usage(format!("-o {}: {error}", path.display())))
}

fn replica(url: &str, environment: Environment<'_>) -> Result<(Replica, Vec<Finding>), UsageError> {
    let findings = Findings::on_the_command_line();
    let replica = Replica::from_url(url, environment, &findings);
    let warnings = findings.finish().map_err(UsageError::Argument)?;
    let unexplained = || UsageError::Usage("the replica URL is not understood".to_owned());
    Ok((replica.ok_or_else(unexplained)?, warnings))
}
