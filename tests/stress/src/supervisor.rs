//! One run: starts the workers on one database, kills some, starts them again, and in the end
//! looks whether everything is there.

use crate::choice::Choice;
use crate::crew::{self, CREW, Member};
use crate::guest::Variant;
use crate::invariants::WORKERS;
use crate::mode::Mode;
use crate::native::Native;
use crate::progress::Progress;
use crate::schema;
use crate::sql::{Failure, Sqlite};
use crate::wal::{FIRST_REGION_FRAMES, Wal};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
/// Ticks from one SIGKILL to the next, on average.
const TICKS_PER_KILL: u64 = 12;
/// Of so many times one hits all workers at once: then somebody has to recover the WAL-index.
const KILLS_PER_MASSACRE: u64 = 8;
/// Nobody is killed or started any more, so that each worker ends once by itself.
const QUIET_END: Duration = Duration::from_secs(2);
/// After its time each worker may wait for a lock, and finish a long act.
const GRACE: Duration = Duration::from_secs(30);

pub struct Run {
    pub mode: Mode,
    pub variant: Variant,
    pub duration: Duration,
    pub seed: u64,
    pub kill: bool,
    /// Where `Mode::Disk` makes its database.
    pub disk: PathBuf,
}

/// What was wrong, who saw it, and when.
pub struct Caught {
    pub by: String,
    pub after: Duration,
    pub what: String,
}

pub enum Outcome {
    Sound,
    Caught(Caught),
}

impl Run {
    /// Errors: the test could not be done, which says nothing about the database.
    pub fn execute(&self) -> anyhow::Result<Outcome> {
        let mut directory = tempfile::Builder::new()
            .prefix("seawall-stress-")
            .tempdir_in(self.mode.parent(&self.disk))
            .context("no directory for the database")?;
        let database = directory.path().join("live.db");
        let connection = rusqlite::Connection::open(&database)?;
        schema::create(&connection)?;
        connection.close().map_err(|(_, error)| error)?;
        let progress_path = crew::progress_path(&database);
        let progress = Progress::open(&progress_path)?;

        let mut stage = Stage::new(self, &database)?;
        let mut caught = stage.run()?;
        // Nobody else has the database open from here on.
        stage.end_all();
        if caught.is_none() {
            caught = at_the_end(&database, &progress)?
                .err()
                .map(|violation| Caught {
                    by: "the last look".into(),
                    after: stage.start.elapsed(),
                    what: violation.to_string(),
                });
        }
        match caught {
            None => {
                stage.report(&progress)?;
                self.check_that_it_was_a_test(&progress, &stage.wal)?;
                Ok(Outcome::Sound)
            }
            Some(caught) => {
                if self.variant == Variant::Sound {
                    directory.disable_cleanup(true);
                    println!("  left as it was: {}", directory.path().display());
                }
                Ok(Outcome::Caught(caught))
            }
        }
    }

    /// A run in which a worker did nothing, or the WAL stayed short, shows nothing.
    fn check_that_it_was_a_test(&self, progress: &Progress, wal: &Wal) -> anyhow::Result<()> {
        let committed = progress.committed()?;
        for (number, member) in CREW.iter().enumerate() {
            let name = member.name;
            ensure!(progress.snapshots(number)? > 0, "{name} has read nothing");
            let wrote = committed[number] > 0;
            ensure!(wrote || !member.writes(), "{name} has written nothing");
        }
        ensure!(
            self.mode != Mode::LongWal || wal.most_frames > FIRST_REGION_FRAMES,
            "the WAL had {} frames at most, no second region: let it run longer",
            wal.most_frames
        );
        Ok(())
    }
}

/// Every row that was acknowledged is there, and the file is sound.
fn at_the_end(database: &Path, progress: &Progress) -> anyhow::Result<Result<(), Failure>> {
    let committed = progress.committed()?;
    let mut native = Native {
        database: database.to_owned(),
    };
    Ok((|| {
        let mut connection = native.open()?;
        schema::check_integrity(&mut *connection)?;
        schema::snapshot(&mut *connection, true)?.check(&committed)?;
        Ok(())
    })())
}

struct Stage<'a> {
    run: &'a Run,
    database: &'a Path,
    start: Instant,
    end: Instant,
    choice: Choice,
    lines: mpsc::Receiver<(usize, String)>,
    speak: mpsc::Sender<(usize, String)>,
    /// One for each worker, until it ends by itself.
    members: Vec<Option<Member>>,
    incarnations: [u64; WORKERS],
    last_words: Vec<String>,
    kills: u64,
    massacres: u64,
    wal: Wal,
}

impl<'a> Stage<'a> {
    fn new(run: &'a Run, database: &'a Path) -> anyhow::Result<Stage<'a>> {
        let (speak, lines) = mpsc::channel();
        let start = Instant::now();
        let mut stage = Stage {
            run,
            database,
            start,
            end: start + run.duration,
            choice: Choice::of(run.seed, u64::MAX),
            lines,
            speak,
            members: Vec::new(),
            incarnations: [0; WORKERS],
            last_words: vec![String::new(); WORKERS],
            kills: 0,
            massacres: 0,
            wal: Wal::of(database),
        };
        for number in 0..WORKERS {
            let member = stage.start_member(number)?;
            stage.members.push(Some(member));
        }
        Ok(stage)
    }

    fn start_member(&mut self, number: usize) -> anyhow::Result<Member> {
        let incarnation = self.incarnations[number];
        self.incarnations[number] += 1;
        Member::start(
            crew::Orders {
                number,
                mode: self.run.mode,
                variant: self.run.variant,
                database: self.database.to_owned(),
                duration: self.end.saturating_duration_since(Instant::now()),
                seed: Choice::of(self.run.seed, number as u64 + incarnation * 100).word(),
            },
            self.speak.clone(),
        )
    }

    /// Until all have ended, or one of them has seen something.
    fn run(&mut self) -> anyhow::Result<Option<Caught>> {
        while self.members.iter().any(Option::is_some) {
            std::thread::sleep(TICK);
            self.wal.measure();
            for number in 0..WORKERS {
                if let Some(caught) = self.look_after(number)? {
                    return Ok(Some(caught));
                }
            }
            if Instant::now() > self.end + GRACE {
                let names = self.alive().map(|number| CREW[number].name);
                let names: Vec<&str> = names.collect();
                return Ok(Some(self.caught(names.join(", "), "did not end".into())));
            }
            if self.run.kill && self.is_before_the_end() && self.choice.one_in(TICKS_PER_KILL) {
                self.kill_some();
            }
        }
        Ok(None)
    }

    fn is_before_the_end(&self) -> bool {
        Instant::now() + QUIET_END < self.end
    }

    fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        (0..WORKERS).filter(|&number| self.members[number].is_some())
    }

    fn look_after(&mut self, number: usize) -> anyhow::Result<Option<Caught>> {
        let Some(member) = &mut self.members[number] else {
            return Ok(None);
        };
        let Some(ended) = member.ended()? else {
            return Ok(None);
        };
        self.listen();
        match ended {
            crew::Ended::ByItself => self.members[number] = None,
            crew::Ended::Killed if self.is_before_the_end() => {
                self.members[number] = Some(self.start_member(number)?);
            }
            crew::Ended::Killed => self.members[number] = None,
            crew::Ended::Otherwise(status) => {
                let words = &self.last_words[number];
                let what = match words.strip_prefix(crew::VIOLATION) {
                    Some(violation) => violation.trim().to_owned(),
                    None => format!("{status}: {words}"),
                };
                return Ok(Some(self.caught(CREW[number].name.to_owned(), what)));
            }
        }
        Ok(None)
    }

    fn caught(&self, by: String, what: String) -> Caught {
        let after = self.start.elapsed();
        Caught { by, after, what }
    }

    fn listen(&mut self) {
        for (number, line) in self.lines.try_iter() {
            self.last_words[number] = line;
        }
    }

    fn kill_some(&mut self) {
        let alive: Vec<usize> = self.alive().collect();
        if alive.is_empty() {
            return;
        }
        let victims = if self.choice.one_in(KILLS_PER_MASSACRE) {
            self.massacres += 1;
            alive
        } else {
            vec![alive[self.choice.below(alive.len() as u64) as usize]]
        };
        for number in victims {
            if let Some(member) = &mut self.members[number] {
                member.kill();
                self.kills += 1;
            }
        }
    }

    fn end_all(&mut self) {
        // Dropped, a member is killed and waited for.
        self.members.clear();
        self.listen();
    }

    fn report(&self, progress: &Progress) -> anyhow::Result<()> {
        let committed = progress.committed()?;
        for (number, member) in CREW.iter().enumerate() {
            println!(
                "  {}: {} rows, {} snapshots, killed {} times; the last time: {}",
                member.name,
                committed[number],
                progress.snapshots(number)?,
                self.incarnations[number] - 1,
                self.last_words[number],
            );
        }
        println!(
            "  {} rows; {} times SIGKILL ({} times to all at once); WAL: {} frames at most, begun anew {} times",
            committed.iter().sum::<i64>(),
            self.kills,
            self.massacres,
            self.wal.most_frames,
            self.wal.restarts,
        );
        Ok(())
    }
}
