//! From arguments and a config to a plan.

use super::{ConfigFlags, Replicate, Restore, Verify};
use crate::config::{self, Config, Database, Environment, Finding, Findings, Replica};
use crate::config::{Format, Level, Logging};
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

impl<Plan> Request<Plan> {
    /// A command that reads no config.
    pub fn plain(plan: Plan, environment: Environment<'_>) -> Self {
        let variable = environment("LOG_LEVEL");
        Request {
            plan,
            level: Level::choose(None, variable.as_deref(), None),
            format: Format::default(),
            stderr: true,
            source: false,
            warnings: Vec::new(),
        }
    }

    pub(super) fn map<Other>(self, change: impl FnOnce(Plan) -> Other) -> Request<Other> {
        Request {
            plan: change(self.plan),
            level: self.level,
            format: self.format,
            stderr: self.stderr,
            source: self.source,
            warnings: self.warnings,
        }
    }
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
    if config.databases.is_empty() && config.directories.is_empty() && !config.socket.enabled {
        let file = config_path(&args.config, environment);
        let text = format!("{} names no database; add one below `dbs:`", file.display());
        return Err(UsageError::Usage(text));
    }
    let named_in = match &args.db_path {
        None => std::path::absolute(config_path(&args.config, environment)).ok(),
        Some(_) => None,
    };
    let exec = exec(args, config.exec)?;
    let mut databases = config.databases;
    for database in &mut databases {
        database.restore_if_db_not_exists |= args.restore_if_db_not_exists;
    }
    let plan = plan::Replicate {
        databases,
        directories: config.directories,
        socket: config.socket,
        observe: config.observe,
        config: named_in,
        registered: plan::Registered {
            upkeep: config.upkeep,
            verify: config.verify,
            require_fencing: config.require_fencing,
        },
        exec,
        once: args.once.then_some(plan::Once {
            force_snapshot: args.force_snapshot,
            enforce_retention: args.enforce_retention,
        }),
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

/// The program to run: the flag's, else the config's, which `-once` does not run.
fn exec(args: &Replicate, config: Option<String>) -> Result<Option<plan::Exec>, UsageError> {
    let command = args.exec.clone().or(config.filter(|_| !args.once));
    let Some(command) = command.filter(|command| !command.is_empty()) else {
        return Ok(None);
    };
    let mut words = shell_words::split(&command)
        .map_err(|error| UsageError::Usage(format!("exec: {error} in: {command}")))?
        .into_iter();
    let Some(program) = words.next() else {
        let text = "exec: it names no program";
        return Err(UsageError::Usage(text.to_owned()));
    };
    Ok(Some(plan::Exec {
        program,
        arguments: words.collect(),
    }))
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
    let config = load(&args.config, environment)?;
    let database = find(&config, &args.source, environment)?;
    let output = match &args.output {
        Some(output) => absolute(output)?,
        None => database.path,
    };
    Ok((database.replica, output, config.logging, config.warnings))
}

/// The database of the config that `text` names.
fn find(config: &Config, text: &str, environment: Environment<'_>) -> Result<Database, UsageError> {
    let path = database_path(text, environment)?;
    config.database(&path).ok_or_else(|| {
        let listed = config.databases.iter().map(|database| &database.path);
        let known: Vec<_> = listed
            .chain(config.directories.iter().map(|directory| &directory.path))
            .map(|path| path.display().to_string())
            .collect();
        UsageError::Usage(format!(
            "database not found in config: {}\nThe config has: {}",
            path.display(),
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        ))
    })
}

/// The config, for a command that needs nothing else.
pub fn config(
    flags: &ConfigFlags,
    environment: Environment<'_>,
) -> Result<Request<Config>, UsageError> {
    let config = load(flags, environment)?;
    let (logging, warnings) = (config.logging.clone(), config.warnings.clone());
    Ok(request(config, flags, logging, warnings, environment))
}

pub fn status(
    flags: &ConfigFlags,
    db_path: Option<&str>,
    environment: Environment<'_>,
) -> Result<Request<(Config, Option<Database>)>, UsageError> {
    let loaded = config(flags, environment)?;
    let find = |text| find(&loaded.plan, text, environment);
    let only = db_path.map(find).transpose()?;
    Ok(loaded.map(|config| (config, only)))
}

pub fn verify(
    args: &Verify,
    environment: Environment<'_>,
) -> Result<Request<plan::Verify>, UsageError> {
    let directory = args.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let found = subject(&args.config, &args.source, environment)?;
    Ok(found.map(|database| plan::Verify {
        database,
        directory,
        source: args.source.clone(),
        json: args.json,
    }))
}

/// The replica that a DB_PATH or a REPLICA_URL names.
pub fn source(
    flags: &ConfigFlags,
    text: &str,
    environment: Environment<'_>,
) -> Result<Request<Replica>, UsageError> {
    let found = subject(flags, text, environment)?;
    Ok(found.map(|database| database.replica))
}

/// The database that a DB_PATH names, or one whose replica a REPLICA_URL does.
pub fn subject(
    flags: &ConfigFlags,
    text: &str,
    environment: Environment<'_>,
) -> Result<Request<Database>, UsageError> {
    if config::is_replica_url(text) {
        if flags.config.is_some() {
            let text = "give a replica URL or -config, not both";
            return Err(UsageError::Usage(text.to_owned()));
        }
        let (replica, warnings) = replica(text, environment)?;
        let logging = Logging::default();
        // Nobody knows where its file is, and nothing of it is touched.
        let database = Database::new(PathBuf::from(text), replica);
        return Ok(request(database, flags, logging, warnings, environment));
    }
    let loaded = config(flags, environment)?;
    let database = find(&loaded.plan, text, environment)?;
    Ok(loaded.map(|_| database))
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

pub fn config_path(flags: &ConfigFlags, environment: Environment<'_>) -> PathBuf {
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

pub fn database_path(text: &str, environment: Environment<'_>) -> Result<PathBuf, UsageError> {
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
