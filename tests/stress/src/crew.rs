//! Who works on the database, each as a process of its own.

use crate::choice::Choice;
use crate::guest::{Guest, Variant};
use crate::invariants::WORKERS;
use crate::live;
use crate::mode::Mode;
use crate::native::Native;
use crate::progress::Progress;
use crate::python::Python;
use crate::sql::Sqlite;
use crate::worker::{Habits, Worker};
use anyhow::Context;
use clap::Args;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a worker's last line begins when it has seen what must not be.
pub const VIOLATION: &str = "VIOLATION";
/// The exit code then.
pub const VIOLATION_CODE: i32 = 3;
/// The workers leave the machine to others.
const NICENESS: &str = "10";

enum Kind {
    Guest,
    Native,
    Python,
}

pub struct Role {
    pub name: &'static str,
    kind: Kind,
    habits: Habits,
}

impl Role {
    pub fn writes(&self) -> bool {
        self.habits.write > 0
    }
}

const GUEST: Habits = Habits {
    write: 420,
    checkpoint: 100,
    integrity: 15,
    hold: 65,
    pause: 20,
};
const WRITER: Habits = Habits {
    write: 650,
    checkpoint: 25,
    integrity: 5,
    hold: 30,
    pause: 4,
};
const READER: Habits = Habits {
    write: 0,
    checkpoint: 0,
    integrity: 10,
    hold: 60,
    pause: 4,
};

const fn role(name: &'static str, kind: Kind, habits: Habits) -> Role {
    Role { name, kind, habits }
}

/// By the worker's number.
pub const CREW: [Role; WORKERS] = [
    role("native reader", Kind::Native, READER),
    role("guest 1", Kind::Guest, GUEST),
    role("guest 2", Kind::Guest, GUEST),
    role("native writer 3", Kind::Native, WRITER),
    role("native writer 4", Kind::Native, WRITER),
    role("python writer 5", Kind::Python, WRITER),
];

pub fn progress_path(database: &Path) -> PathBuf {
    live::with_suffix(database, ".progress")
}

/// What one worker process is told, on its command line.
#[derive(Debug, Clone, Args)]
pub struct Orders {
    #[arg(long)]
    pub number: usize,
    #[arg(long)]
    pub mode: Mode,
    #[arg(long)]
    pub variant: Variant,
    #[arg(long)]
    pub database: PathBuf,
    #[arg(long, value_parser = milliseconds)]
    pub duration: Duration,
    #[arg(long)]
    pub seed: u64,
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

impl Orders {
    fn arguments(&self) -> [String; 6] {
        [
            format!("--number={}", self.number),
            format!("--mode={}", self.mode.name()),
            format!("--variant={}", self.variant.name()),
            format!("--database={}", self.database.display()),
            format!("--duration={}", self.duration.as_millis()),
            format!("--seed={}", self.seed),
        ]
    }

    /// In the worker process. The last line on stdout says what was done, or what is wrong.
    pub fn follow(self) -> anyhow::Result<i32> {
        let end = Instant::now() + self.duration;
        leave_with_the_supervisor();
        let role = CREW.get(self.number).context("there is no such worker")?;
        let sqlite: Box<dyn Sqlite> = match role.kind {
            Kind::Guest => Box::new(
                Guest::new(self.variant, &self.database)
                    .map_err(|error| anyhow::anyhow!("the component does not start: {error:?}"))?,
            ),
            Kind::Native => Box::new(Native {
                database: self.database.clone(),
            }),
            Kind::Python => Box::new(Python::start(&self.database)?),
        };
        let version = sqlite.version();
        let worker = Worker {
            number: self.number,
            habits: role.habits,
            mode: self.mode,
            choice: Choice::new(self.seed),
            sqlite,
            progress: Progress::open(&progress_path(&self.database))?,
            end,
        };
        match worker.run() {
            Ok(tally) => {
                println!("{version}: {tally}");
                Ok(0)
            }
            Err(violation) => {
                let text = violation.to_string().replace('\n', "; ");
                println!("{VIOLATION} {version}: {text}");
                Ok(VIOLATION_CODE)
            }
        }
    }
}

/// Stdin is a pipe that only the supervisor holds: when that is gone, so are we.
fn leave_with_the_supervisor() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

pub enum Ended {
    ByItself,
    Killed,
    Otherwise(ExitStatus),
}

/// One worker process, with what it starts, as a process group.
pub struct Member {
    child: Child,
    listener: Option<JoinHandle<()>>,
    killed: bool,
}

impl Member {
    /// Each line that it says goes to `speak`, with its number.
    pub fn start(orders: Orders, speak: mpsc::Sender<(usize, String)>) -> anyhow::Result<Member> {
        let program = std::env::current_exe().context("where is this program?")?;
        let mut child = Command::new("nice")
            .args(["-n", NICENESS])
            .arg(program)
            .arg("worker")
            .args(orders.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("a worker cannot be started")?;
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if speak.send((orders.number, line)).is_err() {
                    break;
                }
            }
        });
        Ok(Member {
            child,
            listener: Some(listener),
            killed: false,
        })
    }

    /// `None`: it is still at work. When it has ended, all that it said was sent.
    pub fn ended(&mut self) -> std::io::Result<Option<Ended>> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(None);
        };
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        Ok(Some(if status.success() {
            Ended::ByItself
        } else if self.killed && status.signal() == Some(libc::SIGKILL) {
            Ended::Killed
        } else {
            Ended::Otherwise(status)
        }))
    }

    /// SIGKILL to the worker and to what it has started.
    pub fn kill(&mut self) {
        self.killed = true;
        // SAFETY: a system call without memory. The child leads a group of its own, and its number
        // is not given away before it is waited for.
        unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}
