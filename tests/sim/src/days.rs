//! Weeks in the life of one app: people come and edit, leave, and come again; each hour something
//! goes wrong, and each hour the replica is restored. At some hours Litestream restores it too.

use crate::bucket::Object;
use crate::dice::Dice;
use crate::guest::Program;
use crate::machine::Victim;
use crate::replica;
use crate::scenario::{Outcome, Sky, Step, play};
use crate::tempo::Tempo;
use anyhow::{Context, Result, ensure};
use end_to_end::program::Program as Peer;
use end_to_end::replica::Replica;
use end_to_end::scene::Scene;
use engine::ltx::Layout;
use std::collections::BTreeMap;
use std::fs;

const HOURS: u64 = 24;
const HOUR_MS: u64 = 3_600_000;
/// Hours from one restore by Litestream to the next.
const PEER_HOURS: u64 = 8;
/// Saves of one note, a second apart, as a person types.
const SAVES: [u64; 4] = [1, 5, 20, 60];

/// Plays them. Each day has hours without anybody.
pub fn live(program: &Program, seed: u64, days: u64) -> Outcome {
    play(program, seed, &steps(seed, days), Tempo::Usual, false)
}

/// The steps of so many days.
pub fn steps(seed: u64, days: u64) -> Vec<Step> {
    let dice = Dice::new(seed, 9);
    let mut steps = Vec::new();
    for hour in 0..days * HOURS {
        let busy = (7..23).contains(&(hour % HOURS));
        let edits = if busy { dice.between(1, 4) } else { 0 };
        let fault_at = dice.between(0, edits);
        let mut spent_ms = 0;
        for edit in 0..=edits {
            if edit == fault_at {
                spent_ms += fault(&dice, &mut steps);
            }
            let saves = if edit < edits { *dice.pick(&SAVES) } else { 0 };
            for _ in 0..saves {
                steps.push(Step::Commit {
                    count: 1,
                    largest: 20_000,
                });
                steps.push(Step::Wait { ms: 1_000 });
            }
            let pause = dice.between(0, HOUR_MS / 8);
            steps.push(Step::Wait { ms: pause });
            spent_ms += pause + saves * 1_000;
        }
        let left = HOUR_MS.saturating_sub(spent_ms);
        steps.push(Step::Wait { ms: left });
        steps.push(Step::Check);
        if hour % PEER_HOURS == PEER_HOURS - 1 {
            steps.push(Step::Peer);
        }
    }
    steps
}

/// What goes wrong, until it is over again; returns how long it takes.
fn fault(dice: &Dice, steps: &mut Vec<Step>) -> u64 {
    let ms = 1_000 * *dice.pick(&[1, 20, 300, 1_200]);
    let commit = Step::Commit {
        count: 3,
        largest: 20_000,
    };
    let sky = |sky| {
        vec![
            Step::Weather(sky),
            commit,
            Step::Wait { ms },
            Step::Weather(Sky::Calm),
        ]
    };
    let crash = |victim| Step::Crash {
        calls: dice.between(0, 40),
        victim,
    };
    steps.extend(match dice.between(0, 12) {
        0 => sky(Sky::Down),
        1 => sky(Sky::Failing),
        2 => sky(Sky::LosingAnswers),
        3 => sky(Sky::Late),
        4 => sky(Sky::Denied),
        5 => sky(Sky::KeepingAll),
        6 => vec![crash(Victim::App), commit],
        7 => vec![crash(Victim::Sidecar), commit],
        8 => vec![crash(Victim::Both), commit],
        9 => vec![crash(Victim::Power), commit],
        10 => vec![Step::StopSidecar, Step::MoveElsewhere],
        11 => vec![Step::Suspend { ms }, commit, Step::Wait { ms }],
        _ => vec![
            Step::DiskFull(true),
            commit,
            Step::Wait { ms },
            Step::DiskFull(false),
        ],
    });
    ms
}

/// Litestream's restore of what is in the bucket, beside the plainest one.
///
/// Errors: it fails, or the two differ.
pub fn ask_peer(objects: &BTreeMap<String, Object>) -> Result<()> {
    let Some((txid, expected)) = replica::restore(objects)? else {
        return Ok(());
    };
    let dir = tempfile::TempDir::with_prefix("sim-peer-")?;
    let scene = Scene::in_dir(dir.path());
    let replica = scene.fresh("replica");
    for (key, object) in objects {
        let Some(name) = Layout::Hexadecimal.parse(key) else {
            continue;
        };
        let file = replica.join(Layout::Decimal.key(&name));
        fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
        fs::write(file, object.body.as_slice())?;
    }
    let restored = scene.fresh("restored.db");
    Peer::Litestream.restore(&scene, &Replica::in_files(&replica), &restored)?;
    ensure!(
        fs::read(restored)? == expected,
        "TXID {txid}: Litestream restored something else"
    );
    Ok(())
}
