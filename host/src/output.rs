//! What a command writes for its caller: the result to stdout, complaints to stderr. A reader that
//! has seen enough and goes away (`seawall ltx … | head`) is no error of ours.

use crate::exit::Code;
use anyhow::Context;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Errors: stdout takes nothing, because its disk is full for one. That nobody reads is none.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    let text = text.to_string();
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("the result cannot be written to stdout")
        }
        _ => Ok(()),
    }
}

/// All that a command has to do that comes without a log: returns `code` when it is done.
pub fn print_and_end(text: impl Display, code: Code) -> Code {
    match print(text) {
        Ok(()) => code,
        Err(error) => {
            complain(format_args!("{error:#}"));
            Code::Error
        }
    }
}

/// Where there is no log yet: each line with the program's name before it. The exit code tells,
/// too, if nobody hears.
pub fn complain(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    for line in text.to_string().lines() {
        let _ = writeln!(stderr, "seawall: {line}");
    }
}
