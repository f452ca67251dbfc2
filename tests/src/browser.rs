//! The page in the machine's own Chromium: the test says what a person would do.
//!
//! Node and playwright-core are between the two (`browser/drive.mjs`), with one line for each step.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::Running;
use crate::{places, wait_for};

/// A browser that starts on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A name of this machine's that browsers trust less than its address: no clipboard for scripts.
const PLAIN_NAME: &str = "seawall.test";

/// How the page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub dark: bool,
    /// In CSS pixels.
    pub width: u32,
    /// A name of the IANA's.
    pub time_zone: &'static str,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            dark: false,
            width: 1080,
            time_zone: "Asia/Tokyo",
        }
    }
}

/// One page in a browser of its own, which ends with this value.
pub struct Browser {
    process: Running,
    answers: Receiver<String>,
    origin: String,
}

/// All that the page asked for and all that the browser complained about.
#[derive(Debug, Deserialize)]
struct Seen {
    requests: Vec<String>,
    complaints: Vec<String>,
}

impl Browser {
    /// Opens the page that is served at `addr`.
    pub fn open(dir: &Path, addr: SocketAddr, look: Look) -> Result<Self> {
        Self::at(dir, format!("http://{addr}"), look)
    }

    /// Opens it by a name, as from another machine and without TLS.
    pub fn open_by_name(dir: &Path, addr: SocketAddr, look: Look) -> Result<Self> {
        Self::at(dir, format!("http://{PLAIN_NAME}:{}", addr.port()), look)
    }

    fn at(dir: &Path, origin: String, look: Look) -> Result<Self> {
        let log = dir.join("browser.log");
        let scheme = if look.dark { "dark" } else { "light" };
        let look = json!({
            "colorScheme": scheme,
            "viewport": { "width": look.width, "height": 800 },
            "timezoneId": look.time_zone,
        });
        let mut command = Command::new("node");
        command
            .arg(places::browser_driver()?)
            .arg(places::chromium()?)
            .arg(format!("{origin}/"))
            .arg(look.to_string())
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(
                std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(&log)?,
            );
        let mut process = Running::spawn("the browser", &mut command, &log)?;
        let stdout = process.child().stdout.take().context("no pipe")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let browser = Self {
            process,
            answers,
            origin,
        };
        browser.answer("open")?;
        Ok(browser)
    }

    /// Does one step; `words` are its name and what it is about.
    fn step(&mut self, words: &[&str]) -> Result<Value> {
        let stdin = self.process.child().stdin.as_mut().context("no pipe")?;
        writeln!(stdin, "{}", json!(words))?;
        stdin.flush()?;
        self.answer(&words.join(" "))
    }

    fn answer(&self, step: &str) -> Result<Value> {
        let line = self.answers.recv_timeout(ANSWER_LIMIT);
        let line = line.with_context(|| format!("{step}: the browser did not answer"))?;
        let mut answer: Value = serde_json::from_str(&line)?;
        match answer.get("error") {
            Some(error) => bail!("{step}: {error}"),
            None => Ok(answer["ok"].take()),
        }
    }

    fn text_of(&mut self, words: &[&str]) -> Result<String> {
        let answer = self.step(words)?;
        let text = answer.as_str().context("no text")?;
        // Numbers and units are joined by a space at which no line breaks.
        Ok(text.replace('\u{a0}', " "))
    }

    /// What the tab is called.
    pub fn title(&mut self) -> Result<String> {
        self.text_of(&["title"])
    }

    /// The text of the first element that `selector` finds.
    pub fn text(&mut self, selector: &str) -> Result<String> {
        self.text_of(&["text", selector])
    }

    /// The text of a field of the (first) database.
    pub fn field(&mut self, name: &str) -> Result<String> {
        self.text(&format!("[data-f=\"{name}\"]"))
    }

    /// Presses a key, as `ArrowLeft` or `Shift+Tab`.
    pub fn press(&mut self, key: &str) -> Result<()> {
        self.step(&["press", key])?;
        Ok(())
    }

    pub fn click(&mut self, selector: &str) -> Result<()> {
        self.step(&["click", selector])?;
        Ok(())
    }

    /// Class and text of what has the focus.
    pub fn focused(&mut self) -> Result<String> {
        self.text_of(&["focused"])
    }

    /// The text that is marked.
    pub fn selected(&mut self) -> Result<String> {
        self.text_of(&["selected"])
    }

    pub fn clipboard(&mut self) -> Result<String> {
        self.text_of(&["clipboard"])
    }

    /// Writes the whole page as a PNG.
    pub fn shoot(&mut self, to: &Path) -> Result<()> {
        self.step(&["shoot", &to.display().to_string()])?;
        Ok(())
    }

    /// Waits for the title to have `needle` in it.
    pub fn wait_for_title(&mut self, needle: &str, limit: Duration) -> Result<()> {
        let mut last = String::new();
        let seen = wait_for("the title", limit, || {
            last = self.title()?;
            Ok(last.contains(needle).then_some(()))
        });
        seen.with_context(|| format!("the title should say {needle:?} and is {last:?}"))
    }

    /// Insists that the page asked nobody but its own server, and that the browser complained of
    /// nothing: no error, no breach of the content security policy.
    pub fn close(mut self) -> Result<()> {
        let seen: Seen = serde_json::from_value(self.step(&["seen"])?)?;
        let own = format!("{}/", self.origin);
        let outside = |url: &&String| !url.starts_with(&own) && !url.starts_with("data:");
        let outside: Vec<&String> = seen.requests.iter().filter(outside).collect();
        ensure!(outside.is_empty(), "the page asked others: {outside:?}");
        ensure!(seen.requests.len() > 1, "the page asked for nothing");
        ensure!(seen.complaints.is_empty(), "{:?}", seen.complaints);
        drop(self.process.child().stdin.take());
        self.process.wait(ANSWER_LIMIT)?.ok()?;
        Ok(())
    }
}
