//! A directory to break things in, and what the doctor says about it.

use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tempfile::TempDir;

/// A secret that must never be printed.
pub const SECRET: &str = "hush-hush-hush";

pub struct Scene(TempDir);

/// A diagnosis.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub json: Value,
    /// All that was printed.
    pub text: String,
}

/// A program that is killed when it is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    pub fn new() -> Scene {
        let directory = TempDir::new().unwrap();
        // Other users must get in.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Scene(directory)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    /// A database in this journal mode that nobody has open.
    pub fn database(&self, name: &str, journal_mode: &str) -> PathBuf {
        let path = self.path(name);
        let connection = Connection::open(&path).unwrap();
        let sql = format!("PRAGMA journal_mode = {journal_mode}; CREATE TABLE notes (text TEXT)");
        connection.execute_batch(&sql).unwrap();
        path
    }

    /// A config with these lines, in which `DIR` stands for the scene's directory.
    pub fn config(&self, text: &str) {
        let directory = self.path("");
        let text = text.replace("DIR", directory.to_str().unwrap().trim_end_matches('/'));
        fs::write(self.path("c.yml"), text).unwrap();
    }

    /// The program in the scene's directory, without the caller's credentials.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("")).env_clear();
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    pub fn seawall(&self) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_seawall")))
    }

    /// The doctor about `c.yml`, in words and in JSON, with these variables.
    #[track_caller]
    pub fn examine(&self, variables: &[(&str, &str)]) -> Said {
        self.examine_by(&mut self.seawall(), &["-config", "c.yml"], variables)
    }

    #[track_caller]
    pub fn examine_by(
        &self,
        command: &mut Command,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Said {
        command.arg("doctor").arg("-json").args(arguments);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let text = format!("{stdout}{stderr}");
        assert!(!text.contains(SECRET), "a secret is printed:\n{text}");
        Said {
            code: output.status.code().unwrap(),
            json: serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("no JSON:\n{text}")),
            text,
        }
    }

    /// Every file with its content, but for the program's copy.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = walkdir::WalkDir::new(self.path("")).into_iter().flatten();
        let files = files.filter(|entry| entry.file_type().is_file());
        files
            .map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap()))
            .collect()
    }
}

impl Said {
    /// Insists that a check has this status and that its text and remedy say all the words.
    #[track_caller]
    pub fn names(&self, check: &str, status: &str, words: &[&str]) {
        let found = self.checks().into_iter().find(|found| {
            let said = format!("{} -> {}", found["text"], found["remedy"]);
            found["check"] == check
                && found["status"] == status
                && words.iter().all(|word| said.contains(word))
        });
        let all = self.text.as_str();
        assert!(
            found.is_some(),
            "no {status} at {check} with {words:?} in\n{all}"
        );
        let code = i32::from(self.json["faults"] != 0);
        assert_eq!(self.code, code, "the exit code tells of faults:\n{all}");
    }

    /// Insists that nothing is complained about but for these checks, and what may lie in the
    /// machine that runs the test: its kind of file system and its free space.
    #[track_caller]
    pub fn complains_only_of(&self, expected: &[&str]) {
        for check in self.checks() {
            let complaint = matches!(check["status"].as_str(), Some("warning" | "fault"));
            let name = check["check"].as_str().unwrap();
            let allowed = ["file system", "free space"].contains(&name) || expected.contains(&name);
            assert!(
                !complaint || allowed,
                "a complaint about {name}:\n{}",
                self.text
            );
        }
    }

    pub fn status(&self, check: &str) -> Option<String> {
        let mut checks = self.checks().into_iter();
        let found = checks.find(|found| found["check"] == check)?;
        Some(found["status"].as_str()?.to_owned())
    }

    fn checks(&self) -> Vec<&Value> {
        let sections = self.json["sections"].as_array().unwrap().iter();
        sections
            .flat_map(|section| section["checks"].as_array().unwrap())
            .collect()
    }
}

pub fn am_root() -> bool {
    rustix::process::geteuid().is_root()
}
