//! A directory with databases and replicas, and the program that runs in it.

use rusqlite::Connection;
use serde_json::Value;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a machine that has other things to do.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Scene(TempDir);

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A program that runs; killed when it is dropped.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Scene {
    pub fn new() -> Scene {
        Scene(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // As the program sees its working directory: without symbolic links.
        self.0.path().canonicalize().unwrap().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A database in WAL mode with one table.
    pub fn database(&self, name: &str) -> Connection {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = wal; CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL)",
            )
            .unwrap();
        connection
    }

    /// A config with these lines, in which `DIR` stands for the scene's directory.
    pub fn config(&self, text: &str) {
        let directory = self.text("");
        let text = text.replace("DIR", directory.trim_end_matches('/'));
        fs::write(self.path("c.yml"), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.args(arguments).current_dir(self.0.path());
        command.env_remove("LOG_LEVEL");
        command
            .env("AWS_ACCESS_KEY_ID", "an-id")
            .env("AWS_SECRET_ACCESS_KEY", "hush");
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a command that goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// The same with these variables.
    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let log = self.path("log");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = self
            .command(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Running { child, log }
    }

    /// The texts of the notes that the replica `name` has.
    #[track_caller]
    pub fn restored(&self, name: &str) -> Vec<String> {
        let copy = self.path("restored.db");
        let source = format!("file://{}", self.text(name));
        let arguments = ["restore", "-force", "-o", copy.to_str().unwrap(), &source];
        let said = self.run(&arguments);
        assert_eq!(said.code, 0, "{}", said.stderr);
        notes(&Connection::open(copy).unwrap())
    }

    /// Asks by the control socket `s.sock` and expects JSON.
    #[track_caller]
    pub fn ask(&self, command: &str, arguments: &[&str]) -> Value {
        let socket = self.text("s.sock");
        let mut line = vec![command, "-socket", &socket, "-json"];
        line.extend(arguments);
        let said = self.run(&line);
        assert_eq!(said.code, 0, "{command}: {}", said.stderr);
        serde_json::from_str(&said.stdout).unwrap()
    }

    pub fn wait_for_socket(&self) {
        wait_for("the socket", || self.path("s.sock").exists());
    }
}

impl Running {
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// The exit code.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(began.elapsed() < LIMIT, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGTERM, and the exit code.
    #[track_caller]
    pub fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.wait()
    }

    #[track_caller]
    pub fn wait_for_line(&self, text: &str) {
        wait_for(text, || self.log().contains(text));
    }

    pub fn inotify_instances(&self) -> usize {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets
            .filter(|target| target.to_string_lossy().contains("inotify"))
            .count()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn note(connection: &Connection, text: &str) {
    let insert = "INSERT INTO notes VALUES (?1)";
    connection.execute(insert, [text]).unwrap();
}

pub fn notes(connection: &Connection) -> Vec<String> {
    let mut select = connection
        .prepare("SELECT text FROM notes ORDER BY rowid")
        .unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[track_caller]
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
