//! The program under test and its peer, behind the command line that they share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::places;
use crate::process::{Outcome, Running};
use crate::replica::{Replica, Settings};
use crate::scene::Scene;
use crate::weed::ACCESS_KEY;

/// No restore of the tests takes longer.
const RUN_LIMIT: Duration = Duration::from_secs(180);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Seawall,
    Litestream,
}

impl Program {
    /// Seawall, unless `PROGRAM_UNDER_TEST` names the peer.
    pub fn under_test() -> Result<Self> {
        match std::env::var("PROGRAM_UNDER_TEST").as_deref() {
            Err(_) | Ok("seawall") => Ok(Self::Seawall),
            Ok("litestream") => Ok(Self::Litestream),
            Ok(other) => bail!("PROGRAM_UNDER_TEST={other}: seawall or litestream"),
        }
    }

    pub fn path(self) -> Result<PathBuf> {
        match self {
            Self::Seawall => places::seawall(),
            Self::Litestream => match std::env::var_os("LITESTREAM_BIN") {
                Some(path) => Ok(path.into()),
                None => places::tool("litestream"),
            },
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Seawall => "seawall",
            Self::Litestream => "litestream",
        }
    }

    /// The program with the credentials of `replica` and none of the caller's.
    pub fn command(self, replica: &Replica) -> Result<Command> {
        let mut command = Command::new(self.path()?);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("AWS_") || name_text.starts_with("LITESTREAM_") {
                command.env_remove(&name);
            }
        }
        command
            .env("LITESTREAM_ACCESS_KEY_ID", ACCESS_KEY)
            .env("LITESTREAM_SECRET_ACCESS_KEY", &replica.secret_key)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        Ok(command)
    }

    /// Starts `replicate` with a config file.
    pub fn replicate(
        self,
        scene: &Scene,
        db: &Path,
        replica: &Replica,
        settings: &Settings,
    ) -> Result<Running> {
        let config = scene.fresh("config.yml");
        fs::write(&config, replica.config(db, settings))?;
        self.replicate_with(scene, replica, &config)
    }

    /// Starts `replicate` with a config file of the caller's.
    pub fn replicate_with(
        self,
        scene: &Scene,
        replica: &Replica,
        config: &Path,
    ) -> Result<Running> {
        let mut command = self.command(replica)?;
        command.args(["replicate", "-config"]).arg(config);
        Running::start(self.name(), &mut command, &scene.fresh("replicate.log"))
    }

    /// Runs a command to its end, whatever comes of it.
    pub fn run(self, scene: &Scene, replica: &Replica, words: &[&str]) -> Result<Outcome> {
        let mut command = self.command(replica)?;
        command.args(words);
        let log = scene.fresh(&format!("{}.log", words[0]));
        Running::start(self.name(), &mut command, &log)?.wait(RUN_LIMIT)
    }

    /// Runs `restore` of what `flags` say into `out`, whatever comes of it.
    pub fn try_restore_of(
        self,
        scene: &Scene,
        replica: &Replica,
        out: &Path,
        flags: &[&str],
    ) -> Result<Outcome> {
        let (out, url) = (out.display().to_string(), replica.url());
        let mut words = vec!["restore", "-o", &out];
        words.extend(flags);
        words.push(&url);
        self.run(scene, replica, &words)
    }

    /// Runs `restore` of the whole replica into `out`, whatever comes of it.
    pub fn try_restore(self, scene: &Scene, replica: &Replica, out: &Path) -> Result<Outcome> {
        self.try_restore_of(scene, replica, out, &[])
    }

    /// Runs `restore` and insists that it succeeds.
    pub fn restore(self, scene: &Scene, replica: &Replica, out: &Path) -> Result<()> {
        self.try_restore(scene, replica, out)?.ok()?;
        Ok(())
    }
}
