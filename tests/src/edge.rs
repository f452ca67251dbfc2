//! An edge process, and a client of it that says what it wants in Hrana's JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::process::Running;
use crate::program::Program;
use crate::replica::Replica;
use crate::scene::Scene;
use crate::{places, wait_for};

/// A start that takes longer than this has failed.
const START: Duration = Duration::from_secs(60);

/// A request's own limits are far below.
const ANSWER: Duration = Duration::from_secs(120);

/// A process that serves SQL on one replica.
pub struct Edge {
    pub process: Running,
    pub addr: SocketAddr,
}

impl Edge {
    /// `seawall serve`, open to everybody.
    pub fn start(scene: &Scene, replica: &Replica, flags: &[&str]) -> Result<Self> {
        let open = ["-open"].iter().chain(flags).copied();
        Self::guarded(scene, replica, &open.collect::<Vec<_>>())
    }

    /// `seawall serve`, open to those whom the flags name.
    pub fn guarded(scene: &Scene, replica: &Replica, flags: &[&str]) -> Result<Self> {
        let mut command = Program::Seawall.command(replica)?;
        command.args(["serve", "-addr", "127.0.0.1:0"]);
        command.args(flags).arg(replica.url());
        Self::wait(scene, &mut command, "serving SQL at http://")
    }

    /// The same component, plugged together with its store, under another host: `wasmtime serve`.
    pub fn composed(scene: &Scene, replica: &Replica, variables: &[(&str, &str)]) -> Result<Self> {
        Self::of_component(scene, &places::edge_component()?, replica, variables)
    }

    /// Any component that has the composed one in it.
    pub fn of_component(
        scene: &Scene,
        component: &Path,
        replica: &Replica,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = Command::new(places::tool("wasmtime")?);
        command.args(["serve", "-S", "cli,http", "--addr", "127.0.0.1:0"]);
        // An instance keeps what it knows for as long as somebody comes.
        command.args(["--idle-instance-timeout", "60s"]);
        let mut all: BTreeMap<&str, String> = replica.variables().into_iter().collect();
        all.extend(
            variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        for (name, value) in all {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        Self::wait(scene, command.arg(component), "Serving HTTP on http://")
    }

    /// Starts it and waits until it says where it listens.
    fn wait(scene: &Scene, command: &mut Command, says: &str) -> Result<Self> {
        let log = scene.fresh("serve.log");
        let mut process = Running::start("the edge", command, &log)?;
        let addr = wait_for("the edge's address", START, || {
            ensure!(process.is_running()?, "it ended:\n{}", process.said()?);
            let said = process.said()?;
            let rest = said.split_once(says);
            let line = rest.and_then(|(_, rest)| rest.lines().next());
            let addr = line.map(|line| line.trim().trim_end_matches('/'));
            Ok(addr.and_then(|addr| addr.parse().ok()))
        })?;
        Ok(Self { process, addr })
    }

    pub fn client(&self) -> Client {
        Client::of(self.addr)
    }
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// SQLite's name of it, or the server's.
    pub code: String,
    pub message: String,
}

/// The rows of a statement, or its error.
pub type Answer = std::result::Result<Vec<Vec<Value>>, SqlError>;

/// Keeps its connection open, as an app's would be.
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

impl Client {
    pub fn of(addr: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER))
            .build();
        Self {
            agent: config.into(),
            url: format!("http://{addr}"),
        }
    }

    /// One statement outside any transaction.
    ///
    /// Errors: no answer of the server that makes sense. The statement's own are in the answer.
    pub fn execute(&self, sql: &str, args: &[Value]) -> Result<Answer> {
        let args: Vec<Value> = args.iter().map(encoded).collect();
        let statement = json!({ "type": "execute", "stmt": { "sql": sql, "args": args } });
        let answer = self.one(statement)?;
        Ok(answer.map(|found| rows(&found["result"])))
    }

    /// One statement that must succeed.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<Value>>> {
        let answer = self.execute(sql, &[])?;
        answer.map_err(|error| anyhow::anyhow!("{sql}: {}: {}", error.code, error.message))
    }

    /// Statements of one read transaction; the rows of each.
    ///
    /// Errors: any of them fails.
    pub fn snapshot(&self, statements: &[&str]) -> Result<Vec<Vec<Vec<Value>>>> {
        let all = ["BEGIN"].iter().chain(statements).chain(&["COMMIT"]);
        let steps: Vec<Value> = all.map(|sql| json!({ "stmt": { "sql": sql } })).collect();
        let batch = json!({ "type": "batch", "batch": { "steps": steps } });
        let found = self
            .one(batch)?
            .map_err(|error| anyhow::anyhow!("{}: {}", error.code, error.message))?;
        let result = &found["result"];
        let errors = result["step_errors"].as_array().context("no steps")?;
        for (error, step) in errors.iter().zip(&steps) {
            ensure!(error.is_null(), "{step}: {error}");
        }
        let results = result["step_results"].as_array().context("no steps")?;
        Ok(results[1..=statements.len()].iter().map(rows).collect())
    }

    /// Statements, one after the other, that must succeed.
    pub fn sequence(&self, sql: &str) -> Result<()> {
        let answer = self.one(json!({ "type": "sequence", "sql": sql }))?;
        answer.map_err(|error| anyhow::anyhow!("{}: {}", error.code, error.message))?;
        Ok(())
    }

    pub fn status(&self) -> Result<Value> {
        let mut answer = self.agent.get(format!("{}/status", self.url)).call()?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }

    /// What came of one request on a stream of its own.
    fn one(&self, request: Value) -> Result<std::result::Result<Value, SqlError>> {
        let body = json!({ "requests": [request, { "type": "close" }] });
        let url = format!("{}/v3/pipeline", self.url);
        let mut answer = self.agent.post(url).send(body.to_string())?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string()?;
        let said: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        if status != 200 {
            return Ok(Err(error_of(&said)?));
        }
        let first = &said["results"][0];
        match first["type"].as_str() {
            Some("ok") => Ok(Ok(first["response"].clone())),
            _ => Ok(Err(error_of(&first["error"])?)),
        }
    }
}

fn error_of(said: &Value) -> Result<SqlError> {
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    Ok(SqlError {
        code: text("code").with_context(|| format!("no code in {said}"))?,
        message: text("message").unwrap_or_default(),
    })
}

fn encoded(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({ "type": "integer", "value": number.to_string() }),
        Value::String(text) => json!({ "type": "text", "value": text }),
        _ => json!({ "type": "null" }),
    }
}

/// Integers as numbers, texts as texts.
fn rows(result: &Value) -> Vec<Vec<Value>> {
    let decoded = |cell: &Value| match (cell["type"].as_str(), cell["value"].as_str()) {
        (Some("integer"), Some(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        _ => cell["value"].clone(),
    };
    let row = |row: &Value| {
        let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
        cells.iter().map(decoded).collect()
    };
    let rows = result["rows"].as_array().map(Vec::as_slice);
    rows.unwrap_or_default().iter().map(row).collect()
}
