//! Who else works on the database: who has it open and with which SQLite, and whether somebody
//! replicates it already.

use super::holders::{self, Holder, Holders};
use super::report::Section;
use crate::live;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// SQLite's lock bytes in the `-shm` file: the one for checkpoints, which Seawall keeps.
const CHECKPOINT_LOCK: u64 = 121;

/// A checkpoint of the app passes; Seawall stays.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

const HELD_BY: &str = "held open by";
const SQLITE: &str = "app's SQLite";
const REPLICATOR: &str = "replicator";
pub const CHECKS: [&str; 3] = [HELD_BY, SQLITE, REPLICATOR];

pub fn check(section: &mut Section, database: &Path) {
    let suffixed = ["-wal", "-shm"].map(|suffix| live::with_suffix(database, suffix));
    let files: Vec<_> = std::iter::once(database.to_owned())
        .chain(suffixed)
        .collect();
    let holders = holders::find(&files);
    let (replicators, apps): (Vec<_>, Vec<_>) = holders
        .seen
        .iter()
        .partition(|holder| is_replicator(holder));
    check_holders(section, &apps, &holders);
    check_sqlite(section, &apps);
    check_replicators(section, database, &replicators);
}

fn is_replicator(holder: &Holder) -> bool {
    matches!(holder.program.as_str(), "seawall" | "litestream")
}

fn named(holders: &[&Holder]) -> String {
    let names = holders.iter().map(|holder| {
        let Holder { pid, program, uid } = holder;
        format!("{program} (pid {pid}, uid {uid})")
    });
    names.collect::<Vec<_>>().join(", ")
}

fn check_holders(section: &mut Section, apps: &[&Holder], holders: &Holders) {
    let unseen = match holders.hidden {
        0 => String::new(),
        count => format!("; {count} processes of other users could not be looked at"),
    };
    let text = match apps {
        [] => format!("no app that can be seen from here{unseen}"),
        apps => format!("{}{unseen}", named(apps)),
    };
    section.ok(HELD_BY, text);
}

fn check_sqlite(section: &mut Section, apps: &[&Holder]) {
    if apps.is_empty() {
        return section.skip(&[SQLITE], "no app has the database open now");
    }
    let mut old = BTreeSet::new();
    let mut fine = BTreeSet::new();
    for app in apps {
        for (path, library) in holders::libraries(app.pid) {
            let place = path.display();
            match library.version {
                Some(version) if version.may_lose_commits() => {
                    old.insert(format!("{version} in {place}"));
                }
                Some(version) => {
                    fine.insert(format!("{version} in {place}"));
                }
                None => {
                    fine.insert(format!("one of {} in {place}", library.date));
                }
            }
        }
    }
    let list = |found: &BTreeSet<String>| found.iter().cloned().collect::<Vec<_>>().join(", ");
    match (old.is_empty(), fine.is_empty()) {
        (false, _) => section.warn(
            SQLITE,
            format!(
                "{}: SQLite before 3.51.3 can lose a commit when a checkpoint meets a writer that \
                 begins the WAL anew. While Seawall runs it holds the checkpoint lock, and that \
                 cannot happen; without it, it can",
                list(&old)
            ),
            "bring the app's SQLite to 3.51.3 or later (or 3.50.7, 3.44.6) when you can",
        ),
        (true, false) => section.ok(SQLITE, list(&fine)),
        (true, true) => section.skip(
            &[SQLITE],
            "it cannot be told from the files that the app has loaded",
        ),
    }
}

fn check_replicators(section: &mut Section, database: &Path, replicators: &[&Holder]) {
    let of = |program: &str| -> Vec<&Holder> {
        let all = replicators.iter().copied();
        all.filter(|holder| holder.program == program).collect()
    };
    let (seawalls, litestreams) = (of("seawall"), of("litestream"));
    if !litestreams.is_empty() {
        return section.fault(
            REPLICATOR,
            format!(
                "{} replicates this database: two replicators take the WAL from under each other",
                named(&litestreams)
            ),
            "stop Litestream before Seawall is started; Seawall goes on with what Litestream wrote",
        );
    }
    match seawalls.as_slice() {
        [] if is_checkpoint_lock_kept(database) => section.warn(
            REPLICATOR,
            "somebody who cannot be seen from here (in another container, or of another user) \
             keeps the checkpoint lock: another Seawall, or a long checkpoint",
            "if it is a Seawall, leave it the only one: a second one waits until it ends",
        ),
        [] => section.ok(REPLICATOR, "none"),
        [one] => section.warn(
            REPLICATOR,
            format!(
                "another seawall is at work on this database: {}",
                named(&[one])
            ),
            "if that is the one you mean to examine, all is well; do not start a second one, it \
             would wait until this one ends",
        ),
        several => section.fault(
            REPLICATOR,
            format!(
                "several seawalls are at work on this database: {}",
                named(several)
            ),
            "stop all but one",
        ),
    }
}

/// Does somebody hold the checkpoint lock for longer than a checkpoint takes?
fn is_checkpoint_lock_kept(database: &Path) -> bool {
    let Ok(shm) = File::open(live::with_suffix(database, "-shm")) else {
        return false;
    };
    (0..LOOKS).all(|look| {
        if look > 0 {
            sleep(BETWEEN_LOOKS);
        }
        matches!(live::conflicting(&shm, CHECKPOINT_LOCK, 1), Ok(Some(_)))
    })
}
