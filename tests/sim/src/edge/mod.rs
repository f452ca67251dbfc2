//! Several instances of the edge component on one bucket: they write at once, vanish, come back, and
//! look after the replica, while the store does what stores do.

mod book;
mod guest;
mod instance;

use crate::app::connect;
use crate::app_files::run_as;
use crate::bucket::Bucket;
use crate::dice::Dice;
use crate::guest::Program as Replicator;
use crate::judge;
use crate::ledger::Ledger;
use crate::machine::{Machine, Role, Victim};
use crate::replica;
use crate::scenario::{Outcome, Sky, failure_of};
use crate::sidecar;
use crate::time::{self, Clock, Spawner};
use crate::trace::Trace;
use crate::weather::Weather;
use crate::world::Counts;
use anyhow::{Context, Result, ensure};
use book::{Book, SCHEMA};
use engine::ports::FileKind;
pub use guest::Program;
use guest::{Connection, Told};
use instance::{Handle, Surroundings};
use wasmtime::component::Accessor;

/// Whose clock is ahead by minutes deletes what others have not read yet (docs/threat-model.md).
const CLOCKS: [i64; 5] = [0, -2_000, 2_000, 60_000, -3_600_000];

/// Both halves: who writes, and who restores.
#[derive(Clone)]
pub struct Programs {
    pub edge: Program,
    pub replicator: Replicator,
}

struct World {
    around: Surroundings,
    restoring: sidecar::Surroundings,
    spawner: Spawner,
    dice: Dice,
    instances: Vec<Handle>,
    numbers: u32,
    crashes: u64,
}

/// One seed's story.
pub fn play(programs: &Programs, seed: u64, keep_trace: bool) -> Outcome {
    let (clock, spawner) = (Clock::new(), Spawner::default());
    let trace = Trace::new(clock.clone(), keep_trace);
    let bucket = Bucket::new(clock.clone(), Dice::new(seed, 22));
    let mut world = World {
        around: Surroundings {
            program: programs.edge.clone(),
            bucket: bucket.clone(),
            clock: clock.clone(),
            trace: trace.clone(),
            book: Book::default(),
        },
        restoring: sidecar::Surroundings {
            program: programs.replicator.clone(),
            bucket: bucket.clone(),
            clock: clock.clone(),
            dice: Dice::new(seed, 23),
            trace: trace.clone(),
            ledger: Ledger::new(),
        },
        spawner: spawner.clone(),
        dice: Dice::new(seed, 21),
        instances: Vec::new(),
        numbers: 0,
        crashes: 0,
    };
    crate::app_files::seed_randomness(Dice::new(seed, 24).number());
    let failure = failure_of(|| time::run(&clock, &spawner, story(&mut world)));
    let (requests, faults) = bucket.counts();
    let counts = Counts {
        simulated_s: clock.elapsed_us() / 1_000_000,
        commits: world.around.book.done() as u64,
        requests,
        faults,
        crashes: world.crashes,
        calls: 0,
    };
    Outcome {
        failure,
        counts,
        trace,
    }
}

async fn story(world: &mut World) -> Result<()> {
    world.create().await.context("creating the database")?;
    let count = world.dice.between(1, 4);
    for _ in 0..count {
        world.add();
    }
    for step in 0..world.dice.between(3, 12) {
        let taken = world.step().await;
        taken.with_context(|| format!("step {step}"))?;
        while (world.instances.len() as u64) < count {
            world.add();
        }
    }
    world.end().await.context("at the end")
}

impl World {
    /// In calm weather, by an instance that ends then.
    async fn create(&mut self) -> Result<()> {
        let process = Machine::new(0, Dice::new(self.dice.number(), 10)).start(Role::Sidecar);
        let around = &self.around;
        let (mut store, guest) = around
            .program
            .instantiate(
                process,
                around.bucket.clone(),
                around.clock.clone(),
                &self.dice,
                around.trace.clone(),
            )
            .await
            .map_err(trapped)?;
        let guest = &guest;
        let work = async |accessor: &Accessor<_>| -> wasmtime::Result<Vec<Told>> {
            let opened = Connection::open(guest, accessor).await?;
            let open = opened.map_err(wasmtime::Error::msg)?;
            let mut told = Vec::new();
            for sql in SCHEMA {
                told.push(open.run(sql, &[]).await?);
            }
            Ok(told)
        };
        let told = store.run_concurrent(work).await;
        let told = told.and_then(|told| told).map_err(trapped)?;
        ensure!(told.iter().all(|told| *told == Told::Done), "{told:?}");
        Ok(())
    }

    fn add(&mut self) {
        self.numbers += 1;
        let dice = Dice::new(self.dice.number(), 11);
        let (handle, life) = instance::start(self.around.clone(), self.numbers, dice);
        self.spawner.spawn(life);
        self.instances.push(handle);
    }

    async fn step(&mut self) -> Result<()> {
        let mut ms = *self
            .dice
            .pick(&[100, 1_000, 1_000, 5_000, 5_000, 20_000, 90_000]);
        match self.dice.between(0, 6) {
            0 => {
                let skies = [
                    Sky::Calm,
                    Sky::Failing,
                    Sky::LosingAnswers,
                    Sky::Late,
                    Sky::Down,
                    Sky::KeepingAll,
                ];
                let sky = *self.dice.pick(&skies);
                self.around.trace.note(|| format!("the sky: {sky:?}"));
                let weather = sky.weather();
                self.around.bucket.change_weather(|now| *now = weather);
            }
            1 => {
                let victim = self.dice.pick(&self.instances).clone();
                victim
                    .machine
                    .crash_in(self.dice.between(0, 30), Victim::Sidecar);
            }
            2 => {
                let victim = self.dice.pick(&self.instances).clone();
                // Longer than level 0 stays, now and then.
                if self.dice.happens(0.3) {
                    ms = 400_000;
                }
                let until = self.around.clock.now_us() + ms * 1000;
                victim.machine.suspend_until_us(until);
            }
            3 => self.check().await?,
            4 => {
                let victim = self.dice.pick(&self.instances).clone();
                victim.machine.set_clock_ahead(*self.dice.pick(&CLOCKS));
            }
            _ => {}
        }
        self.around.clock.sleep_ms(ms).await;
        self.look()
    }

    /// Takes note of those that ended.
    fn look(&mut self) -> Result<()> {
        let mut wrong = None;
        self.instances.retain(|instance| {
            let ended = instance.ended.borrow().clone();
            self.crashes += u64::from(ended.is_some() && !instance.is_stopping());
            if let Some(Err(text)) = &ended {
                wrong = Some(text.clone());
            }
            ended.is_none()
        });
        match wrong {
            None => Ok(()),
            Some(text) => Err(anyhow::Error::msg(text)),
        }
    }

    /// What is in the bucket is restored, in two ways, and judged.
    async fn check(&self) -> Result<()> {
        let told = self.around.book.frozen();
        let bucket = self.around.bucket.frozen();
        let plain = replica::restore(&bucket.objects()).context("restored the plainest way")?;
        let (txid, expected) = plain.context("there is nothing")?;
        let machine = Machine::new(0, Dice::new(txid, 12));
        let restored = judge::restore(&self.restoring, &machine, bucket).await?;
        ensure!(
            restored == Some(txid),
            "TXID {restored:?} was restored, there is {txid}"
        );
        let found = machine.disk.bytes(FileKind::Database);
        ensure!(
            found.is_some_and(|found| found == expected),
            "TXID {txid}: the two restores differ"
        );
        let process = machine.start(Role::App);
        let judged = run_as(&process, self.around.clock.now_ms(), || {
            let database = connect()?;
            let check: String =
                database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
            ensure!(check == "ok", "integrity_check: {check}");
            book::judge(&database, &told)
        });
        process.end();
        judged.with_context(|| format!("TXID {txid}"))
    }

    /// Calm weather: everybody comes to rest.
    async fn end(&mut self) -> Result<()> {
        self.around.trace.note(|| "the end".to_owned());
        let calm = Weather::calm();
        self.around.bucket.change_weather(|now| *now = calm);
        let before = self.around.book.done();
        for instance in &self.instances {
            instance.machine.spare();
            instance.machine.suspend_until_us(0);
        }
        if self.instances.is_empty() {
            self.add();
        }
        // One alone may only read for a while, as its dice fall.
        for round in 0.. {
            ensure!(
                round < 6,
                "nobody wrote anything in two minutes of calm weather"
            );
            self.around.clock.sleep_ms(20_000).await;
            self.look()?;
            if self.around.book.done() > before {
                break;
            }
        }
        for instance in &self.instances {
            instance.stop();
        }
        while !self.instances.is_empty() {
            self.around.clock.sleep_ms(100).await;
            self.look()?;
        }
        self.check().await
    }
}

fn trapped(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("the component trapped: {error:?}")
}
