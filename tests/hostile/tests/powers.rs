//! The sandbox against a component that means harm: it has the replicator's place and its world.

use anyhow::{Context, Result, ensure};
use seawall::component::limits::Limits;
use seawall::component::{Instance, Program, Session, failed, open_replica, wit};
use seawall::config::Config;
use seawall::live::Files;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

static HOSTILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hostile.cwasm"));
static GREEDY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/greedy.cwasm"));

const LIMITS: Limits = Limits {
    silence: Duration::from_secs(2),
    memory: 64 << 20,
};
const SECRET: &str = "what another app keeps beside the replica";

/// A machine with a database, its replica and something that is nobody's business.
struct Place {
    directory: TempDir,
    config: Config,
}

impl Place {
    fn new() -> Result<Place> {
        let directory = tempfile::tempdir()?;
        let root = directory.path();
        fs::create_dir(root.join("replica"))?;
        fs::write(root.join("secret"), SECRET)?;
        // One page of a database in WAL mode, and no more.
        fs::write(root.join("app.db"), [0; 4096])?;
        let text = format!(
            "dbs:\n  - path: {0}/app.db\n    replica: {{type: file, path: {0}/replica/app}}\n",
            root.display()
        );
        let config = Config::parse("seawall.yml", &text, false, &|_| None)?;
        Ok(Place { directory, config })
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    async fn instance(&self, program: &Program) -> Result<Instance> {
        let database = self.config.databases.first().context("a database")?;
        let (store, _) = open_replica(program, &database.replica).await?;
        let files = Files::new(&self.root().join("app.db"));
        let progress = Arc::new(|_, _| {});
        let instance = program.instantiate("app.db".to_owned(), files, store, progress);
        instance.await.map_err(failed)
    }
}

/// What a call gave back, or how it ended the instance.
fn answered<T>(answer: wasmtime::Result<wasmtime::Result<T>>) -> Result<T> {
    answer.and_then(|answer| answer).map_err(failed)
}

fn hostile() -> Result<Program> {
    // SAFETY: `build.rs` had it compiled.
    unsafe { Program::of(HOSTILE, LIMITS) }.map_err(failed)
}

/// The program's own component does its work in the same process.
async fn others_go_on() -> Result<()> {
    let place = Place::new()?;
    let program = Program::load().map_err(failed)?;
    let database = place.config.databases.first().context("a database")?;
    let files = Files::new(&place.root().join("app.db"));
    let subject = "app.db".to_owned();
    let mut session = Session::reading(&program, subject, files, &database.replica).await?;
    let objects = session.objects(None).await?;
    ensure!(objects.is_ok_and(|objects| objects.is_empty()));
    Ok(())
}

/// Every way out of the replica's directory is refused, and none of them changes a thing.
#[tokio::test]
async fn no_key_leads_out_of_the_replica() -> Result<()> {
    let place = Place::new()?;
    let program = hostile()?;
    let Instance {
        mut store,
        replicate,
    } = place.instance(&program).await?;
    let guest = replicate.seawall_replicator_replicator();
    let answer = store.run_concurrent(async |accessor| guest.call_sync(accessor).await);
    let Err(wit::Error::Database(found)) = answered(answer.await)? else {
        anyhow::bail!("it tells what it found as an error");
    };
    let mut lines: Vec<&str> = found.lines().collect();
    ensure!(
        lines.first() == Some(&"inside"),
        "the store answers: {found}"
    );
    lines.retain(|line| !["inside", "list : ltx/0/inside"].contains(line));
    assert_eq!(lines, Vec::<&str>::new());
    assert_eq!(fs::read_to_string(place.root().join("secret"))?, SECRET);
    let mut names = Vec::new();
    for entry in fs::read_dir(place.root())? {
        names.push(entry?.file_name().into_string().unwrap_or_default());
    }
    names.sort();
    assert_eq!(names, ["app.db", "replica", "secret"]);
    Ok(())
}

/// Asked for four gigabytes of a file of one page, the host answers with the page.
#[tokio::test]
async fn a_read_beyond_the_end_takes_no_memory() -> Result<()> {
    let place = Place::new()?;
    let program = hostile()?;
    let Instance {
        mut store,
        replicate,
    } = place.instance(&program).await?;
    let guest = replicate.seawall_replicator_replicator();
    let answer = store.run_concurrent(async |accessor| guest.call_held(accessor).await);
    let lengths = answered(answer.await)?;
    assert_eq!(lengths.first().map(String::as_str), Some("4096"));
    ensure!(
        ["0", "refused"].contains(&lengths[1].as_str()),
        "{lengths:?}"
    );
    Ok(())
}

#[tokio::test]
async fn computing_without_end_ends_the_instance_and_no_other() -> Result<()> {
    let place = Place::new()?;
    let program = hostile()?;
    let Instance {
        mut store,
        replicate,
    } = place.instance(&program).await?;
    let guest = replicate.seawall_replicator_replicator();
    let answer = store.run_concurrent(async |accessor| guest.call_maintain(accessor).await);
    let ended = answered(answer.await).map(drop);
    let error = format!("{:?}", ended.expect_err("it does not end by itself"));
    ensure!(error.contains("computed for more than 2s"), "{error}");
    others_go_on().await
}

#[tokio::test]
async fn all_the_memory_is_not_given_and_others_have_theirs() -> Result<()> {
    let place = Place::new()?;
    let program = hostile()?;
    let Instance {
        mut store,
        replicate,
    } = place.instance(&program).await?;
    let guest = replicate.seawall_replicator_replicator();
    let answer = store.run_concurrent(async |accessor| guest.call_status(accessor).await);
    let ended = answered(answer.await).map(drop);
    ended.expect_err("it takes until there is no more");
    others_go_on().await
}

#[tokio::test]
async fn a_panic_and_a_look_beyond_the_wal_index_end_the_instance_and_no_other() -> Result<()> {
    let place = Place::new()?;
    let program = hostile()?;
    let Instance {
        mut store,
        replicate,
    } = place.instance(&program).await?;
    let guest = replicate.seawall_replicator_replicator();
    let answer = store.run_concurrent(async |accessor| guest.call_moments(accessor).await);
    let ended = answered(answer.await).map(drop);
    ended.expect_err("there is nothing beyond the WAL-index");
    let Instance {
        mut store,
        replicate,
    } = place.instance(&program).await?;
    let guest = replicate.seawall_replicator_replicator();
    let answer = store.run_concurrent(async |accessor| guest.call_close(accessor).await);
    let ended = answered(answer.await).map(drop);
    ended.expect_err("it panics");
    others_go_on().await
}

/// Environment, files and sockets are not refused: they are not there.
#[tokio::test]
async fn a_component_that_wants_the_environment_files_or_sockets_does_not_start() -> Result<()> {
    let place = Place::new()?;
    // SAFETY: `build.rs` had it compiled.
    let program = unsafe { Program::of(GREEDY, LIMITS) }.map_err(failed)?;
    let imports = program.imports().join("\n");
    for wanted in ["wasi:cli/environment", "wasi:filesystem/", "wasi:sockets/"] {
        ensure!(imports.contains(wanted), "{wanted} is not among\n{imports}");
    }
    let error = place.instance(&program).await.err();
    let error = format!("{:?}", error.context("it started")?);
    ensure!(error.contains("wasi:"), "{error}");
    Ok(())
}
