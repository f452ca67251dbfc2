//! The component: binds the engine to the world `replicate`. There is no logic here.
#![cfg(target_family = "wasm")]

mod files;
mod objects;
mod sandbox;

wit_bindgen::generate!({
    path: ["../../wit/objects", "../../wit/live", "../../wit/replicator"],
    world: "seawall:replicator/replicate",
    generate_all,
});

use engine::ltx::Layout;
use engine::ports::{Environment, FileKind, Files, LogLevel};
use engine::replica::levels::Forced;
use engine::replica::levels::schedule::Schedule;
use engine::replica::upload::Parts;
use engine::replica::{Error, Replicator, Settings, VFS_NAME};
use engine::restore::{self, PlanError, RestoreError};
use engine::verify::{self, Integrity};
use exports::seawall::replicator::replicator as wit;
use seawall::replicator::report;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

struct World {
    files: Rc<dyn Files>,
    environment: Rc<dyn Environment>,
    layout: Layout,
    replicator: Replicator<objects::Store>,
}

thread_local! {
    static WORLD: OnceCell<Rc<World>> = const { OnceCell::new() };
}

fn world() -> Rc<World> {
    WORLD.with(|world| Rc::clone(world.get().expect("the host calls `configure` first")))
}

struct Imports;

impl Environment for Imports {
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |elapsed| elapsed.as_millis() as u64)
    }

    fn random(&self) -> u64 {
        sandbox::random()
    }

    fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Error => report::Level::Error,
            LogLevel::Warn => report::Level::Warn,
            LogLevel::Info => report::Level::Info,
            LogLevel::Debug => report::Level::Debug,
        };
        report::log(level, message);
    }

    fn progress(&self, done: u64, total: u64) {
        report::progress(done, total);
    }
}

struct Component;

impl wit::Guest for Component {
    fn configure(settings: wit::Settings) {
        let files: Rc<dyn Files> = Rc::new(files::Live);
        let environment: Rc<dyn Environment> = Rc::new(Imports);
        engine::vfs::register(VFS_NAME, Rc::clone(&files), Rc::clone(&environment));
        let layout = match settings.layout {
            wit::Layout::Hexadecimal => Layout::Hexadecimal,
            wit::Layout::Decimal => Layout::Decimal,
        };
        let settings = Settings {
            layout,
            min_checkpoint_pages: settings.min_checkpoint_pages,
            max_wal_pages: settings.max_wal_pages,
            max_sync_bytes: settings.max_sync_bytes,
            checkpoint_interval_ms: settings.checkpoint_interval_ms,
            require_fencing: settings.require_fencing,
            parts: Parts {
                bytes: settings.part_bytes as usize,
                in_flight: settings.parts_in_flight as usize,
            },
            schedule: Schedule {
                levels: settings.level_intervals_ms,
                snapshot: settings.snapshot_interval_ms,
                snapshot_retention: settings.snapshot_retention_ms,
                shipped_retention: settings.l0_retention_ms,
                retention_check: settings.l0_retention_check_ms,
                retention: settings.retention,
            },
        };
        let replicator = Replicator::new(
            objects::Store,
            Rc::clone(&files),
            Rc::clone(&environment),
            settings,
        );
        let made = World {
            files,
            environment,
            layout,
            replicator,
        };
        WORLD.with(|world| {
            // A second call would change the writer's identity in mid-flight.
            assert!(
                world.set(Rc::new(made)).is_ok(),
                "`configure` is called once"
            );
        });
    }

    async fn sync() -> Result<wit::Synced, wit::Error> {
        let synced = world().replicator.sync().await.map_err(failure)?;
        Ok(wit::Synced {
            state: state(synced.live),
            txid: synced.txid.0,
            uploaded: synced.uploaded_bytes,
            behind: synced.behind,
            complete: synced.complete,
        })
    }

    fn maintain() -> Result<bool, wit::Error> {
        world().replicator.maintain().map_err(failure)
    }

    fn status() -> wit::Standing {
        let standing = world().replicator.standing();
        wit::Standing {
            state: state(standing.live),
            txid: standing.txid.0,
            page_size: standing.page_size,
            pages: standing.pages,
            wal_bytes: standing.wal_bytes,
            unshipped_bytes: standing.unshipped_bytes,
        }
    }

    async fn probe() -> Result<bool, wit::Error> {
        world().replicator.probe().await.map_err(failure)
    }

    async fn compact(forced: wit::Forced) -> Result<wit::Compacted, wit::Error> {
        let forced = Forced {
            snapshot: forced.snapshot,
            retention: forced.retention,
        };
        let compacted = world().replicator.compact(forced).await.map_err(failure)?;
        Ok(wit::Compacted {
            written: compacted.written,
            uploaded: compacted.uploaded_bytes,
            deleted: compacted.deleted,
            due_ms: compacted.due_ms,
        })
    }

    async fn plan(_target: wit::Target) -> Result<wit::RestorePlan, wit::Error> {
        Err(wit::Error::Busy("no plans yet".to_owned()))
    }

    async fn follow(_parallelism: u32) -> Result<wit::Followed, wit::Error> {
        Err(wit::Error::Busy("no following yet".to_owned()))
    }

    async fn objects(_level: Option<u8>) -> Result<Vec<wit::Object>, wit::Error> {
        Err(wit::Error::Busy("no listing yet".to_owned()))
    }

    async fn restore(options: wit::RestoreOptions) -> Result<wit::Restored, wit::Error> {
        let world = world();
        let file = world
            .files
            .open(FileKind::Database, true)
            .map_err(|error| failure(Error::file(FileKind::Database)(error)))?;
        let restored = restore::restore(
            &objects::Store,
            &*world.environment,
            world.layout,
            &*file,
            restore::Options::default(),
        )
        .await
        .map_err(|error| match error {
            RestoreError::Plan(PlanError::Empty) => wit::Error::Nothing(error.to_string()),
            error => failure(error.into()),
        })?;
        if restored.missing_pages > 0 && !restored.checksum_verified {
            return Err(wit::Error::Replica(format!(
                "{} pages of the database are in no object of the replica, and it holds no \
                 checksum that would show that they are free pages: restored like this it could \
                 be silently wrong",
                restored.missing_pages
            )));
        }
        let how = match options.check {
            wit::Integrity::None => Integrity::None,
            wit::Integrity::Quick => Integrity::Quick,
            wit::Integrity::Full => Integrity::Full,
        };
        verify::check(&*world.files, VFS_NAME, how).map_err(wit::Error::Replica)?;
        let checksums = engine::replica::checksums::Checksums::new(restored.page_checksums);
        let cache = checksums.encode(restored.txid, restored.page_size);
        if let Err(error) = world.files.replace_whole(FileKind::Checksums, &cache) {
            // It only saves the first `sync` a full copy.
            let text = format!("the page checksums cannot be saved: {error}");
            world.environment.log(LogLevel::Warn, &text);
        }
        Ok(wit::Restored {
            txid: restored.txid.0,
            generation: None,
            page_size: restored.page_size.get(),
            pages: restored.commit,
            downloaded: restored.downloaded_bytes,
            requests: restored.requests as u32,
            checksum_verified: restored.checksum_verified,
        })
    }

    fn close() {
        world().replicator.close();
    }
}

fn state(live: bool) -> wit::State {
    if live {
        wit::State::Live
    } else {
        wit::State::Waiting
    }
}

/// What a failure means for the host.
fn failure(error: Error) -> wit::Error {
    let text = error.to_string();
    match error {
        Error::Fenced { .. } => wit::Error::Fenced(text),
        Error::Store(_) => wit::Error::Store(text),
        Error::Denied(_) | Error::NoFencing => wit::Error::Denied(text),
        Error::Busy(_) => wit::Error::Busy(text),
        Error::Replica(_) | Error::Object { .. } => wit::Error::Replica(text),
        Error::NotADatabase
        | Error::WalOfAnotherDatabase { .. }
        | Error::PageSize { .. }
        | Error::File { .. }
        | Error::Wal(_)
        | Error::Sqlite(_)
        | Error::NotAsShipped { .. }
        | Error::Encode { .. } => wit::Error::Database(text),
    }
}

export!(Component);
