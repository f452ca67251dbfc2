//! Machines around one bucket, and what is done to them.

use crate::app::App;
use crate::bucket::{Bucket, Weather};
use crate::dice::Dice;
use crate::guest::{Meanwhile, Program, wit};
use crate::judge;
use crate::ledger::Ledger;
use crate::machine::{Machine, Victim};
use crate::sidecar::{self, Ended, Pace, Surroundings};
use crate::time::{Clock, Spawner};
use crate::trace::Trace;
use anyhow::{Result, ensure};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Machine, app and sidecar.
pub struct Site {
    pub machine: Machine,
    app: Arc<Mutex<App>>,
    sidecar: Option<sidecar::Handle>,
    /// It said so: nobody starts its sidecar again.
    fenced: bool,
}

pub struct World {
    pub clock: Clock,
    pub spawner: Spawner,
    pub dice: Dice,
    pub bucket: Bucket,
    pub ledger: Ledger,
    pub trace: Trace,
    around: Surroundings,
    pace: Pace,
    pub sites: Vec<Site>,
    machines: u32,
    /// More than one machine has written to the bucket: one of them must be fenced.
    pub contested: bool,
}

/// What happened in a world.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Counts {
    pub simulated_s: u64,
    pub commits: u64,
    pub requests: u64,
    pub faults: u64,
    pub crashes: u64,
    pub calls: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.simulated_s += other.simulated_s;
        self.commits += other.commits;
        self.requests += other.requests;
        self.faults += other.faults;
        self.crashes += other.crashes;
        self.calls += other.calls;
    }
}

/// Few pages, short intervals: much happens in a minute.
fn settings() -> wit::Settings {
    wit::Settings {
        layout: wit::Layout::Hexadecimal,
        min_checkpoint_pages: 50,
        max_wal_pages: 2000,
        max_sync_bytes: 256 << 10,
        checkpoint_interval_ms: 10_000,
        require_fencing: true,
        level_intervals_ms: vec![2_000, 10_000],
        snapshot_interval_ms: 30_000,
        snapshot_retention_ms: 90_000,
        l0_retention_ms: 5_000,
        l0_retention_check_ms: 1_000,
        retention: true,
        part_bytes: 5 << 20,
        parts_in_flight: 2,
    }
}

/// Pages of WAL that are let be before it is said to grow without bounds.
const WAL_PAGES: usize = 4000;
const WAL_BYTES: usize = WAL_PAGES * (1024 + 24);

impl World {
    pub fn new(program: Program, seed: u64, keep_trace: bool) -> World {
        let clock = Clock::new();
        let trace = Trace::new(clock.clone(), keep_trace);
        let bucket = Bucket::new(clock.clone(), Dice::new(seed, 2));
        let ledger = Ledger::new();
        let dice = Dice::new(seed, 1);
        crate::app_files::seed_randomness(Dice::new(seed, 4).number());
        let sync_interval_us = *dice.pick(&[10_000, 200_000, 1_000_000]);
        let around = Surroundings {
            program,
            bucket: bucket.clone(),
            clock: clock.clone(),
            dice: Dice::new(seed, 3),
            trace: trace.clone(),
            ledger: ledger.clone(),
        };
        World {
            clock,
            spawner: Spawner::default(),
            dice,
            bucket,
            ledger,
            trace,
            around,
            pace: Pace {
                sync_interval_us,
                settings: settings(),
            },
            sites: Vec::new(),
            machines: 0,
            contested: false,
        }
    }

    /// A new, empty machine with a running app.
    pub fn add_machine(&mut self) -> usize {
        self.machines += 1;
        let machine = Machine::new(self.machines, Dice::new(self.dice.number(), 5));
        let app = self.app_on(&machine);
        self.sites.push(Site {
            machine,
            app: Arc::new(Mutex::new(app)),
            sidecar: None,
            fenced: false,
        });
        self.sites.len() - 1
    }

    fn app_on(&self, machine: &Machine) -> App {
        let dice = Dice::new(self.dice.number(), 6);
        App::start(machine, self.clock.clone(), dice, self.ledger.clone())
    }

    pub fn app(&self, site: usize) -> MutexGuard<'_, App> {
        let app = &self.sites[site].app;
        app.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is dead and should live.
    pub fn revive(&mut self, site: usize) {
        if !self.app(site).is_alive() {
            let app = self.app_on(&self.sites[site].machine);
            self.trace.note(|| format!("site {site}: the app starts"));
            self.app(site).close();
            *self.app(site) = app;
            // Refused now, it is opened by the next commit.
            let _ = self.app(site).open();
        }
    }

    pub fn has_sidecar(&self, site: usize) -> bool {
        self.sites[site].sidecar.is_some()
    }

    pub fn start_sidecar(&mut self, site: usize) {
        if self.has_sidecar(site) || self.sites[site].fenced {
            return;
        }
        self.trace
            .note(|| format!("site {site}: the sidecar starts"));
        let meanwhile = self.meanwhile(site);
        let machine = &self.sites[site].machine;
        let (handle, life) =
            sidecar::start(self.around.clone(), machine, self.pace.clone(), meanwhile);
        self.spawner.spawn(life);
        self.sites[site].sidecar = Some(handle);
    }

    /// Now and then the app does something between two calls of the sidecar to its files.
    fn meanwhile(&self, site: usize) -> Meanwhile {
        let app = Arc::clone(&self.sites[site].app);
        let dice = Dice::new(self.dice.number(), 7);
        Arc::new(move || {
            if !dice.happens(0.004) {
                return;
            }
            // Busy with something already: the sidecar was called from within.
            if let Ok(mut app) = app.try_lock()
                && app.is_alive()
            {
                match dice.between(0, 9) {
                    0 => app.checkpoint("PASSIVE"),
                    1 => app.toggle_reader(),
                    _ => drop(app.commit(2000)),
                }
            }
        })
    }

    /// Takes note of sidecars that ended.
    ///
    /// Errors: one ended in a way that nothing explains.
    pub fn look_at_sidecars(&mut self) -> Result<()> {
        for (number, site) in self.sites.iter_mut().enumerate() {
            let ended = site
                .sidecar
                .as_ref()
                .and_then(|sidecar| sidecar.ended.borrow().clone());
            let Some(ended) = ended else { continue };
            site.sidecar = None;
            match ended {
                Ended::Trapped(text) => {
                    anyhow::bail!("site {number}: the component trapped: {text}")
                }
                Ended::Fenced => {
                    ensure!(
                        self.contested,
                        "site {number} was fenced, though nobody else has ever written"
                    );
                    site.fenced = true;
                }
                Ended::Stopped | Ended::Unshipped | Ended::Died => {}
            }
        }
        Ok(())
    }

    pub fn crash(&self, site: usize, calls: u64, victim: Victim) {
        let machine = &self.sites[site].machine;
        match calls {
            0 => machine.crash_now(victim),
            _ => machine.crash_in(calls, victim),
        }
    }

    /// To be shipped to the end.
    pub async fn stop_sidecar(&mut self, site: usize) -> Result<()> {
        let Some(sidecar) = self.sites[site].sidecar.clone() else {
            return Ok(());
        };
        sidecar.stop();
        while sidecar.ended.borrow().is_none() {
            self.clock.sleep_ms(10).await;
        }
        self.look_at_sidecars()
    }

    /// The machine is gone for good; its app starts again elsewhere from what is in the bucket.
    pub async fn move_elsewhere(&mut self, site: usize) -> Result<()> {
        self.crash(site, 0, Victim::Both);
        self.app(site).close();
        self.sites.remove(site);
        self.bucket.forget_what_is_late();
        let new = self.add_machine();
        self.fill_from_bucket(new).await
    }

    /// What `seawall restore` does before an app starts.
    pub async fn fill_from_bucket(&mut self, site: usize) -> Result<()> {
        let weather = self.bucket.weather();
        self.bucket
            .change_weather(|weather| *weather = Weather::calm());
        let machine = self.sites[site].machine.clone();
        let bucket = self.bucket.clone();
        let restored = judge::restore(&self.around, &machine, bucket).await?;
        self.bucket.change_weather(|now| *now = weather);
        let machine = machine.number;
        self.trace
            .note(|| format!("machine {machine}: restored {restored:?}"));
        if restored.is_some() {
            let opened = self.app(site).open();
            ensure!(
                opened.is_ok(),
                "the restored database cannot be used: {opened:?}"
            );
        }
        Ok(())
    }

    /// Restores what is in the bucket now, in two ways, and judges it.
    pub async fn check_replica(&self) -> Result<()> {
        let claims = self.ledger.claimed();
        judge::replica(&self.around, self.bucket.frozen(), &claims).await
    }

    /// Ends all bad weather and waits until everything is shipped.
    pub async fn settle(&mut self, site: usize) -> Result<()> {
        self.bucket
            .change_weather(|weather| *weather = Weather::calm());
        let machine = self.sites[site].machine.clone();
        machine.spare();
        machine.disk.set_full(false);
        machine.suspend_until_us(0);
        if self.sites[site].fenced {
            return Ok(());
        }
        self.revive(site);
        self.look_at_sidecars()?;
        if self.sites[site].fenced {
            return Ok(());
        }
        self.start_sidecar(site);
        let mut committed = false;
        let began = self.clock.now_us();
        for round in 0.. {
            ensure!(
                round < 600,
                "site {site}: not shipped after a minute of calm weather"
            );
            if !committed {
                committed = self.app(site).commit(2000);
            }
            self.clock.sleep_ms(100).await;
            self.look_at_sidecars()?;
            if self.sites[site].fenced {
                return Ok(());
            }
            self.start_sidecar(site);
            let sidecar = self.sites[site].sidecar.as_ref();
            let complete = sidecar.and_then(|sidecar| sidecar.complete_us.get());
            if committed && complete.is_some_and(|complete| complete > began + 200_000) {
                break;
            }
        }
        let wal = machine.disk.size(engine::ports::FileKind::Wal);
        ensure!(wal <= WAL_BYTES, "site {site}: the WAL has {wal} bytes");
        let head = self.app(site).contents().head;
        let claim = self.ledger.last_claim().map(|claim| claim.commit);
        ensure!(
            claim.is_some_and(|claim| self.ledger.leads_to(head, claim) || claim >= head),
            "commit {head} was not said to be durable, but {claim:?}"
        );
        Ok(())
    }

    pub fn counts(&self) -> Counts {
        let (requests, faults) = self.bucket.counts();
        let machines = || self.sites.iter().map(|site| &site.machine);
        Counts {
            simulated_s: self.clock.elapsed_us() / 1_000_000,
            commits: self.ledger.commits(),
            requests,
            faults,
            crashes: machines().map(Machine::crashes).sum(),
            calls: machines().map(Machine::calls).sum(),
        }
    }
}
