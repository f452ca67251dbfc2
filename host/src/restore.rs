//! `seawall restore`: brings a database back from its replica.

use crate::component::{self, Instance, Program, Progress, wit};
use crate::exit::Code;
use crate::live::{Files, sync_parent, with_suffix};
use crate::objects::{Location, Store};
use crate::plan::{self, IntegrityCheck};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Restores one database into a temporary file beside `output`, checks it, and renames it.
pub async fn run(plan: plan::Restore) -> anyhow::Result<Code> {
    let output = &plan.output;
    if plan.if_db_not_exists && output.exists() {
        tracing::info!("{} exists, nothing to do", output.display());
        return Ok(Code::Ok);
    }
    refuse_leftovers(output, plan.force)?;
    let temporary = Temporary::create(output)?;
    let restored = match rebuild(&plan, &temporary.path).await? {
        Ok(restored) => restored,
        Err(wit::Error::Nothing(_)) if plan.if_replica_exists => {
            tracing::info!("the replica holds no backup yet, nothing to do");
            return Ok(Code::Ok);
        }
        Err(wit::Error::Nothing(text)) => {
            tracing::error!("{text}");
            return Ok(Code::NothingToRestore);
        }
        Err(error) => bail!(
            "{}. {} is as it was",
            component::text(&error),
            output.display()
        ),
    };
    if plan.force {
        remove_leftovers(output)?;
    }
    temporary.put_in_place(output)?;
    report(&plan, &restored);
    Ok(Code::Ok)
}

const LEFTOVERS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A `-wal` beside the restored file would be played into it at the first opening.
fn refuse_leftovers(output: &Path, force: bool) -> anyhow::Result<()> {
    if force {
        return Ok(());
    }
    if fs::metadata(output).is_ok_and(|metadata| metadata.len() > 0) {
        bail!(
            "cannot restore, output path already exists and is not empty: {}. Use -force to overwrite",
            output.display()
        );
    }
    for suffix in LEFTOVERS {
        let path = with_suffix(output, suffix);
        if path.exists() {
            bail!(
                "cannot restore, {} is left over from another database and would be mixed into the \
                 restored one. Remove it, or use -force",
                path.display()
            );
        }
    }
    Ok(())
}

fn remove_leftovers(output: &Path) -> anyhow::Result<()> {
    for suffix in LEFTOVERS {
        let path = with_suffix(output, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The file that is built; removed unless it is put in place.
struct Temporary {
    path: PathBuf,
    done: bool,
}

impl Temporary {
    fn create(output: &Path) -> anyhow::Result<Temporary> {
        if let Some(parent) = output.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make the directory {}", parent.display()))?;
        }
        let path = with_suffix(output, ".tmp");
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Temporary { path, done: false })
    }

    fn put_in_place(mut self, output: &Path) -> anyhow::Result<()> {
        fs::rename(&self.path, output).with_context(|| {
            format!(
                "cannot rename {} to {}",
                self.path.display(),
                output.display()
            )
        })?;
        self.done = true;
        sync_parent(output).context("the directory cannot be synced")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.done {
            // What is left of a failed restore is of no use; failing to remove it harms nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn rebuild(
    plan: &plan::Restore,
    temporary: &Path,
) -> anyhow::Result<Result<wit::Restored, wit::Error>> {
    let program = Program::load().map_err(component::failed)?;
    let location = plan.replica.location.clone();
    let layout = match location {
        Location::S3(_) => wit::Layout::Hexadecimal,
        Location::Directory { .. } => wit::Layout::Decimal,
    };
    let store = Store::open(location).await.context("the replica")?;
    let (bar, progress) = progress_bar();
    let files = Files::building(temporary, &plan.output);
    let subject = plan.output.display().to_string();
    let Instance {
        mut store,
        replicate,
    } = program
        .instantiate(subject, files, store, progress)
        .await
        .map_err(component::failed)?;
    let replicator = replicate.seawall_replicator_replicator();
    let settings = wit::Settings {
        layout,
        min_checkpoint_pages: 0,
        max_wal_pages: 0,
        max_sync_bytes: 0,
        checkpoint_interval_ms: 0,
        require_fencing: false,
        level_intervals_ms: Vec::new(),
        snapshot_interval_ms: 0,
        snapshot_retention_ms: 0,
        l0_retention_ms: 0,
        l0_retention_check_ms: 0,
        retention: false,
        part_bytes: 8 << 20,
        parts_in_flight: 2,
    };
    let check = match plan.integrity_check {
        IntegrityCheck::None => wit::Integrity::None,
        IntegrityCheck::Quick => wit::Integrity::Quick,
        IntegrityCheck::Full => wit::Integrity::Full,
    };
    let outcome = store
        .run_concurrent(async |accessor| {
            replicator.call_configure(accessor, settings).await?;
            let options = wit::RestoreOptions {
                target: wit::Target::Latest,
                parallelism: 8,
                check,
                follow: false,
            };
            replicator.call_restore(accessor, options).await
        })
        .await
        .and_then(|outcome| outcome)
        .map_err(component::failed);
    bar.finish_and_clear();
    outcome
}

/// On a terminal only.
fn progress_bar() -> (ProgressBar, Progress) {
    if !io::stderr().is_terminal() {
        return (ProgressBar::hidden(), Arc::new(|_, _| {}));
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let progress = move |done, total| {
        shown.set_length(total);
        shown.set_position(done);
    };
    (bar, Arc::new(progress))
}

fn report(plan: &plan::Restore, restored: &wit::Restored) {
    let bytes = u64::from(restored.pages) * u64::from(restored.page_size);
    let output = plan.output.display().to_string();
    if plan.json {
        let report = serde_json::json!({
            "path": output,
            "txid": format!("{:016x}", restored.txid),
            "page_size": restored.page_size,
            "pages": restored.pages,
            "bytes": bytes,
            "downloaded_bytes": restored.downloaded,
            "requests": restored.requests,
            "checksum_verified": restored.checksum_verified,
        });
        println!("{report}");
        return;
    }
    let verified = if restored.checksum_verified {
        "the checksum of the whole database is right"
    } else {
        "its writer left no checksum of the whole database; every object was checked"
    };
    tracing::info!(
        "restored {output} at TXID {:016x}: {bytes} bytes, {} downloaded in {} requests; {verified}",
        restored.txid,
        restored.downloaded,
        restored.requests
    );
}
