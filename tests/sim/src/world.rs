//! Machines around one bucket, and what is done to them.

use crate::app::App;
use crate::bucket::Bucket;
use crate::dice::Dice;
use crate::guest::{Meanwhile, Program};
use crate::judge;
use crate::ledger::Ledger;
use crate::machine::{Machine, Victim};
use crate::sidecar::{self, Ended, Pace, Surroundings};
use crate::tempo::{Tempo, settings};
use crate::time::{Clock, Spawner};
use crate::trace::Trace;
use crate::weather::Weather;
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

/// Where two machines write, no clock is further ahead than this: it would delete objects of level 0
/// that the other has yet to find (docs/threat-model.md, "Time").
const CONTESTED_AHEAD_MS: i64 = 2_000;

pub struct World {
    pub clock: Clock,
    pub spawner: Spawner,
    pub dice: Dice,
    pub bucket: Bucket,
    pub ledger: Ledger,
    pub trace: Trace,
    around: Surroundings,
    tempo: Tempo,
    pace: Pace,
    pub sites: Vec<Site>,
    machines: u32,
    /// Crashes of machines that are gone, and calls to their disks.
    gone: (u64, u64),
    /// Why a sidecar may be fenced: another machine writes to the bucket, or a listing that was out
    /// of date made the sidecar's own predecessor look like one.
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

impl World {
    pub fn new(program: Program, seed: u64, tempo: Tempo, keep_trace: bool) -> World {
        let clock = Clock::new();
        let trace = Trace::new(clock.clone(), keep_trace);
        let bucket = Bucket::new(clock.clone(), Dice::new(seed, 2));
        let ledger = Ledger::new();
        let dice = Dice::new(seed, 1);
        crate::app_files::seed_randomness(Dice::new(seed, 4).number());
        let sync_interval_us = *dice.pick(&[10_000, 200_000, 1_000_000]);
        let settings = settings(tempo, program.mutant, &dice);
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
            tempo,
            pace: Pace {
                sync_interval_us,
                settings,
            },
            sites: Vec::new(),
            machines: 0,
            gone: (0, 0),
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

    /// Nobody else has used this bucket yet.
    pub fn is_first_machine(&self) -> bool {
        self.machines == 1
    }

    /// Can another machine write to the bucket as well, and one of the two be told that it does? Not
    /// where nobody can tell (docs/decisions/0006-who-shipped-from-this-file.md, "What is left"):
    /// both databases began from nothing, or one lacked the room for the file that says who ships
    /// from it, or went back to an earlier state when the power failed.
    pub fn can_be_contested(&self) -> bool {
        let known = |site: &Site| {
            site.machine.spare();
            let clock = site.machine.clock_ahead_ms() <= CONTESTED_AHEAD_MS;
            clock && !site.machine.disk.was_full() && !site.machine.disk.has_lost_power()
        };
        self.sites.len() < 2 && !self.bucket.objects().is_empty() && self.sites.iter().all(known)
    }

    pub fn set_clock(&self, site: usize, ahead_ms: i64) {
        let ahead_ms = match self.contested {
            true => ahead_ms.min(CONTESTED_AHEAD_MS),
            false => ahead_ms,
        };
        self.sites[site].machine.set_clock_ahead(ahead_ms);
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
        let tempo = self.tempo;
        let probability = match tempo {
            Tempo::Hurried => 0.004,
            Tempo::Usual => 0.000_1,
        };
        Arc::new(move || {
            if !dice.happens(probability) {
                return;
            }
            // Busy with something already: the sidecar was called from within.
            if let Ok(mut app) = app.try_lock()
                && app.is_alive()
            {
                match dice.between(0, 9) {
                    0 => app.checkpoint("PASSIVE"),
                    // A reader that stays for hours keeps the WAL from being restarted.
                    1 if tempo == Tempo::Hurried => app.toggle_reader(),
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
            ensure!(
                !site.machine.was_endless(),
                "site {number}: calls to the disk without end"
            );
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

    /// What that site's sidecar finds out of the store; `None`: it ended meanwhile.
    #[cfg(test)]
    pub async fn probe(&mut self, site: usize) -> Result<Option<sidecar::Probed>> {
        self.start_sidecar(site);
        let Some(sidecar) = self.sites[site].sidecar.clone() else {
            return Ok(None);
        };
        sidecar.probe();
        while sidecar.ended.borrow().is_none() && sidecar.probed.borrow().is_none() {
            self.clock.sleep_ms(10).await;
        }
        self.look_at_sidecars()?;
        Ok(sidecar.probed.take())
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
        let machine = self.sites.remove(site).machine;
        self.gone.0 += machine.crashes();
        self.gone.1 += machine.calls();
        // It will be another writer's.
        self.contested |= self.bucket.expects_late();
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

    /// The app's own database is sound, and holds what the app put there; where others write to the
    /// bucket too, it may have been brought up to date without the app.
    pub fn check_own(&self, site: usize) -> Result<()> {
        let known = self.app(site).contents().head;
        let contents = judge::read(&self.sites[site].machine, self.clock.now_us() / 1000)?;
        ensure!(
            contents.head == known || self.contested,
            "it is at commit {}, and its app knows of {known}",
            contents.head
        );
        let judged = self.ledger.judge(&contents, &[]);
        judged.map_err(anyhow::Error::msg)
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
        machine.set_clock_ahead(0);
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
            // The app may commit something more while the sidecar is at work.
            if committed && self.is_claimed(site) {
                break;
            }
        }
        let wal = machine.disk.size(engine::ports::FileKind::Wal);
        ensure!(
            wal <= self.tempo.wal_bytes(),
            "site {site}: the WAL has {wal} bytes"
        );
        Ok(())
    }

    /// Was the newest commit of that app said to be durable, by whomever?
    fn is_claimed(&self, site: usize) -> bool {
        let head = self.app(site).contents().head;
        let claims = self.ledger.claimed();
        let mut newest_first = claims.iter().rev();
        newest_first.any(|claim| self.ledger.leads_to(head, claim.commit))
    }

    pub fn counts(&self) -> Counts {
        let (requests, faults) = self.bucket.counts();
        let machines = || self.sites.iter().map(|site| &site.machine);
        Counts {
            simulated_s: self.clock.elapsed_us() / 1_000_000,
            commits: self.ledger.commits(),
            requests,
            faults,
            crashes: self.gone.0 + machines().map(Machine::crashes).sum::<u64>(),
            calls: self.gone.1 + machines().map(Machine::calls).sum::<u64>(),
        }
    }
}
