//! What a config amounts to: what would run, without anything secret in it.

use super::{Config, Database, Directory, Found, NEVER, Observe, Upkeep};
use crate::Location;
use jiff::SignedDuration;
use s3_protocol::Encryption;
use serde::Serialize;
use std::fmt::{self, Display};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A config in words, and as JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    databases: Vec<DatabaseReport>,
    directories: Vec<DirectoryReport>,
    /// Snapshots and merging are the same for all databases.
    upkeep: UpkeepReport,
    /// None: never.
    verify: Option<VerifyReport>,
    exec: Option<String>,
    socket: Option<SocketReport>,
    observe: ObserveReport,
    shutdown_sync_timeout: Text,
    shutdown_sync_interval: Text,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DatabaseReport {
    path: PathBuf,
    replica: String,
    sync_interval: Text,
    /// Whether a second writer is kept out.
    fencing: &'static str,
    encryption: Option<&'static str>,
    credentials: Option<&'static str>,
    part_bytes: Option<u64>,
    concurrency: Option<usize>,
    min_checkpoint_pages: u32,
    /// None: never.
    truncate_pages: Option<u32>,
    max_sync_bytes: u64,
    checkpoint_interval: Text,
    restore_if_db_not_exists: bool,
}

#[derive(Debug, Serialize)]
struct DirectoryReport {
    path: PathBuf,
    pattern: String,
    recursive: bool,
    watch: bool,
    /// What its databases have in common, at the directory's own path and place.
    common: DatabaseReport,
    /// The databases that are there now.
    databases: Vec<DatabaseReport>,
    left_out: Vec<LeftOut>,
    /// Why the directory cannot be read.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    path: PathBuf,
    why: &'static str,
}

#[derive(Debug, Serialize)]
struct UpkeepReport {
    levels: Vec<Text>,
    snapshot_interval: Text,
    snapshot_retention: Text,
    /// None: for ever.
    l0_retention: Option<Text>,
    l0_retention_check_interval: Text,
    retention: bool,
}

#[derive(Debug, Serialize)]
struct VerifyReport {
    interval: Text,
    bandwidth: u64,
}

#[derive(Debug, Serialize)]
struct SocketReport {
    path: PathBuf,
    permissions: String,
}

#[derive(Debug, Serialize)]
struct ObserveReport {
    /// None: nothing is served.
    addr: Option<String>,
    ready_max_lag: Text,
    /// None: none is sent.
    heartbeat_interval: Option<Text>,
}

/// A duration as a config writes it.
#[derive(Debug, Serialize)]
struct Text(String);

impl From<Duration> for Text {
    fn from(duration: Duration) -> Self {
        // What is too long for one is longer than the universe is old.
        let signed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self(format!("{signed:#}").replace(' ', ""))
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Report {
    /// Looks into the directories, but asks no store.
    pub fn of(config: &Config) -> Self {
        let directories = config.directories.iter();
        let found = directories.map(|directory| (directory, directory.look()));
        let any = config
            .databases
            .first()
            .or_else(|| config.directories.first().map(Directory::template));
        Self {
            databases: config.databases.iter().map(database).collect(),
            directories: found
                .map(|(place, found)| directory(place, found))
                .collect(),
            upkeep: upkeep(any.map_or(&Upkeep::default(), |database| &database.upkeep)),
            verify: config.verify.interval.map(|interval| VerifyReport {
                interval: interval.into(),
                bandwidth: config.verify.bandwidth,
            }),
            exec: config.exec.clone(),
            socket: config.socket.enabled.then(|| SocketReport {
                path: config.socket.path.clone(),
                permissions: format!("{:04o}", config.socket.permissions),
            }),
            observe: observe(&config.observe),
            shutdown_sync_timeout: config.shutdown_sync_timeout.into(),
            shutdown_sync_interval: config.shutdown_sync_interval.into(),
            warnings: config.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

fn database(database: &Database) -> DatabaseReport {
    let replica = &database.replica;
    let (encryption, credentials) = match &replica.location {
        Location::Directory { .. } => (None, None),
        Location::S3(s3) => {
            let encryption = s3.encryption.as_ref().map(|encryption| match encryption {
                Encryption::Kms { .. } => "sse-kms",
                Encryption::Customer { .. } => "sse-customer-key",
            });
            let credentials = match s3.access_key_id {
                Some(_) => "the config or LITESTREAM_/OSS_ variables",
                None => "AWS_ variables or what the machine offers",
            };
            (encryption, Some(credentials))
        }
    };
    DatabaseReport {
        path: database.path.clone(),
        replica: replica.location.url(),
        sync_interval: replica.sync_interval.into(),
        fencing: if database.require_fencing {
            "required: no start on a store that ignores conditional writes"
        } else {
            "where the store honours conditional writes, which is found out at the start"
        },
        encryption,
        credentials,
        part_bytes: replica.part_bytes,
        concurrency: replica.concurrency,
        min_checkpoint_pages: database.min_checkpoint_pages,
        truncate_pages: Some(database.truncate_pages).filter(|pages| *pages != NEVER),
        max_sync_bytes: database.max_sync_bytes,
        checkpoint_interval: database.checkpoint_interval.into(),
        restore_if_db_not_exists: database.restore_if_db_not_exists,
    }
}

fn directory(directory: &Directory, found: io::Result<Found>) -> DirectoryReport {
    let (found, error) = match found {
        Ok(found) => (found, None),
        Err(error) => (Found::default(), Some(error.to_string())),
    };
    let paths = found.databases.iter();
    let left_out = found.left_out.into_iter();
    DirectoryReport {
        path: directory.path.clone(),
        pattern: directory.pattern.as_str().to_owned(),
        recursive: directory.recursive,
        watch: directory.watch,
        common: database(directory.template()),
        databases: paths
            .map(|path| database(&directory.database(path)))
            .collect(),
        left_out: left_out.map(|(path, why)| LeftOut { path, why }).collect(),
        error,
    }
}

fn observe(observe: &Observe) -> ObserveReport {
    let interval = observe.heartbeat_interval;
    ObserveReport {
        addr: observe.addr.as_ref().map(ToString::to_string),
        ready_max_lag: observe.ready_max_lag.into(),
        heartbeat_interval: observe.heartbeat_url.as_ref().map(|_| interval.into()),
    }
}

fn upkeep(upkeep: &Upkeep) -> UpkeepReport {
    UpkeepReport {
        levels: upkeep.levels.iter().copied().map(Text::from).collect(),
        snapshot_interval: upkeep.snapshot_interval.into(),
        snapshot_retention: upkeep.snapshot_retention.into(),
        l0_retention: (!upkeep.l0_retention.is_zero()).then(|| upkeep.l0_retention.into()),
        l0_retention_check_interval: upkeep.l0_retention_check.into(),
        retention: upkeep.retention,
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for database in &self.databases {
            write!(f, "{database}")?;
        }
        for directory in &self.directories {
            write!(f, "{directory}")?;
        }
        write!(f, "{}", self.upkeep)?;
        match &self.verify {
            Some(VerifyReport {
                interval,
                bandwidth,
            }) => line(
                f,
                "verified",
                format_args!("every {interval}, at most {bandwidth} bytes a second"),
            )?,
            None => line(f, "verified", "never (verify.interval is not set)")?,
        }
        if let Some(exec) = &self.exec {
            line(f, "exec", exec)?;
        }
        if let Some(socket) = &self.socket {
            let (path, permissions) = (socket.path.display(), &socket.permissions);
            line(
                f,
                "socket",
                format_args!("{path}, permissions {permissions}"),
            )?;
        }
        if let Some(addr) = &self.observe.addr {
            let lag = &self.observe.ready_max_lag;
            line(
                f,
                "served",
                format_args!("metrics and status at {addr}; ready while less than {lag} behind"),
            )?;
        }
        if let Some(interval) = &self.observe.heartbeat_interval {
            line(f, "heartbeat", format_args!("every {interval}"))?;
        }
        let (timeout, interval) = (&self.shutdown_sync_timeout, &self.shutdown_sync_interval);
        line(
            f,
            "at the end",
            format_args!("up to {timeout} for the last upload, tried every {interval}"),
        )?;
        for warning in &self.warnings {
            line(f, "warning", warning)?;
        }
        Ok(())
    }
}

impl Display for DatabaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path.display())?;
        self.details(f)
    }
}

impl DatabaseReport {
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "  replica", &self.replica)?;
        line(
            f,
            "  uploads",
            format_args!("at most every {}", self.sync_interval),
        )?;
        line(f, "  fencing", self.fencing)?;
        if let Some(credentials) = self.credentials {
            line(f, "  credentials", credentials)?;
        }
        if let Some(encryption) = self.encryption {
            line(f, "  encryption", encryption)?;
        }
        let (pages, interval) = (self.min_checkpoint_pages, &self.checkpoint_interval);
        line(
            f,
            "  checkpoint",
            format_args!("at {pages} pages of WAL, or after {interval}"),
        )?;
        match self.truncate_pages {
            Some(pages) => line(
                f,
                "  complaint",
                format_args!("in the log, at {pages} pages of WAL"),
            )?,
            None => line(f, "  complaint", "none, however long the WAL is")?,
        }
        if self.restore_if_db_not_exists {
            line(f, "  restore", "when the database is not there")?;
        }
        Ok(())
    }
}

impl Display for DirectoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, pattern) = (self.path.display(), &self.pattern);
        let depth = if self.recursive { ", and below" } else { "" };
        let watch = if self.watch { ", watched" } else { "" };
        writeln!(f, "{path}: the databases {pattern}{depth}{watch}")?;
        self.common.details(f)?;
        if let Some(error) = &self.error {
            line(f, "  error", error)?;
        } else if self.databases.is_empty() {
            line(f, "  now", "none is there")?;
        }
        for database in &self.databases {
            let (path, replica) = (database.path.display(), &database.replica);
            line(f, "  now", format_args!("{path} to {replica}"))?;
        }
        for left_out in &self.left_out {
            let (path, why) = (left_out.path.display(), left_out.why);
            line(f, "  left out", format_args!("{path}: {why}"))?;
        }
        Ok(())
    }
}

impl Display for UpkeepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels: Vec<_> = self.levels.iter().map(|level| level.0.as_str()).collect();
        let levels = if levels.is_empty() {
            "never".to_owned()
        } else {
            format!("every {}", levels.join(", "))
        };
        line(f, "merging", levels)?;
        let (interval, retention) = (&self.snapshot_interval, &self.snapshot_retention);
        line(
            f,
            "snapshots",
            format_args!("every {interval}, kept for {retention}"),
        )?;
        match &self.l0_retention {
            Some(retention) => line(f, "level 0", format_args!("kept for {retention}"))?,
            None => line(f, "level 0", "kept for ever")?,
        }
        if !self.retention {
            line(f, "deletion", "never (retention.enabled is false)")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{name:<13} {value}")
}
