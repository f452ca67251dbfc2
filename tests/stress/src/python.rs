//! Python's `sqlite3`: another version of SQLite, in another process.

use crate::invariants::Violation;
use crate::sql::{self, BUSY_WAIT, Failure, Sqlite, Value};
use anyhow::{Context, bail};
use serde_json::json;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

const SCRIPT: &str = include_str!("python.py");
/// `sqlite_errorcode` of exceptions came with it.
const OLDEST: (i64, i64) = (3, 11);

/// The interpreter; it ends when its stdin does, and so with this process at the latest.
struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn ask(&mut self, request: &serde_json::Value) -> std::io::Result<serde_json::Value> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Python {
    process: Rc<RefCell<Process>>,
    database: PathBuf,
    opened: u64,
    version: String,
}

/// Errors: there is no python3, or one that is too old; the text says so.
pub fn check_available() -> anyhow::Result<()> {
    let output = Command::new("python3")
        .args(["-c", "import sqlite3, sys; print(*sys.version_info[:2])"])
        .output()
        .context("python3 is missing; the stress test needs it for another version of SQLite")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<i64> = text.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [major, minor] if (major, minor) >= OLDEST => Ok(()),
        [major, minor] => bail!(
            "python3 is {major}.{minor}; the stress test needs {}.{} or newer",
            OLDEST.0,
            OLDEST.1
        ),
        _ => bail!(
            "python3 has no sqlite3: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

impl Python {
    pub fn start(database: &Path) -> anyhow::Result<Python> {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python3 cannot be started")?;
        let requests = child.stdin.take().context("stdin is a pipe")?;
        let answers = BufReader::new(child.stdout.take().context("stdout is a pipe")?);
        let mut process = Process {
            child,
            requests,
            answers,
        };
        let answer = process.ask(&json!({"connection": 0, "do": "version"}))?;
        let version = answer["rows"][0][0].as_str().unwrap_or("?").to_owned();
        Ok(Python {
            process: Rc::new(RefCell::new(process)),
            database: database.to_owned(),
            opened: 0,
            version,
        })
    }
}

impl Sqlite for Python {
    fn open(&mut self) -> Result<Box<dyn sql::Connection>, Failure> {
        self.opened += 1;
        let connection = Connection {
            process: Rc::clone(&self.process),
            number: self.opened,
        };
        connection.ask(&json!({
            "connection": self.opened,
            "do": "open",
            "database": self.database,
            "busy_seconds": BUSY_WAIT.as_secs(),
        }))?;
        Ok(Box::new(connection))
    }

    fn version(&self) -> String {
        format!("python's {}", self.version)
    }
}

struct Connection {
    process: Rc<RefCell<Process>>,
    number: u64,
}

impl Connection {
    fn ask(&self, request: &serde_json::Value) -> Result<Vec<Vec<Value>>, Failure> {
        let answer = self
            .process
            .borrow_mut()
            .ask(request)
            .map_err(|error| Violation::Answer(format!("python3: {error}")))?;
        if let Some(code) = answer["code"].as_i64() {
            let text = answer["text"].as_str().unwrap_or_default().to_owned();
            return Err(Failure::of_code(code as i32, text));
        }
        let rows = answer["rows"].as_array().into_iter().flatten();
        Ok(rows
            .map(|row| row.as_array().into_iter().flatten().map(value).collect())
            .collect())
    }
}

fn value(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::String(text) => Value::Text(text.clone()),
        other => other
            .as_i64()
            .map_or_else(|| Value::Text(other.to_string()), Value::Integer),
    }
}

impl sql::Connection for Connection {
    fn execute(&mut self, text: &str, parameters: &[i64]) -> Result<(), Failure> {
        self.query(text, parameters).map(|_| ())
    }

    fn query(&mut self, text: &str, parameters: &[i64]) -> Result<Vec<Vec<Value>>, Failure> {
        self.ask(&json!({
            "connection": self.number,
            "do": "query",
            "text": text,
            "parameters": parameters,
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.ask(&json!({"connection": self.number, "do": "close"}));
    }
}
