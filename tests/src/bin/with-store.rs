//! `with-store COMMAND...`: runs a command with one S3 server for all tests in it.
//! Each test finds it by an environment variable and uses a prefix of its own.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use end_to_end::weed::{STORE_VARIABLE, SeaweedFs};

fn main() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("usage: with-store COMMAND...")?;
    let weed = SeaweedFs::start()?;
    let status = Command::new(program)
        .args(words)
        .env(STORE_VARIABLE, weed.store.s3.port().to_string())
        .status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
