//! `seawall replicate`: keeps replicas up to date until it is told to stop.

mod call;
mod compaction;
mod desk;
mod driver;
mod ending;
mod exec;
mod gatherer;
mod keeper;
mod lag;
mod limits;
mod measure;
mod notice;
mod once;
mod opening;
mod probes;
mod record;
mod signals;
mod supervisor;
mod waiting;
mod work;

pub use desk::{Ask, Desk, Kept, Phase, Report, Standing};
pub use record::{Record, Totals};
pub use supervisor::{Change, Refusal, Supervisor, Watched};

use crate::component::{self, Program};
use crate::config::{Database, Directory};
use crate::exit::Code;
use crate::health::Outages;
use crate::objects::Meter;
use crate::observe::{self, Listed};
use crate::plan::{self, Shutdown};
use crate::socket;
use anyhow::{Context, bail};
use gatherer::Gatherer;
use limits::Limits;
use notice::Watch;
use probes::Probes;
use signals::Signals;

/// What the databases of one process share. Cheap to clone.
#[derive(Clone)]
pub struct Tools {
    pub program: Program,
    pub watch: Watch,
    pub limits: Limits,
    pub probes: Probes,
    pub outages: Outages,
}

impl Tools {
    /// For a database whose requests are counted by `meter`.
    fn counted_by(&self, meter: Meter) -> Tools {
        Tools {
            program: self.program.counted_by(meter),
            ..self.clone()
        }
    }
}

/// Runs until SIGTERM or SIGINT, until the program of `-exec` ends, or until no database is left to
/// replicate. A signal during the final sync ends that.
pub async fn run(plan: plan::Replicate) -> anyhow::Result<Code> {
    if let Some(once) = plan.once {
        // A signal ends it as it ends any program.
        limits::raise_file_limit();
        let program = Program::load().map_err(component::failed)?;
        let databases = all_there(plan.databases, &plan.directories)?;
        return Ok(once::run(&program, databases, once, plan.shutdown).await);
    }
    // First of all: who starts us may stop us at once.
    let mut signals = Signals::listen()?;
    limits::raise_file_limit();
    let program = Program::load().map_err(component::failed)?;
    let tools = Tools {
        program,
        watch: Watch::new(),
        limits: Limits::new(),
        probes: Probes::default(),
        outages: Outages::default(),
    };
    let open_ended = plan.directories.iter().any(|directory| directory.watch);
    let supervisor = Supervisor::new(tools.clone(), plan.shutdown, open_ended);
    let listed = Listed {
        config: plan.config,
        databases: plan.databases.iter().map(|one| one.path.clone()).collect(),
        directories: plan.directories.clone(),
    };
    let observing = observe::start(plan.observe, listed, supervisor.clone()).await?;
    let socket = match plan.socket.enabled {
        true => Some(socket::serve(
            &plan.socket,
            supervisor.clone(),
            plan.registered,
        )?),
        false => None,
    };
    for database in plan.databases {
        supervisor.add(database)?;
    }
    for directory in plan.directories {
        let watch = directory.watch;
        let mut gatherer = Gatherer::new(directory, supervisor.clone(), tools.watch.clone());
        let all_done = gatherer.look().await;
        if watch {
            tokio::spawn(gatherer.keep_looking(all_done));
        }
    }
    if supervisor.is_empty() {
        if !open_ended && socket.is_none() {
            bail!("no database was found");
        }
        tracing::warn!("there is no database yet");
    }
    let code = match &plan.exec {
        Some(exec) => exec::run(exec, &supervisor, &mut signals).await,
        None => Ok(until_over(&supervisor, &mut signals).await),
    };
    drop(socket);
    observing.end().await;
    code
}

/// The databases that are named, and those of directories that are there now.
fn all_there(
    mut databases: Vec<Database>,
    directories: &[Directory],
) -> anyhow::Result<Vec<Database>> {
    for directory in directories {
        let found = directory.scan();
        let found = found.with_context(|| directory.path.display().to_string())?;
        databases.extend(found.iter().map(|path| directory.database(path)));
    }
    if databases.is_empty() {
        bail!("no database was found");
    }
    Ok(databases)
}

/// A signal ends all databases, a second one their final sync.
async fn until_over(supervisor: &Supervisor, signals: &mut Signals) -> Code {
    loop {
        tokio::select! {
            code = supervisor.over() => return code,
            _ = signals.next() => {
                if supervisor.is_closing() {
                    supervisor.close(Stop::Now);
                } else {
                    tracing::info!("stopping: shipping what is left (a second signal ends that)");
                    supervisor.close(Stop::Gracefully);
                }
            }
        }
    }
}

/// What the tasks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    No,
    /// Ship what is there, then end.
    Gracefully,
    Now,
}

/// One exit code for all databases: the one that needs a person first.
fn more_severe(a: Code, b: Code) -> Code {
    let rank = |code| match code {
        Code::Ok => 0,
        Code::Unshipped => 1,
        Code::Fenced => 2,
        _ => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}
