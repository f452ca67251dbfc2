//! The component: binds the engine to the world `replicate`. There is no logic here.
#![cfg(target_family = "wasm")]

mod failures;
mod files;
mod sandbox;

wit_bindgen::generate!({
    path: ["../../wit/objects", "../../wit/live", "../../wit/replicator"],
    world: "seawall:replicator/replicate",
    with: { "seawall:objects/store@0.1.0": objects::seawall::objects::store },
    generate_all,
});

use engine::ltx::{Layout, ObjectName};
use engine::ports::{Entry, Environment, Files, LogLevel};
use engine::prove::{self, Inquiry};
use engine::rebuild::{self, Planned, Rebuilt, Wish};
use engine::replica::levels::Forced;
use engine::replica::levels::schedule::Schedule;
use engine::replica::upload::Parts;
use engine::replica::{Moment, Replicator, Settings, VFS_NAME};
use engine::restore::{self, Listed, Target};
use engine::units::{Level, Txid};
use engine::verify::Integrity;
use exports::seawall::replicator::replicator as wit;
use failures::{failure, not_rebuilt, not_restored};
use seawall::replicator::report;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

struct World {
    files: Rc<dyn Files>,
    environment: Rc<dyn Environment>,
    layout: Layout,
    schedule: Schedule,
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
        // Built so, the component takes a fault's number with the parts.
        #[cfg(feature = "mutants")]
        engine::mutants::choose(settings.parts_in_flight / 1000);
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
                ..Parts::default()
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
        let schedule = settings.schedule.clone();
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
            schedule,
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
            replica_bytes: standing.replica_bytes,
            replica_objects: standing.replica_objects,
        }
    }

    fn moments() -> Vec<wit::Moment> {
        let moments = world().replicator.moments();
        moments.into_iter().map(moment).collect()
    }

    fn held() -> Vec<String> {
        let world = world();
        let held = world.replicator.holds().into_iter();
        held.map(|name| world.layout.key(&name)).collect()
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

    async fn restore(options: wit::RestoreOptions) -> Result<wit::Restored, wit::Error> {
        let world = world();
        let wish = Wish {
            target: target(options.target),
            parallelism: options.parallelism as usize,
            check: match options.check {
                wit::Integrity::None => Integrity::None,
                wit::Integrity::Quick => Integrity::Quick,
                wit::Integrity::Full => Integrity::Full,
            },
            follow: options.follow,
        };
        let (environment, files) = (&*world.environment, &*world.files);
        let restored = rebuild::rebuild(
            &objects::Store,
            environment,
            world.layout,
            files,
            VFS_NAME,
            wish,
        )
        .await
        .map_err(not_rebuilt)?;
        Ok(wit::Restored {
            txid: restored.txid.0,
            generation: restored.generation.map(|name| name.to_string()),
            page_size: restored.page_size.get(),
            pages: restored.pages,
            downloaded: restored.downloaded_bytes,
            requests: restored.requests as u32,
            checksum_verified: restored.checksum_verified,
        })
    }

    async fn verify(expected: Vec<String>, parallelism: u32) -> Result<wit::Verified, wit::Error> {
        let world = world();
        let (environment, files, layout) = (&*world.environment, &*world.files, world.layout);
        let expected: Vec<ObjectName> = expected
            .iter()
            .filter_map(|key| layout.parse(key))
            .collect();
        let inquiry = Inquiry {
            expected: &expected,
            schedule: &world.schedule,
            parallelism: parallelism as usize,
        };
        let store = &objects::Store;
        let proof = prove::prove(store, environment, layout, files, VFS_NAME, inquiry)
            .await
            .map_err(not_rebuilt)?;
        Ok(wit::Verified {
            moments: proof.moments.into_iter().map(tried).collect(),
            objects: proof.objects,
            downloaded: proof.downloaded_bytes,
            requests: proof.requests as u32,
            findings: proof.findings,
            missing: proof.missing.iter().map(|name| layout.key(name)).collect(),
        })
    }

    async fn plan(goal: wit::Target) -> Result<wit::RestorePlan, wit::Error> {
        let world = world();
        let (environment, layout) = (&*world.environment, world.layout);
        let planned = rebuild::plan(&objects::Store, environment, layout, target(goal)).await;
        Ok(match planned.map_err(not_restored)? {
            Planned::Objects(plan, header) => wit::RestorePlan {
                txid: plan.reached.0,
                time_ms: header.timestamp_ms.max(0) as u64,
                database_bytes: header.page_size.database_bytes(header.commit),
                generation: None,
                objects: plan.objects.iter().map(|it| object(layout, it)).collect(),
            },
            Planned::Generation(plan) => wit::RestorePlan {
                txid: 0,
                time_ms: plan.reached_ms(),
                database_bytes: 0,
                generation: Some(plan.generation.to_string()),
                objects: plan.entries().map(backup_file).collect(),
            },
        })
    }

    async fn follow(parallelism: u32) -> Result<wit::Followed, wit::Error> {
        let world = world();
        let (environment, files) = (&*world.environment, &*world.files);
        let followed = restore::follow(
            &objects::Store,
            environment,
            world.layout,
            files,
            VFS_NAME,
            parallelism as usize,
        )
        .await
        .map_err(not_restored)?;
        Ok(wit::Followed {
            before: followed.before.0,
            txid: followed.txid.0,
            pages: followed.pages,
            downloaded: followed.downloaded_bytes,
        })
    }

    async fn objects(level: Option<u8>) -> Result<Vec<wit::Object>, wit::Error> {
        let world = world();
        let level = level
            .map(Level::new)
            .transpose()
            .map_err(|error| wit::Error::Database(error.to_string()))?;
        let (environment, layout) = (&*world.environment, world.layout);
        let listed = restore::list(&objects::Store, environment, layout, level).await;
        let listing = listed.map_err(not_restored)?;
        Ok(listing
            .objects()
            .iter()
            .map(|it| object(layout, it))
            .collect())
    }

    fn close() {
        world().replicator.close();
    }
}

fn target(target: wit::Target) -> Target {
    match target {
        wit::Target::Latest => Target::Latest,
        wit::Target::Txid(txid) => Target::Txid(Txid(txid)),
        wit::Target::BeforeMs(ms) => Target::Before(ms),
    }
}

fn moment(moment: Moment) -> wit::Moment {
    wit::Moment {
        txid: moment.txid.0,
        time_ms: moment.time_ms,
        level: moment.level.get(),
    }
}

fn tried(rebuilt: Rebuilt) -> wit::Tried {
    wit::Tried {
        txid: rebuilt.txid.0,
        time_ms: rebuilt.time_ms,
        generation: rebuilt.generation.map(|name| name.to_string()),
        page_size: rebuilt.page_size.get(),
        pages: rebuilt.pages,
        checksum_verified: rebuilt.checksum_verified,
    }
}

fn object(layout: Layout, listed: &Listed) -> wit::Object {
    let name = listed.name;
    wit::Object {
        key: layout.key(&name),
        level: name.level.get(),
        min_txid: name.min.0,
        max_txid: name.max.0,
        bytes: listed.size,
        time_ms: listed.modified_ms,
    }
}

/// Of a 0.3 backup, whose files have neither level nor TXIDs.
fn backup_file(entry: &Entry) -> wit::Object {
    wit::Object {
        key: entry.key.clone(),
        level: 0,
        min_txid: 0,
        max_txid: 0,
        bytes: entry.size,
        time_ms: entry.modified_ms,
    }
}

fn state(live: bool) -> wit::State {
    if live {
        wit::State::Live
    } else {
        wit::State::Waiting
    }
}

export!(Component);
