//! One instance at the edge: it opens, writes, reads, looks after the replica, and may vanish in the
//! middle of it.

use super::book::{Book, READ, TORN, WRITE};
use super::guest::{Connection, Program, Told, bindings, upkeep};
use crate::bucket::Bucket;
use crate::dice::Dice;
use crate::guest::State;
use crate::machine::{Machine, Process, Role};
use crate::time::Clock;
use crate::trace::Trace;
use anyhow::Result;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use wasmtime::component::Accessor;

#[derive(Clone)]
pub struct Surroundings {
    pub program: Program,
    pub bucket: Bucket,
    pub clock: Clock,
    pub trace: Trace,
    pub book: Book,
}

/// What the scenario holds of an instance.
#[derive(Clone)]
pub struct Handle {
    pub machine: Machine,
    process: Process,
    stop: Rc<Cell<bool>>,
    /// Inside: what is wrong, if anything is.
    pub ended: Rc<RefCell<Option<Result<(), String>>>>,
}

impl Handle {
    /// After what it is doing.
    pub fn stop(&self) {
        self.stop.set(true);
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.get()
    }
}

/// Short intervals: much happens in a minute.
fn schedule() -> upkeep::Schedule {
    upkeep::Schedule {
        level_intervals_ms: vec![2_000, 10_000],
        snapshot_interval_ms: 30_000,
        snapshot_retention_ms: 90_000,
        l0_retention_ms: 5_000,
        retention: true,
    }
}

/// What runs until the instance ends, and the way to it.
pub fn start(
    around: Surroundings,
    number: u32,
    dice: Dice,
) -> (Handle, impl Future<Output = ()> + 'static) {
    let machine = Machine::new(number, Dice::new(dice.number(), 10));
    let handle = Handle {
        process: machine.start(Role::Sidecar),
        machine,
        stop: Rc::default(),
        ended: Rc::default(),
    };
    let copy = handle.clone();
    let life = async move {
        let lived = live(&around, &copy, &dice).await;
        let ended = match lived {
            Err(_) if !copy.process.is_alive() => Ok(()),
            Err(error) => Err(format!("instance {number} trapped: {error:?}")),
            Ok(judged) => judged,
        };
        copy.process.end();
        around
            .trace
            .note(|| format!("instance {number} ended: {ended:?}"));
        copy.ended.replace(Some(ended));
    };
    (handle, life)
}

async fn live(
    around: &Surroundings,
    handle: &Handle,
    dice: &Dice,
) -> wasmtime::Result<Result<(), String>> {
    let (mut store, guest) = around
        .program
        .instantiate(
            handle.process.clone(),
            around.bucket.clone(),
            around.clock.clone(),
            dice,
            around.trace.clone(),
        )
        .await?;
    let guest = &guest;
    let work = async |accessor: &Accessor<State>| work(around, handle, dice, guest, accessor).await;
    store.run_concurrent(work).await?
}

async fn work(
    around: &Surroundings,
    handle: &Handle,
    dice: &Dice,
    guest: &bindings::Edge,
    accessor: &Accessor<State>,
) -> wasmtime::Result<Result<(), String>> {
    let mut connection = None;
    while !handle.stop.get() {
        // The dead do nothing.
        handle
            .process
            .step()
            .map_err(|dead| wasmtime::Error::msg(dead.to_string()))?;
        let pause = *dice.pick(&[0, 10, 200, 1_000, 5_000]);
        around.clock.sleep_ms(pause).await;
        let Some(open) = &connection else {
            connection = Connection::open(guest, accessor).await?.ok();
            continue;
        };
        match dice.between(0, 9) {
            0 => {
                let done = guest
                    .seawall_edge_upkeep()
                    .call_maintain(accessor, schedule())
                    .await?;
                around.trace.note(|| format!("upkeep: {done:?}"));
            }
            // The old one is left to the instance, as an app would that forgot to close it.
            1 => connection = None,
            2..=4 => {
                if let Some(wrong) = read(around, open).await? {
                    return Ok(Err(wrong));
                }
            }
            5 | 6 => transaction(around, open, dice).await?,
            _ => {
                let entry = around.book.new_entry();
                let told = open.run(WRITE, &[entry, size(dice)]).await?;
                around.trace.note(|| format!("entry {entry}: {told:?}"));
                around.book.told(entry, told);
            }
        }
    }
    Ok(Ok(()))
}

fn size(dice: &Dice) -> i64 {
    *dice.pick(&[0, 0, 100, 100, 5_000])
}

/// What is wrong, if anything is.
async fn read(around: &Surroundings, open: &Connection<'_>) -> wasmtime::Result<Option<String>> {
    let done = around.book.done();
    let told = open.run(READ, &[done]).await?;
    Ok(match told {
        Told::Refused(why) if why.contains(TORN) => {
            Some(format!("a snapshot is torn, or older than {done} entries"))
        }
        _ => None,
    })
}

/// Some entries at once, which are given up now and then.
async fn transaction(
    around: &Surroundings,
    open: &Connection<'_>,
    dice: &Dice,
) -> wasmtime::Result<()> {
    let begin = *dice.pick(&["BEGIN", "BEGIN IMMEDIATE"]);
    if open.run(begin, &[]).await? != Told::Done {
        return Ok(());
    }
    let mut written = Vec::new();
    let mut refused = None;
    for _ in 0..dice.between(1, 3) {
        let entry = around.book.new_entry();
        written.push(entry);
        let told = open.run(WRITE, &[entry, size(dice)]).await?;
        around.clock.sleep_ms(dice.between(0, 50)).await;
        if told != Told::Done {
            refused = Some(told);
            break;
        }
    }
    let told = match refused {
        Some(told) => {
            // Refused where SQLite has rolled back already.
            open.run("ROLLBACK", &[]).await?;
            told
        }
        None if dice.happens(0.2) => {
            open.run("ROLLBACK", &[]).await?;
            Told::Refused("rolled back".to_owned())
        }
        None => {
            let told = open.run("COMMIT", &[]).await?;
            if told != Told::Done {
                open.run("ROLLBACK", &[]).await?;
            }
            told
        }
    };
    around
        .trace
        .note(|| format!("entries {written:?}: {told:?}"));
    for entry in written {
        around.book.told(entry, told.clone());
    }
    Ok(())
}
