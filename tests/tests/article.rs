//! A published guide's commands, run by its own shell lines with this program in the peer's place:
//! the notes come back in each new pod.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use end_to_end::ack::AckLog;
use end_to_end::app::Habits;
use end_to_end::bucket::Objects;
use end_to_end::judge::{State, judge};
use end_to_end::places;
use end_to_end::process::Running;
use end_to_end::program::Program;
use end_to_end::replica::Replica;
use end_to_end::scene::scene;
use end_to_end::weed::{ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFs};

const LIMIT: Duration = Duration::from_secs(120);
const LIFE_SECONDS: &str = "8";

/// `sync-interval: 1s` and a poll before it, the time of a PUT, and a busy machine's slack. The
/// clock of a kill is read after it.
const BOUND_MS: f64 = 4000.0;

/// The words that start the app, but for the database.
fn app() -> Result<String> {
    let Habits {
        notes,
        interval_ms,
        revisions_ms,
    } = Habits::HURRIED;
    let app = places::app()?;
    Ok(format!(
        "node {} --notes {notes} --interval-ms {interval_ms} --revisions-ms {revisions_ms} --db",
        app.display()
    ))
}

struct Kept(PathBuf);

impl Kept {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn text(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    fn killed_ms(&self, pod: &str) -> Result<f64> {
        Ok(self.text(&format!("{pod}-killed"))?.parse()?)
    }

    fn acks(&self, pod: &str) -> Result<AckLog> {
        AckLog::read(&self.path(&format!("{pod}-app.jsonl")))
    }
}

#[test]
fn the_guides_pods_find_their_notes_again() {
    scene(|scene| {
        let program = Program::under_test()?;
        let weed = SeaweedFs::start()?;
        let replica = Replica::on_s3(weed.store);
        let Objects::S3 { store, prefix } = &replica.objects else {
            bail!("not on S3");
        };
        let root = scene.fresh("pods");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("article/pods.sh");
        // The credentials are those of the config file alone.
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("AWS_") || text.starts_with("LITESTREAM_") {
                command.env_remove(&name);
            }
        }
        command
            .arg(script)
            .env("PROGRAM", program.path()?)
            .env("APP", app()?)
            .env("ROOT", &root)
            .env("ENDPOINT", format!("http://{}", store.s3))
            .env("BUCKET", BUCKET)
            .env("PREFIX", prefix)
            .env("ACCESS_KEY", ACCESS_KEY)
            .env("SECRET_KEY", SECRET_KEY)
            .env("LIFE", LIFE_SECONDS)
            .env_remove("NODE_OPTIONS");
        let log = scene.fresh("pods.log");
        let outcome = Running::start("the pods", &mut command, &log)?.wait(LIMIT);
        let kept = Kept(root.join("kept"));
        for pod in ["first", "second", "third"] {
            for part in ["init", "replicate"] {
                let said = kept.text(&format!("{pod}-{part}.log")).unwrap_or_default();
                println!("--- {pod} {part} ---\n{said}");
            }
        }
        outcome?.ok()?;

        ensure!(!kept.path("first.sqlite").exists(), "restored from nothing");
        let nothing = kept.text("first-init.log")?.to_lowercase();
        ensure!(nothing.contains("no matching backup files available"));
        let mut before = State::default();
        for (pod, next) in [("first", "second"), ("second", "third")] {
            let log = kept.acks(pod)?;
            let after = State::read(&kept.path(&format!("{next}.sqlite")))?;
            let verdict = judge(&before, &log.acks, &after, kept.killed_ms(pod)?, BOUND_MS)?;
            println!(
                "{pod} pod: {} acknowledged, {} kept, {} lost, {} refused",
                log.acks.len(),
                verdict.kept,
                verdict.lost_ages_ms.len(),
                log.refusals.len()
            );
            ensure!(verdict.kept > 0, "nothing was kept");
            ensure!(kept.text(&format!("{next}-mode"))? == "777");
            before = after;
        }
        // The second pod's app found the notes of the first, all of them whole.
        let start = kept
            .acks("second")?
            .start
            .context("the app did not start")?;
        ensure!(start.notes == u64::from(Habits::HURRIED.notes) && start.bad == 0);
        Ok(())
    });
}
