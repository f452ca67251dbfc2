//! `seawall doctor`: tries each thing that replication needs, one after the other, and says in plain
//! words what is wrong and what to do. Nothing of what it does lasts.

mod address;
mod bucket;
mod configuration;
mod database;
mod directory;
mod disk;
mod header;
mod holders;
mod library;
mod network;
mod replicators;
mod report;
mod requests;
mod rights;
mod socket;

use crate::config::{Config, Database, Directory, Environment, Replica};
use crate::exit::Code;
use crate::objects::Location;
use crate::output;
use crate::table::print_json;
use report::{Report, Section};
use std::path::{Path, PathBuf};

/// Databases of one directory that are looked at: the others are like them.
const MOST_OF_A_DIRECTORY: usize = 20;

/// What to examine.
#[derive(Debug)]
pub struct Order {
    pub subject: Subject,
    pub json: bool,
}

#[derive(Debug)]
pub enum Subject {
    /// Everything that a config names, or one of its databases.
    Config {
        path: PathBuf,
        /// Replace variables in it.
        expand: bool,
        only: Option<PathBuf>,
    },
    Replica(Box<Replica>),
}

pub async fn run(order: Order, environment: Environment<'_>) -> anyhow::Result<Code> {
    let mut report = Shown {
        report: Report::default(),
        json: order.json,
    };
    match order.subject {
        Subject::Replica(replica) => report.add(examine_replica(&replica, None, false).await),
        Subject::Config { path, expand, only } => {
            let mut section = Section::new(format!("config {}", path.display()));
            let config = configuration::check(&mut section, &path, expand, environment);
            if let Some(config) = &config {
                socket::check(&mut section, &config.socket);
                address::check(&mut section, config.observe.addr.as_ref()).await;
            } else {
                section.skip(&["databases and replicas"], "the config cannot be read");
            }
            let chosen = config.map(|config| choose(&mut section, config, only.as_deref()));
            report.add(section);
            if let Some((databases, directories)) = chosen {
                for database in &databases {
                    report.add_database(database).await;
                }
                for directory in &directories {
                    report.add_directory(directory).await;
                }
            }
        }
    }
    report.end()
}

/// The databases and directories to look at.
fn choose(
    section: &mut Section,
    config: Config,
    only: Option<&Path>,
) -> (Vec<Database>, Vec<Directory>) {
    let Some(only) = only else {
        return (config.databases, config.directories);
    };
    let found = config.database(only);
    if found.is_none() {
        section.fault(
            "databases",
            format!("the config has no database {}", only.display()),
            "name one that `seawall databases` lists, or add this one below `dbs:`",
        );
    }
    (found.into_iter().collect(), Vec::new())
}

async fn examine_replica(
    replica: &Replica,
    database: Option<&Path>,
    require_fencing: bool,
) -> Section {
    let location = &replica.location;
    let mut section = Section::new(format!("replica {}", location.url()));
    match location {
        Location::S3(s3) => bucket::check(&mut section, s3, require_fencing).await,
        Location::Directory { path } => directory::check(&mut section, path, database).await,
    }
    section
}

/// A report that people see while it is made.
struct Shown {
    report: Report,
    json: bool,
}

impl Shown {
    fn add(&mut self, section: Section) {
        if !self.json {
            // The exit code tells even when this cannot be written.
            let _ = output::print(&section);
        }
        self.report.sections.push(section);
    }

    async fn add_files(&mut self, database: &Database) {
        let database = database.clone();
        let path = database.path.clone();
        let checked = tokio::task::spawn_blocking(move || database::check(&database)).await;
        self.add(checked.unwrap_or_else(|error| {
            let mut section = Section::new(format!("database {}", path.display()));
            section.fault(
                "file",
                format!("the checks broke off: {error}"),
                "try again",
            );
            section
        }));
    }

    async fn add_database(&mut self, database: &Database) {
        self.add_files(database).await;
        let (path, fencing) = (&database.path, database.require_fencing);
        self.add(examine_replica(&database.replica, Some(path), fencing).await);
    }

    async fn add_directory(&mut self, directory: &Directory) {
        let mut section = Section::new(format!("directory {}", directory.path.display()));
        let databases = match directory.look() {
            Ok(found) => {
                let count = found.databases.len();
                section.ok("databases", format!("{count} are there"));
                for (path, why) in found.left_out {
                    let text = format!("{} is left out: {why}", path.display());
                    section.warn("databases", text, "");
                }
                if count > MOST_OF_A_DIRECTORY {
                    let rest = count - MOST_OF_A_DIRECTORY;
                    section.skip(
                        &["databases"],
                        &format!("{rest} more than {MOST_OF_A_DIRECTORY} are not looked at"),
                    );
                }
                found.databases
            }
            Err(error) => {
                section.fault(
                    "databases",
                    format!("{} cannot be read: {error}", directory.path.display()),
                    "make it, correct `dir` in the config, or give it to Seawall's user",
                );
                Vec::new()
            }
        };
        self.add(section);
        for path in databases.iter().take(MOST_OF_A_DIRECTORY) {
            self.add_files(&directory.database(path)).await;
        }
        let common = directory.template();
        let (path, fencing) = (&directory.path, common.require_fencing);
        self.add(examine_replica(&common.replica, Some(path), fencing).await);
    }

    fn end(self) -> anyhow::Result<Code> {
        if self.json {
            print_json(&self.report.json())?;
        } else {
            output::print(format_args!("{}\n", self.report.summary()))?;
        }
        Ok(self.report.code())
    }
}
